import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import t, { type Test } from "tap";
import type { IngestResult } from "../../src/actors/messages.ts";
import { systemClock } from "../../src/clock.ts";
import { type Config, loadConfig } from "../../src/config.ts";
import { startNode } from "../../src/node.ts";
import type { NodeStore } from "../../src/node-store.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { problemOf } from "../http/fixture.ts";
import { MemoryStore } from "../support/memory-store.ts";
import { stoppableDatabase } from "../support/postgres.ts";
import { serve, TOKEN, temporaryFolder } from "../support/serve.ts";

interface EntityList {
  features: { id: string }[];
  missingShards?: number;
}

/** A whole node, on a port of its own, over a store in memory that can go away. */
async function nodeInMemory(t: Test, env: Record<string, string> = {}, clock = systemClock) {
  const memory = new MemoryStore();
  const store: NodeStore = Object.assign(memory, {
    kind: "memory",
    snapshot: { offer: () => {}, checkpoint: async () => undefined },
    onDown: () => {},
    [Symbol.asyncDispose]: async () => {},
  });
  const config = loadConfig({
    PORT: "0",
    MUSTER_ADMIN_TOKEN: TOKEN,
    MUSTER_DATA_DIR: await temporaryFolder(t),
    ...env,
  }) as Config;
  const failures: unknown[] = [];
  const log = createLog("silent");
  const node = await startNode({ config, log, clock, store, onFatal: (error) => failures.push(error) });
  t.teardown(() => node.stop());
  const headers = { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" };
  return { memory, node, failures, get: (path: string) => fetch(node.url + path, { headers }), headers };
}

t.test("[N9] the database goes away and comes back", async (t) => {
  const { memory, node, failures, get, headers } = await nodeInMemory(t);
  const post = (body: unknown) =>
    fetch(`${node.url}/v1/reports`, { method: "POST", headers, body: JSON.stringify(body) });
  const report = (id: string, more: object = {}) => ({
    id,
    t: new Date().toISOString(),
    lon: 1,
    lat: 2,
    ...more,
  });
  const feed = new WebSocket(`${node.url.replace("http", "ws")}/v1/feed?token=${TOKEN}`, ["muster.v1.json"]);
  const heartbeats: { stale: boolean }[] = [];
  feed.addEventListener("message", ({ data }) => {
    const message = JSON.parse(data);
    if (message.op === "heartbeat") heartbeats.push(message);
  });
  await once(feed, "open");
  t.equal((await get("/readyz")).status, 200);

  memory.away = "before";
  let answered = 0;
  const waiting = [post([report("a")]), post([report("b")])].map((sent) =>
    sent.then(async (response) => {
      answered += 1;
      return (await response.json()) as object;
    }),
  );
  await sleep(500);
  t.equal(answered, 0, "nothing is acknowledged");
  t.equal((await get("/v1/entities/a")).status, 200, "the picture alone runs ahead");
  const ready = await get("/readyz");
  t.equal(ready.status, 503);
  t.match(await ready.json(), { ready: false, checks: { store: { ok: false } } });

  const { commit, router } = node.system;
  // Past HTTP, and each batch when the one before is decided: what waits then is not looked at twice.
  const filling: Promise<IngestResult>[] = [];
  const attributes = { text: "x".repeat(8_000) };
  while (!commit.overloaded) {
    const t = Date.now() - 1_000_000 + filling.length;
    const reports = Array.from({ length: 500 }, (_, i) => ({ id: `v${i}`, t, source: "", attributes }));
    const before = commit.backlogBytes;
    filling.push(router.submit(reports));
    while (commit.backlogBytes < before + 400 * 8_000 && !commit.overloaded) await sleep(1);
  }
  const refused = await post([report("late")]);
  t.equal(refused.status, 503, "past the bound new work is refused");
  t.ok(Number(refused.headers.get("retry-after")) > 0);
  t.match(await refused.json(), { type: "urn:muster:problem:overloaded" });
  t.equal((await get("/v1/entities/late")).status, 404);
  while (heartbeats.length === 0) await sleep(100);
  t.equal(heartbeats.at(-1)?.stale, true, "viewers are told");

  memory.away = "no";
  t.same(await Promise.all(waiting), [
    { accepted: 1, refusedCount: 0, refused: [] },
    { accepted: 1, refusedCount: 0, refused: [] },
  ]);
  const filled = await Promise.all(filling);
  t.ok(filled.some(({ accepted }) => accepted === 500));
  for (const { refused } of filled) for (const { type } of refused) t.equal(type, "overloaded");
  t.equal((await get("/readyz")).status, 200);
  t.equal((await post([report("late")])).status, 200);
  t.same(failures, []);
  feed.close();
});

t.test("[H41] what is being loaded again is not told as being nowhere", async (t) => {
  const { memory, node, get, headers } = await nodeInMemory(t);
  const post = (id: string) =>
    fetch(`${node.url}/v1/reports`, {
      method: "POST",
      headers,
      body: JSON.stringify([{ id, t: new Date().toISOString(), lon: 1, lat: 2 }]),
    });
  const ids = async (query: string) => {
    const list = (await (await get(`/v1/entities?${query}`)).json()) as EntityList;
    return [list.features.map(({ id }) => id), list.missingShards];
  };
  await post("a");
  await post("b");
  const { promise, resolve } = Promise.withResolvers<void>();
  memory.claimGate = promise;
  memory.fenced = true;
  const refused = post("a");
  while ((await get("/v1/entities/a")).status === 200) await sleep(5);
  for (const path of ["a", "?kind=vessel", "?near=1,2"]) {
    const response = await get(`/v1/entities${path.startsWith("?") ? "" : "/"}${path}`);
    t.equal(response.headers.get("retry-after"), "1");
    t.same(await problemOf(response), ["unavailable", 503], path);
  }
  t.same(await ids("partial=true"), [["b"], 1]);
  t.same(await ids("partial=true&near=1,2"), [["b"], 1]);
  t.equal((await get("/v1/entities/b")).status, 200);
  t.equal((await get("/v1/entities/nobody")).status, 404);
  resolve();
  await refused;
  while ((await get("/v1/entities/a")).status !== 200) await sleep(5);
  t.same(await ids(""), [["a", "b"], undefined]);
});

t.test("[N9] a stop while the database is away ends in time and acknowledges nothing", async (t) => {
  const { memory, node, headers } = await nodeInMemory(t);
  memory.away = "before";
  const body = JSON.stringify([{ id: "a", t: new Date().toISOString(), lon: 1, lat: 2 }]);
  const answer = fetch(`${node.url}/v1/reports`, { method: "POST", headers, body }).then(
    (response) => response.json(),
    () => ({ accepted: 0 }),
  );
  await sleep(200);
  t.equal(await node.stop(), false, "decided work could not be committed");
  t.equal(((await answer) as { accepted?: number }).accepted ?? 0, 0);
  t.equal(memory.batches.length, 0);
});

t.test("[N11] a database that goes away once all is committed does not keep a stop", async (t) => {
  const { memory, node, headers } = await nodeInMemory(t, { MUSTER_STALE_AFTER: "1" });
  const body = JSON.stringify([{ id: "a", t: new Date().toISOString(), lon: 1, lat: 2 }]);
  t.equal((await fetch(`${node.url}/v1/reports`, { method: "POST", headers, body })).status, 200);
  // Half a request keeps the server from closing at once, so that there is time for the entity's silence to be noticed.
  const slow = connect(Number(new URL(node.url).port), "127.0.0.1");
  slow.on("error", () => {});
  slow.write("POST /v1/reports HTTP/1.1\r\nHost: x\r\n");
  await once(slow, "connect");
  while (memory.batches.length === 0) await sleep(10);
  const stopped = node.stop();
  await sleep(0);
  memory.away = "before";
  t.equal(await stopped, true);
  t.same(memory.events.filter(({ type }) => type === "liveness.changed").length, 0, "no timer has fired");
});

t.test("[N11] a database that hangs at the last checkpoints does not keep a stop", async (t) => {
  const hurried = {
    ...systemClock,
    schedule: (delay: number, fire: () => void) => systemClock.schedule(delay / 20, fire),
  };
  const { memory, node, headers } = await nodeInMemory(t, {}, hurried);
  const body = JSON.stringify([{ id: "a", t: new Date().toISOString(), lon: 1, lat: 2 }]);
  t.equal((await fetch(`${node.url}/v1/reports`, { method: "POST", headers, body })).status, 200);
  memory.writeGate = new Promise(() => {});
  t.equal(await node.stop(), true, "all decided work is committed");
  t.equal(memory.checkpoints.size, 0);
});

t.test("[N9] a real server stops under load and starts again", { timeout: 110_000 }, async (t) => {
  const database = await stoppableDatabase();
  const node = await serve(t, { dataDir: await temporaryFolder(t), env: { DATABASE_URL: database.url } });
  const post = async (number: number) => {
    const reports = [{ id: "a", t: new Date().toISOString(), lon: 1, lat: 2, alt: number }];
    const response = await fetch(`${node.url}/v1/reports`, {
      method: "POST",
      headers: node.headers,
      body: JSON.stringify(reports),
    });
    return { number, status: response.status };
  };
  const ready = async () => (await fetch(`${node.url}/readyz`)).status;
  t.equal((await post(1)).status, 200);
  await database.stop();
  const waiting = [2, 3, 4].map(post);
  let answered = 0;
  for (const sent of waiting) void sent.then(() => answered++);
  while ((await ready()) !== 503) await sleep(50);
  t.equal(answered, 0);
  await database.start();
  t.same(
    (await Promise.all(waiting)).map(({ status }) => status),
    [200, 200, 200],
  );
  while ((await ready()) !== 200) await sleep(50);
  t.equal((await post(5)).status, 200);
  t.equal(await node.end("SIGKILL"), "SIGKILL");
  const again = await serve(t, { dataDir: await temporaryFolder(t), env: { DATABASE_URL: database.url } });
  const entity = await fetch(`${again.url}/v1/entities/a`, { headers: again.headers });
  t.match(await entity.json(), { properties: { alt: 5 } });
  t.equal(await again.end("SIGTERM"), 0);
});
