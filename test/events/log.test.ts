import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import pg from "pg";
import t, { type Test } from "tap";
import { StoreAway } from "../../src/actors/ports.ts";
import { type Cursor, compareCursors, START } from "../../src/events/cursor.ts";
import type { LoggedEvent } from "../../src/events/ports.ts";
import { positionOf } from "../../src/events/position.ts";
import { MAX_EVENT_ROWS } from "../../src/limits.ts";
import { MOMENT_AND_LAST, PAGE } from "../../src/store/read-events.ts";
import type { Store } from "../../src/store/store.ts";
import { batchOf, committed, open, rows } from "../store/fixture.ts";
import { otherServerDatabase, stoppableDatabase, testDatabase } from "../support/postgres.ts";
import { execute } from "../support/postgres-server.ts";
import { temporaryFolder } from "../support/serve.ts";
import { eventsOf, readAll, STORES, textsOf } from "./read-log.ts";
import { openOnPostgres } from "./rig.ts";

const run = promisify(execFile);

for (const [kind, openStore] of Object.entries(STORES)) {
  t.test(`[EV1] events come once each and in order, page by page (${kind})`, async (t) => {
    const store = await openStore(t);
    t.teardown(() => store.close());
    const epochs = await store.claim([1]);
    const subjects = ["a", "b"];
    for (let flushNo = 1; flushNo <= 5; flushNo++)
      await committed(store, batchOf(flushNo, epochs, { 1: "x" }, eventsOf(flushNo, subjects)));
    t.same(textsOf(await readAll(store.eventLog, START, 3)), [
      "1a",
      "1b",
      "2a",
      "2b",
      "3a",
      "3b",
      "4a",
      "4b",
      "5a",
      "5b",
    ]);
    t.same(textsOf(await readAll(store.eventLog, START, 2, "b")), ["1b", "2b", "3b", "4b", "5b"]);
    const [first] = await readAll(store.eventLog, START, 200);
    t.match(first, { type: "state.changed", subject: "a", time: 1_001, data: { n: "1a" } });
    const { end } = await store.eventLog.moment();
    t.same(await readAll(store.eventLog, end, 10), [], "nothing after the end");
  });
}

t.test("[EV2] a cursor does not skip what commits late; `id > last` does", async (t) => {
  const { url } = await testDatabase(t);
  const store = await open({ dataDir: await temporaryFolder(t), databaseUrl: url });
  t.teardown(() => store.close());
  const writers = await Promise.all([0, 1, 2].map(() => connected(t, url)));
  const seen: LoggedEvent[] = [];
  const naive: number[] = [];
  let cursor = START;
  const look = async () => {
    const page = await store.eventLog.read(cursor, MAX_EVENT_ROWS);
    seen.push(...page.events);
    cursor = page.next;
    const last = naive.at(-1) ?? 0;
    const found = await rows<{ id: number }>(
      store,
      `SELECT id::float8 AS id FROM event WHERE id > ${last} ORDER BY id`,
    );
    naive.push(...found.map(({ id }) => id));
  };
  // Each writer begins before the one before it ends, and they end in the other order.
  for (let round = 0; round < 10; round++) {
    for (const writer of writers) {
      await writer.query("BEGIN");
      await insert(writer, `${round}`);
    }
    await look();
    for (const writer of writers.toReversed()) {
      await insert(writer, `${round}`);
      await writer.query("COMMIT");
      await look();
    }
  }
  const [written] = await rows<{ n: number }>(store, "SELECT count(*)::int AS n FROM event");
  t.equal(written!.n, 60);
  t.ok(naive.length < 60, `by id alone ${60 - naive.length} events were lost`);
  t.equal(seen.length, 60, "by transaction none");
  t.equal(new Set(seen.map((event) => event.cursor.id)).size, 60, "and none came twice");
  t.ok(isAscending(seen.map((event) => event.cursor)));
});

t.test(
  "[EV44] who begins now gets what was committed while an older transaction was under way",
  async (t) => {
    const { url } = await testDatabase(t);
    const store = await open({ dataDir: await temporaryFolder(t), databaseUrl: url });
    t.teardown(() => store.close());
    const [holder, writer] = [await connected(t, url), await connected(t, url)];
    const id = randomUUID();
    await holder.query("BEGIN");
    await holder.query("SELECT pg_current_xact_id()");
    await insert(writer, "before");
    await store.webhooks.create({
      id,
      url: "http://127.0.0.1:9/",
      enabled: true,
      secret: "AAAA",
      createdAt: 0,
    });
    const now = positionOf("now", await store.eventLog.moment());
    const ofWebhook = (await store.webhooks.statuses(id))[0]!.cursor;
    await insert(writer, "after");
    await holder.query("ROLLBACK");
    for (const cursor of [now, ofWebhook])
      t.same(
        (await readAll(store.eventLog, cursor, 10)).map(({ subject }) => subject),
        ["before", "after"],
      );
  },
);

