/** The servers that there are, for tests that run over each. */
import { type LoadedUws, loadOrRelinkUws } from "../../src/transport/server/load-uws.ts";
import type { Server, ServerOptions } from "../../src/transport/server/server.ts";
import { createUwsServer, type UwsServerTimes } from "../../src/transport/server/uws-server.ts";
import { createWsServer } from "../../src/transport/server/ws-server.ts";

/** The binary of uWebSockets.js. @throws with the reason if none loads here: a suite that cannot run must not be silent. */
export function uwsForTests(): Extract<LoadedUws, { from: string }> {
  const loaded = loadOrRelinkUws();
  if (loaded.uws === undefined) throw new Error(`uWebSockets.js does not load: ${loaded.why}`);
  return loaded;
}

type OnError = (error: unknown) => void;

export function uwsServer(options: ServerOptions, onError: OnError, times?: UwsServerTimes): Server {
  return createUwsServer(uwsForTests().uws, options, onError, times);
}

export const SERVERS = { ws: createWsServer, uws: uwsServer } as const;
