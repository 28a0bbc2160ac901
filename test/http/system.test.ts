import { Writable } from "node:stream";
import t from "tap";
import { createLog, readableLine } from "../../src/telemetry/log.ts";
import { createMetrics } from "../../src/telemetry/metrics.ts";
import { problemOf, testApp } from "./fixture.ts";

t.test("[H18] health: alive is always, ready is as the checks say", async (t) => {
  const app = testApp({ health: () => ({ ready: false, checks: { store: { ok: false, detail: "away" } } }) });
  t.equal((await app.get("/healthz")).status, 200);
  const response = await app.get("/readyz");
  t.equal(response.status, 503);
  t.strictSame(await response.json(), { ready: false, checks: { store: { ok: false, detail: "away" } } });
  t.equal((await testApp().get("/readyz")).status, 200);
});

t.test("[H19] figures are read when asked for, and requests are counted by route", async (t) => {
  let entities = 3;
  const app = testApp({
    metrics: createMetrics([
      { name: "muster_entities", help: "Entities.", kind: "gauge", read: () => entities },
      { name: "muster_facts_total", help: "Facts.", kind: "counter", read: () => entities * 2 },
    ]),
  });
  await app.get("/v1/entities/nobody");
  const path = `/secret-${entities}`;
  await app.get(path);
  entities = 4;
  const response = await app.get("/metrics");
  t.match(response.headers.get("content-type"), /^text\/plain/);
  await response.text();
  const text = await (await app.get("/metrics")).text();
  t.match(text, /^muster_entities 4$/m);
  t.match(text, /^muster_facts_total 8$/m, "read anew each time, not added up");
  t.match(
    text,
    /^muster_http_request_duration_seconds_count\{method="GET",route="\/v1\/entities\/\{id\}",status="404"\} 1$/m,
  );
  t.match(text, /route="other",status="404"/);
  t.notMatch(text, path, "paths that were asked for are no labels");
});

t.test("[H19] a method that nobody knows is no label of its own", async (t) => {
  const metrics = createMetrics([]);
  const app = testApp({ metrics });
  for (const method of ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "M1", "m-2"])
    await app.fetch(new Request("http://muster.test/nothing", { method }));
  const text = await metrics.registry.metrics();
  const counts = text.matchAll(/^muster_http_request_duration_seconds_count\{method="([^"]*)".*\} (\d+)$/gm);
  t.strictSame(Object.fromEntries([...counts].map(([, method, count]) => [method, Number(count)])), {
    GET: 1,
    HEAD: 1,
    POST: 1,
    PUT: 1,
    PATCH: 1,
    DELETE: 1,
    OPTIONS: 1,
    other: 3,
  });
});

t.test("[H20] the API describes itself, every route and only routes", async (t) => {
  const app = testApp();
  const api = (await (await app.get("/openapi.json")).json()) as {
    openapi: string;
    paths: Record<
      string,
      Record<string, { responses: object; parameters?: { name: string; schema: { type: string } }[] }>
    >;
    components: { schemas: Record<string, object> };
  };
  t.equal(api.openapi, "3.1.0");
  t.strictSame(Object.keys(api.paths).sort(), [
    "/healthz",
    "/metrics",
    "/readyz",
    "/v1/cluster",
    "/v1/entities",
    "/v1/entities/{id}",
    "/v1/entities/{id}/commands",
    "/v1/entities/{id}/track",
    "/v1/me",
    "/v1/reports",
  ]);
  for (const name of ["Report", "ReportsAnswer", "Feature", "FeatureCollection", "Problem"])
    t.ok(api.components.schemas[name], name);
  const parameters = api.paths["/v1/entities"].get.parameters!;
  t.strictSame(
    parameters.map(({ name }) => name),
    ["bbox", "near", "radius", "k", "kind", "state", "datetime", "known", "limit", "after", "partial"],
  );
  t.equal(parameters.find(({ name }) => name === "limit")?.schema.type, "integer");
  const text = JSON.stringify(api);
  for (const [, name] of text.matchAll(/"#\/components\/(?:schemas|responses)\/(\w+)"/g))
    t.match(text, `"${name}":{`, `${name} is there`);

  const docs = await app.get("/docs");
  t.match(docs.headers.get("content-type"), /^text\/html/);
  const page = await docs.text();
  t.notMatch(page, /(?:src|href)="https?:/, "the page needs no other host");
});

t.test("[H20] every operation has a name of its own, for generators of code", async (t) => {
  const none = {} as never;
  const app = testApp({
    events: none,
    fences: none,
    machines: none,
    roles: none,
    keys: none,
    webhooks: { allowPrivate: false } as never,
  });
  const { paths } = (await (await app.get("/openapi.json")).json()) as {
    paths: Record<string, Record<string, { operationId?: string }>>;
  };
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { operationId }]) => [`${method} ${path}`, operationId] as const),
  );
  t.ok(operations.length >= 28);
  for (const [what, operationId] of operations) t.match(operationId, /^[a-z]+([A-Z][a-z]+)*$/, what);
  t.equal(new Set(operations.map(([, operationId]) => operationId)).size, operations.length);
});