t.test("[EV60] a cursor survives a crash of the server, which gives ids of transactions again", async (t) => {
  const { url, crash, start } = await stoppableDatabase();
  const store = await open({ dataDir: await temporaryFolder(t), databaseUrl: url });
  t.teardown(() => store.close());
  const epochs = await store.claim([1]);
  await committed(store, batchOf(1, epochs, { 1: "x" }, eventsOf(1, ["a"])));
  // Until the server ends before it has written down which ids it gave.
  let isAgain = false;
  for (let flushNo = 2; !isAgain && flushNo <= 40; flushNo++) {
    const other = await connected(t, url);
    // These take ids, and nobody waits until the server has written that down.
    for (let i = 0; i < 20; i++) {
      await other.query("BEGIN");
      await other.query("SELECT pg_current_xact_id()");
      await other.query("ROLLBACK");
    }
    const { end, horizon } = await store.eventLog.moment();
    const { next } = await store.eventLog.read(START, MAX_EVENT_ROWS);
    const { next: ofNobody } = await store.eventLog.read(START, MAX_EVENT_ROWS, "nobody");
    await crash();
    await start();
    const again = batchOf(flushNo, epochs, { 1: "y" }, eventsOf(flushNo, ["a"]));
    for (let attempt = 1; (await appended(store, again, attempt)) === undefined; attempt++) await sleep(50);
    const [last] = (await readAll(store.eventLog, START, 10)).slice(-1);
    isAgain = last!.cursor.xid < horizon.xid;
    for (const [what, cursor] of Object.entries({ end, next, ofNobody }))
      t.same(textsOf(await readAll(store.eventLog, cursor, 10)), [`${flushNo}a`], what);
  }
  t.ok(isAgain, "an id was given again");
});

t.test("[EV3] a cursor survives a dump and its restore into another server", async (t) => {
  const { url } = await stoppableDatabase();
  // So that the ids of transactions of the other server begin below what the cursor has passed.
  for (let i = 0; i < 20; i++) await execute(url, "SELECT pg_current_xact_id()");
  const before = await open({ dataDir: await temporaryFolder(t), databaseUrl: url });
  const writer = await connected(t, url);
  for (let i = 0; i < 3_000; i++) await writer.query("SELECT pg_current_xact_id()");
  const epochs = await before.claim([1]);
  for (const flushNo of [1, 2, 3])
    await committed(before, batchOf(flushNo, epochs, { 1: "x" }, eventsOf(flushNo, ["a"])));
  const passed = await before.eventLog.read(START, 2);
  await before.close();

  const other = await otherServerDatabase();
  const { bin } = other;
  const file = `${await temporaryFolder(t)}/dump`;
  await run(`${bin}/pg_dump`, ["-Fc", "-f", file, url]);
  await run(`${bin}/pg_restore`, ["--no-owner", "-d", other.url, file]);
  const after = await open({ dataDir: await temporaryFolder(t), databaseUrl: other.url });
  t.teardown(() => after.close());
  const again = await after.claim([1]);
  await committed(after, batchOf(1, again, { 1: "x" }, eventsOf(4, ["a"])));
  const [newest] = await rows<{ xid: number }>(
    after,
    `SELECT max(xid)::text::int AS xid FROM event WHERE era > ${passed.next.era}`,
  );
  t.ok(newest!.xid < passed.next.xid, "the new server's transactions are numbered lower");
  t.same(textsOf(await readAll(after.eventLog, passed.next, 10)), ["3a", "4a"]);
  t.equal((await readAll(after.eventLog, START, 10)).length, 4);
});

