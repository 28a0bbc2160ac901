// Entities that are deleted, and erased, over HTTP, from a node whose rows follow within a second.
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import pg from "pg";
import t, { type Test } from "tap";
import { shardOf } from "../../src/actors/shard-hash.ts";
import { holding, waits } from "../support/locks.ts";
import { testDatabase } from "../support/postgres.ts";
import { tablesWith } from "../support/search-database.ts";
import { type Serving, serve, temporaryFolder } from "../support/serve.ts";
import { Receiver } from "../webhooks/receiver.ts";

const HURRIED = fileURLToPath(new URL("../support/serve-hurried.ts", import.meta.url));
const SECRET = "ghost-4711";
/** What it carried: in attributes, and as its source. */
const CARGO = "cargo-0815";
/** Has facts in the same sections, and in the same flushes. */
const NEIGHBOUR = neighbourOf(SECRET);

function neighbourOf(id: string): string {
  for (let i = 0; ; i++) if (shardOf(`other-${i}`) === shardOf(id)) return `other-${i}`;
}

function client(t: Test, node: Serving) {
  const { url, headers } = node;
  const start = Math.floor(Date.now() / 1_000) * 1_000 - 3_600_000;
  const ask = (path: string, method = "GET") => fetch(`${url}${path}`, { method, headers });
  return {
    ask,
    status: async (path: string, method?: string) => (await ask(path, method)).status,
    json: async (path: string) => (await ask(path)).json() as Promise<Record<string, never>>,
    /** Reports of an hour ago, ten seconds apart. */
    async report(id: string, from: number, to: number) {
      const reports = Array.from({ length: to - from }, (_, i) => ({
        id,
        t: new Date(start + (from + i) * 10_000).toISOString(),
        lon: 25 + (from + i) / 1_000,
        lat: 60,
        kind: "ship",
        speed: i % 50 < 25 ? 5 : 0,
        source: id === SECRET ? CARGO : "radar",
        ...(i === 0 ? { attributes: { cargo: id === SECRET ? CARGO : "sand" } } : {}),
      }));
      const body = JSON.stringify(reports);
      t.match(await (await fetch(`${url}/v1/reports`, { method: "POST", headers, body })).json(), {
        accepted: reports.length,
      });
    },
    async hook(endpoint: string) {
      const body = JSON.stringify({ url: endpoint });
      t.equal((await fetch(`${url}/v1/webhooks`, { method: "POST", headers, body })).status, 201);
    },
  };
}

type Find = (text: string) => Promise<string[]>;

/** Waits until the text is in exactly these tables. */
async function isIn(find: Find, text: string, wanted: readonly string[]): Promise<void> {
  for (let tries = 0; ; tries++) {
    const found = await find(text);
    if (wanted.every((name) => found.includes(name))) return;
    if (tries > 400) throw new Error(`${text} is in ${found}`);
    await sleep(25);
  }
}

async function connected(t: Test, url: string): Promise<{ find: Find; query: pg.Client["query"] }> {
  const sql = new pg.Client({ connectionString: url });
  await sql.connect();
  t.teardown(() => sql.end());
  return { find: (text) => tablesWith(sql, text), query: sql.query.bind(sql) as pg.Client["query"] };
}

const ALL = ["checkpoint", "entity", "event", "journal", "track", "webhook_letter"];

