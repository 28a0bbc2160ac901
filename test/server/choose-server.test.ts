import t from "tap";
import { chooseServer } from "../../src/transport/server/choose-server.ts";
import { ServerStartError } from "../../src/transport/server/errors.ts";
import type { LoadedUws } from "../../src/transport/server/load-uws.ts";
import type { ServerChoice } from "../../src/transport/server/server.ts";
import { serveOnPostgres } from "../support/serve.ts";
import { uwsForTests } from "../support/servers.ts";

const OPTIONS = {
  fetch: () => new Response(),
  upgrade: () => ({ accept: false, response: new Response() }) as const,
  socket: { open() {}, message() {}, drain() {}, close() {} },
  maxMessageBytes: 1,
  maxConnections: 1,
};

t.test("[S20] uWebSockets.js is taken where it loads and ws where not, unless one is named", async (t) => {
  const loads = (): LoadedUws => uwsForTests();
  const fails = (): LoadedUws => ({ uws: undefined, why: "no such library" });
  const chosen = async (choice: ServerChoice, load: () => LoadedUws) => {
    const { create, about } = chooseServer(choice, load);
    const server = create(OPTIONS, () => {});
    await server.close(0);
    return [server.name, about.uWebSockets];
  };
  const { from } = uwsForTests();
  t.strictSame(await chosen("auto", loads), ["uws", from]);
  t.strictSame(await chosen("uws", loads), ["uws", from]);
  t.strictSame(await chosen("ws", loads), ["ws", "not wanted"]);
  t.strictSame(await chosen("auto", fails), ["ws", "does not load: no such library"]);
  t.throws(() => chooseServer("uws", fails), ServerStartError);
  t.throws(() => chooseServer("uws", fails), /no such library.* npm run uws:relink/);
});

t.test("[S20] the log says which server serves", async (t) => {
  for (const server of ["ws", "uws"]) {
    const node = await serveOnPostgres(t, { MUSTER_SERVER: server, LOG_LEVEL: "info" });
    t.match(node.output(), `"server":"${server}"`);
    const { headers } = await fetch(`${node.url}/healthz`);
    t.equal(headers.has("uwebsockets"), server === "uws", "and it is so");
    t.equal(await node.end("SIGTERM"), 0);
  }
});