t.test("[EV3] when the era rises, nodes of the one before cannot write any more", async (t) => {
  const { url } = await testDatabase(t);
  const first = await open({ dataDir: await temporaryFolder(t), databaseUrl: url });
  t.teardown(() => first.close());
  const epochs = await first.claim([1]);
  await committed(first, batchOf(1, epochs, { 1: "x" }, eventsOf(1, ["a"])));
  // As if the database stood on another server now.
  await execute(url, "UPDATE cluster SET server = 'elsewhere'");
  const second = await open({ dataDir: await temporaryFolder(t), databaseUrl: url });
  t.teardown(() => second.close());
  t.same(await first.append(batchOf(2, epochs, { 1: "x" }, eventsOf(2, ["a"])), 1), { status: "fenced" });
  const again = await second.claim([1]);
  await committed(second, batchOf(1, again, { 1: "x" }, eventsOf(3, ["a"])));
  const events = await readAll(second.eventLog, START, 10);
  t.same(textsOf(events), ["1a", "3a"]);
  t.ok(events[1]!.cursor.era > events[0]!.cursor.era);
});

t.test(
  "[EV4] reading after a cursor goes by an index in each partition, and is planned as cheap",
  async (t) => {
    const store = await openOnPostgres(t);
    t.teardown(() => store.close());
    const { pool } = store.context;
    for (let days = 1; days <= 30; days++) {
      const name = `event_${days}_days_ago`;
      const [day] = await rows<{ lower: string; upper: string }>(
        store,
        `SELECT day::text AS lower, (day + 1)::text AS upper FROM (SELECT (now() AT TIME ZONE 'UTC')::date - ${days} AS day) AS d`,
      );
      await pool.query(
        `CREATE TABLE ${name} PARTITION OF event FOR VALUES FROM ('${day!.lower} 00:00+00') TO ('${day!.upper} 00:00+00')`,
      );
      await pool.query(
        `INSERT INTO event (recorded_at, era, shard, type, subject, time, data)
       SELECT '${day!.lower} 12:00+00', era, 1, 't', 's' || i % 100, now(), '{}' FROM cluster, generate_series(1, 1000) AS i`,
      );
    }
    await pool.query("ANALYZE event");
    const [middle] = await rows<{ era: string; xid: string; id: string }>(
      store,
      "SELECT era::text, xid::text, id::text FROM event ORDER BY era, xid, id OFFSET 15000 LIMIT 1",
    );
    const values = [middle!.era, `'${middle!.xid}'`, middle!.id, "200"];
    const page = PAGE.replace(/\$(\d)/g, (_, n) => values[Number(n) - 1]!);
    for (const text of [page, MOMENT_AND_LAST]) {
      const [explained] = await rows<{ "QUERY PLAN": [{ Plan: Plan }] }>(
        store,
        `EXPLAIN (ANALYZE, FORMAT JSON) ${text}`,
      );
      const { Plan: plan } = explained!["QUERY PLAN"][0];
      t.ok(plan["Total Cost"] < JIT_ABOVE_COST, `cost ${plan["Total Cost"]}`);
      const scans = scansOf(plan).filter(({ table }) => table.endsWith("_days_ago"));
      t.equal(scans.length, 30);
      t.same(
        scans.filter(({ how, rows }) => !how.startsWith("Index") || rows > 200),
        [],
      );
    }
  },
);

/** By default PostgreSQL compiles what seems to cost more, which takes a second for so many partitions. */
const JIT_ABOVE_COST = 100_000;

interface Plan {
  "Node Type": string;
  "Relation Name"?: string;
  "Total Cost": number;
  "Actual Rows": number;
  Plans?: Plan[];
}

function scansOf(plan: Plan): { how: string; table: string; rows: number }[] {
  const below = plan.Plans?.flatMap(scansOf) ?? [];
  const table = plan["Relation Name"];
  return table === undefined
    ? below
    : [{ how: plan["Node Type"], table, rows: plan["Actual Rows"] }, ...below];
}

/** @returns what became of it; `undefined` while the database is not there. */
async function appended(store: Store, batch: ReturnType<typeof batchOf>, attempt: number) {
  try {
    return await store.append(batch, attempt);
  } catch (error) {
    if (!(error instanceof StoreAway)) throw error;
    return undefined;
  }
}

const isAscending = (cursors: readonly Cursor[]) =>
  cursors.every((cursor, i) => i === 0 || compareCursors(cursors[i - 1]!, cursor) < 0);

async function connected(t: Test, url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  client.on("error", () => {});
  await client.connect();
  t.teardown(() => client.end());
  return client;
}

async function insert(client: pg.Client, subject: string): Promise<void> {
  await client.query(
    "INSERT INTO event (era, shard, type, subject, time, data) SELECT era, 1, 't', $1, now(), '{}' FROM cluster",
    [subject],
  );
}