t.test(
  "[H21] [A15] unknown paths are 404, other methods 405 with Allow, a feed without an upgrade 426",
  async (t) => {
    const app = testApp();
    t.strictSame(await problemOf(await app.get("/nothing")), ["not-found", 404]);
    t.strictSame(await problemOf(await app.get("/v1/nothing")), ["not-found", 404]);
    t.strictSame(await problemOf(await app.get("/")), ["not-found", 404]);
    for (const [method, path, allow] of [
      ["GET", "/v1/reports", "POST"],
      ["POST", "/v1/entities", "GET, HEAD"],
      ["PUT", "/v1/entities/a%2Fb", "GET, HEAD, DELETE, PATCH"],
      ["PUT", "/healthz", "GET, HEAD"],
    ]) {
      const response = await app.get(path, { method });
      t.equal(response.headers.get("allow"), allow);
      t.strictSame(await problemOf(response), ["method-not-allowed", 405]);
    }
    const feed = await app.get("/v1/feed");
    t.equal(feed.headers.get("upgrade"), "websocket");
    t.match(await feed.clone().json(), { detail: /subprotocol muster\.v1\.bin or muster\.v1\.json\.$/ });
    t.strictSame(await problemOf(feed), ["upgrade-required", 426]);
  },
);

t.test("[H22] the web UI: types, ETags, hashed names for ever, nothing outside of its folder", async (t) => {
  const folder = t.testdir({
    secret: "no",
    dist: {
      "index.html": "<h1>map</h1>",
      "basemap.geojson": "{}",
      assets: { "index-Ab3_x-9Z.js": "1", "logo.svg": "<svg/>" },
    },
  });
  const app = testApp({ webDir: `${folder}/dist` });
  const ask = (path: string, init?: RequestInit) => app.fetch(new Request(`http://muster.test${path}`, init));
  const page = await ask("/");
  t.equal(await page.text(), "<h1>map</h1>");
  t.equal(page.headers.get("content-type"), "text/html; charset=utf-8");
  t.equal(page.headers.get("cache-control"), "no-cache");
  t.equal(page.headers.get("x-content-type-options"), "nosniff");
  const etag = page.headers.get("etag")!;
  for (const known of [etag, `"x", W/${etag}`, "*"]) {
    const same = await ask("/", { headers: { "if-none-match": known } });
    t.strictSame([same.status, await same.text(), same.headers.get("etag")], [304, "", etag]);
  }
  t.equal((await ask("/", { headers: { "if-none-match": '"x"' } })).status, 200);

  const script = await ask("/assets/index-Ab3_x-9Z.js");
  t.equal(script.headers.get("content-type"), "text/javascript; charset=utf-8");
  t.equal(script.headers.get("cache-control"), "public, max-age=31536000, immutable");
  t.equal((await ask("/assets/logo.svg")).headers.get("cache-control"), "no-cache");
  t.equal((await ask("/basemap.geojson")).headers.get("content-type"), "application/geo+json");
  t.equal(await (await ask("/index.html", { method: "HEAD" })).text(), "");
  const posted = await ask("/", { method: "POST" });
  t.equal(posted.headers.get("allow"), "GET, HEAD");
  t.strictSame(await problemOf(posted), ["method-not-allowed", 405]);
  for (const path of [
    "/secret",
    "/../secret",
    "/..%2fsecret",
    "/%2e%2e%2fsecret",
    "/assets",
    "/assets/",
    "/index.html/x",
    "/%00",
    "/%ff",
    `/${"x".repeat(5_000)}`,
    "/map",
  ])
    t.strictSame(await problemOf(await ask(path)), ["not-found", 404], path.slice(0, 40));
});

t.test("[C9] the log is JSON lines, and readable ones on a terminal; tokens are not in it", async (t) => {
  const lines: string[] = [];
  const out = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk));
      done();
    },
  });
  createLog("info", out).info({ token: "secret", request: { authorization: "secret" }, n: 1 }, "hello");
  createLog("warn", out).info("not told");
  t.equal(lines.length, 1);
  t.match(JSON.parse(lines[0]), { level: 30, n: 1, msg: "hello", time: /^\d{4}-.*Z$/ });
  t.notMatch(lines[0], /secret/);

  lines.length = 0;
  createLog("info", Object.assign(out, { isTTY: true })).error(
    { err: new Error("broke"), n: 1, s: "x" },
    "failed",
  );
  await new Promise((resolve) => setImmediate(resolve));
  t.match(lines.join(""), /^\d\d:\d\d:\d\d\.\d{3} error failed {2}n=1 {2}s=x\nError: broke\n/);
  t.equal(
    readableLine('{"level":30,"time":"2026-01-02T03:04:05.678Z","msg":"m"}\n'),
    "03:04:05.678 info  m\n",
  );
});
