/** Which server serves: uWebSockets.js where it loads, `ws` where not, or the one that the operator named. */
import { ServerStartError } from "./errors.ts";
import type { OnError } from "./fetch-adapter.ts";
import { loadUws } from "./load-uws.ts";
import type { Server, ServerChoice, ServerOptions } from "./server.ts";
import { createUwsServer } from "./uws-server.ts";
import { createWsServer } from "./ws-server.ts";

export interface ChosenServer {
  create(options: ServerOptions, onError: OnError): Server;
  /** For the log: which binary, or why none. */
  about: { uWebSockets: string };
}

/** @throws ServerStartError if `uws` is wanted and does not load. */
export function chooseServer(choice: ServerChoice, load = loadUws): ChosenServer {
  if (choice === "ws") return { create: createWsServer, about: { uWebSockets: "not wanted" } };
  const loaded = load();
  if (loaded.uws === undefined) {
    if (choice === "auto")
      return { create: createWsServer, about: { uWebSockets: `does not load: ${loaded.why}` } };
    throw new ServerStartError(
      `MUSTER_SERVER is uws, but uWebSockets.js does not load: ${loaded.why}. ` +
        "Where the C library is only a little too old for it, npm run uws:relink makes a copy that loads; MUSTER_SERVER=ws needs none.",
    );
  }
  const { uws, from } = loaded;
  return {
    create: (options, onError) => createUwsServer(uws, options, onError),
    about: { uWebSockets: from },
  };
}