t.test("[D36] [D37] [H33] [TR17] an erasure leaves nothing in any table: PostgreSQL", async (t) => {
  const { url } = await testDatabase(t);
  const receiver = await Receiver.start(t);
  receiver.answer = () => ({ status: 500 });
  const env = { DATABASE_URL: url, MUSTER_WEBHOOK_PRIVATE: "true" };
  const dataDir = await temporaryFolder(t);
  const node = await serve(t, { dataDir, program: HURRIED, env });
  const { ask, status, json, report, hook } = client(t, node);
  const { find } = await connected(t, url);
  await hook(receiver.url);
  for (let i = 0; i < 4; i++) {
    await report(SECRET, i * 50, i * 50 + 50);
    await report(NEIGHBOUR, i * 50, i * 50 + 50);
  }
  const way = async (id: string) => {
    const { features } = await json(`/v1/entities/${id}/track?limit=5000`);
    return (features as { properties: { times: string[] } }[]).flatMap(({ properties }) => properties.times);
  };
  await isIn(
    find,
    SECRET,
    ALL.filter((name) => !name.startsWith("track_part")),
  );

  // A deletion.
  t.equal(await status(`/v1/entities/${SECRET}`, "DELETE"), 204);
  t.equal(await status(`/v1/entities/${SECRET}`), 404);
  t.equal(await status(`/v1/entities/${SECRET}`, "DELETE"), 404);
  while ((await find(SECRET)).includes("entity")) await sleep(25);
  const times = await way(SECRET);
  t.equal(new Set(times).size, 201, "its way is there, and until when it was held to be there");
  t.ok(await way(NEIGHBOUR));
  const { events } = await json(`/v1/entities/${SECRET}/events?after=start&limit=1000`);
  t.match((events as object[]).at(-1), { type: "entity.deleted", subject: SECRET });
  // It comes again, and both are erased.
  await report(SECRET, 300, 330);
  t.equal(await status(`/v1/entities/${SECRET}`), 200);
  await isIn(find, SECRET, ["entity"]);
  const kept = await ask(`/v1/entities/${NEIGHBOUR}`).then((answer) => answer.json());
  const neighbours = await way(NEIGHBOUR);
  t.equal(await status(`/v1/entities/${SECRET}?erase=true`, "DELETE"), 204);
  t.same(await find(SECRET), [], "nothing has its id");
  t.same(await find(CARGO), [], "nor what it carried");
  t.equal(await status(`/v1/entities/${SECRET}`), 404);
  t.same(await way(SECRET), []);
  t.match(await json(`/v1/entities/${SECRET}/events?after=start`), { events: [] });
  t.equal(await status(`/v1/entities/${SECRET}?erase=true`, "DELETE"), 204, "again");
  t.same(await find(SECRET), []);

  t.equal(await node.end("SIGKILL"), "SIGKILL");
  const again = await serve(t, { dataDir, program: HURRIED, env });
  const after = client(t, again);
  t.equal(await after.status(`/v1/entities/${SECRET}`), 404);
  t.match(await after.json(`/v1/entities/${NEIGHBOUR}`), {
    geometry: kept.geometry,
    properties: { seq: kept.properties.seq },
  });
  const found = await after.json(`/v1/entities/${NEIGHBOUR}/track?limit=5000`);
  t.same(
    (found.features as { properties: { times: string[] } }[]).flatMap(({ properties }) => properties.times),
    neighbours,
  );
  await after.report(SECRET, 340, 341);
  t.match(await after.json(`/v1/entities/${SECRET}`), { properties: { attributes: { cargo: /./ } } });
  t.equal(await again.end("SIGTERM"), 0, again.output());
  t.equal(again.output().match(/"level":50/), null);
});

t.test(
  "[D36] [E23] an erasure that a crash interrupts is complete after it, or when it is asked for again",
  async (t) => {
    const { url } = await testDatabase(t);
    const dataDir = await temporaryFolder(t);
    const { find } = await connected(t, url);
    const start = () => serve(t, { dataDir, program: HURRIED, env: { DATABASE_URL: url } });
    /** Kills a node that is erasing, when it waits for the lock. */
    const interrupted = async (node: Serving, lock: string, waiting: RegExp) => {
      const { report, status } = client(t, node);
      for (const id of [SECRET, NEIGHBOUR]) await report(id, 0, 60);
      await isIn(find, SECRET, ["checkpoint", "entity", "event", "journal", "track"]);
      const release = await holding(t, url, lock);
      const answer = status(`/v1/entities/${SECRET}?erase=true`, "DELETE").catch(() => "no answer");
      t.ok(await waits(url, waiting, answer), `${waiting}`);
      t.equal(await node.end("SIGKILL"), "SIGKILL");
      t.equal(await answer, "no answer");
      await release();
    };
    await interrupted(await start(), "LOCK TABLE webhook_letter", /webhook_letter/);
    const second = await start();
    while ((await find(SECRET)).length > 0) await sleep(25);
    t.pass("the next start completes what was decided");
    t.equal(await client(t, second).status(`/v1/entities/${SECRET}`), 404);
    await interrupted(second, "LOCK TABLE checkpoint", /checkpoint/);
    const third = await start();
    const { status, json } = client(t, third);
    t.equal(await status(`/v1/entities/${SECRET}`), 404);
    t.equal(await status(`/v1/entities/${SECRET}?erase=true`, "DELETE"), 204);
    t.same(await find(SECRET), []);
    t.same(await find(CARGO), []);
    t.match(await json(`/v1/entities/${NEIGHBOUR}`), { properties: { kind: "ship" } });
    t.equal(await third.end("SIGTERM"), 0, third.output());
  },
);
