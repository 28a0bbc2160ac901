import t from "tap";
import { isConfigError, loadConfig } from "../../src/config.ts";
import { SERVERS } from "../support/servers.ts";
import { TOKEN, testApp } from "./fixture.ts";

const PAGE = "https://app.example.com";
const STRANGE = "https://example.com";
const origins = [PAGE, "http://localhost:5173"];
const authorization = `Bearer ${TOKEN}`;

t.test("[H54] pages of named origins may use the API with a token", async (t) => {
  const { fetch } = testApp({ origins });
  const ask = (method: string, path: string, headers: Record<string, string>) =>
    fetch(new Request(`http://muster.test${path}`, { method, headers }));
  const asking = {
    "access-control-request-method": "PUT",
    "access-control-request-headers": "authorization,if-match",
  };
  const preflight = await ask("OPTIONS", "/v1/fences/gulf", { ...asking, origin: PAGE });
  t.equal(preflight.status, 204);
  t.match(Object.fromEntries(preflight.headers), {
    "access-control-allow-origin": PAGE,
    "access-control-allow-methods": /\bPUT\b/,
    "access-control-allow-headers": /authorization.*content-type.*if-match.*idempotency-key/,
    vary: "Origin",
  });
  const told = async (path: string, headers: Record<string, string>) => {
    const response = await ask("GET", path, headers);
    await response.body?.cancel();
    const { headers: said } = response;
    t.match(said.get("vary"), /Origin$/, path);
    t.notOk(said.has("access-control-allow-credentials"));
    return [
      response.status,
      said.get("access-control-allow-origin"),
      said.has("access-control-expose-headers"),
    ];
  };
  for (const origin of origins)
    t.strictSame(await told("/v1/entities", { origin, authorization }), [200, origin, true]);
  t.strictSame(await told("/v1/entities", { origin: PAGE }), [401, PAGE, true], "refusals can be read");
  t.strictSame(await told("/v1/nothing", { origin: PAGE, authorization }), [404, PAGE, true]);
  t.strictSame(await told("/v1/entities", { authorization }), [200, null, false]);
  for (const origin of [STRANGE, "null", `${PAGE}.evil`, PAGE.toUpperCase()]) {
    t.strictSame(await told("/v1/entities", { origin, authorization }), [200, null, false], origin);
    const refused = await ask("OPTIONS", "/v1/entities", { ...asking, origin });
    t.strictSame([refused.status, refused.headers.get("access-control-allow-origin")], [401, null], origin);
  }
  const changed = await ask("DELETE", "/v1/entities/a", { origin: PAGE, cookie: `muster_token=${TOKEN}` });
  t.equal(changed.status, 403, "a cookie allows nothing to it");
  const page = await ask("GET", "/v1/entities", { origin: PAGE, accept: "text/html" });
  t.equal(page.headers.get("vary"), "Accept, Origin");
});

t.test("[H54] without a list nothing is different", async (t) => {
  const { get, fetch } = testApp();
  const response = await get("/v1/entities", { headers: { origin: PAGE } });
  t.equal(response.status, 200);
  t.notOk([...response.headers.keys()].some((name) => name === "vary" || name.startsWith("access-control")));
  const asked = { method: "OPTIONS", headers: { origin: PAGE, "access-control-request-method": "GET" } };
  t.equal((await fetch(new Request("http://muster.test/v1/entities", asked))).status, 401);
});

for (const name of ["ws", "uws"] as const)
  t.test(`[H54] [H29] ${name}: reports of a page are answered the same past fetch and by it`, async (t) => {
    const answers: string[][] = [];
    for (const usesDirect of [true, false]) {
      const app = testApp({ origins });
      const server = SERVERS[name](
        {
          fetch: app.fetch,
          direct: usesDirect ? app.direct : undefined,
          upgrade: () => ({ accept: false, response: new Response() }),
          socket: { open() {}, message() {}, drain() {}, close() {} },
          maxMessageBytes: 1_000,
          maxConnections: 100,
        },
        (error) => t.fail(String(error)),
      );
      const port = await server.listen("127.0.0.1", 0);
      t.teardown(() => server.close(100));
      const told: string[] = [];
      for (const given of [
        { origin: PAGE, authorization },
        { origin: PAGE },
        { origin: STRANGE, authorization },
        { authorization },
      ]) {
        const response = await fetch(`http://127.0.0.1:${port}/v1/reports`, {
          method: "POST",
          body: "[]",
          headers: { ...given, "content-type": "application/json" } as Record<string, string>,
        });
        const headers = [...response.headers].filter(([name]) => name !== "date");
        told.push(JSON.stringify([response.status, headers, await response.text()]));
      }
      t.match(told[0], `["access-control-allow-origin","${PAGE}"]`);
      t.match(told[1], `["access-control-allow-origin","${PAGE}"]`);
      t.notMatch(told[2], "access-control");
      answers.push(told);
    }
    t.strictSame(answers[0], answers[1]);
  });

t.test("[H55] origins are written as browsers do", async (t) => {
  const read = (MUSTER_ORIGINS: string) => loadConfig({ MUSTER_ORIGINS });
  t.match(read(`${PAGE}, http://localhost:5173`), { origins });
  for (const wrong of [
    ...["*", "null", "app.example.com", `${PAGE}/`, `${PAGE}:443`, "https://APP.example.com"],
    ...["file:///a", "wss://app.example.com", `${PAGE},`, `${PAGE} ${STRANGE}`],
  ]) {
    const loaded = read(wrong);
    t.ok(isConfigError(loaded) && loaded.mistakes[0]?.startsWith("MUSTER_ORIGINS must be origins"), wrong);
  }
});
