import { randomUUID } from "node:crypto";
import pg from "pg";
import t, { type Test } from "tap";
import { START } from "../../src/events/cursor.ts";
import { dropOldEvents } from "../../src/store/drop-old-events.ts";
import type { Store } from "../../src/store/store.ts";
import { open, rows } from "../store/fixture.ts";
import { madeDataDir } from "../support/data-dir.ts";
import { testDatabase } from "../support/postgres.ts";
import { temporaryFolder } from "../support/serve.ts";
import { openEmbedded, openOnPostgres } from "./rig.ts";

const DAY_MS = 86_400_000;

t.test(
  "[EV15] partitions older than the retention are dropped, and the floor says up to where (server)",
  async (t) => {
    const { url } = await testDatabase(t);
    const store = await open({ dataDir: await temporaryFolder(t), databaseUrl: url });
    t.teardown(() => store.close());
    await checkDropping(t, store);

    // As a backup does.
    const backup = new pg.Client({ connectionString: url });
    await backup.connect();
    t.teardown(() => backup.end());
    await makeDay(store, 9);
    await backup.query("BEGIN");
    await backup.query("LOCK TABLE event IN ACCESS SHARE MODE");
    t.same(await dropOldEvents(store.context, 5 * DAY_MS), { dropped: [], locked: true });
    await backup.query("COMMIT");
    t.equal((await dropOldEvents(store.context, 5 * DAY_MS)).dropped.length, 1);
  },
);

t.test("[EV15] partitions older than the retention are dropped (embedded)", async (t) => {
  const store = await open({ dataDir: await madeDataDir(t) });
  t.teardown(() => store.close());
  await checkDropping(t, store);
});

t.test("[EV15] a store that is opened drops what is too old", async (t) => {
  const { url } = await testDatabase(t);
  const options = { dataDir: await temporaryFolder(t), databaseUrl: url };
  const before = await open(options);
  await makeDay(before, 9);
  await before.close();
  const store = await open({ ...options, retentionMs: 5 * DAY_MS });
  t.teardown(() => store.close());
  while ((await dayNames(store)).length > 3) await new Promise((resolve) => setTimeout(resolve, 20));
  t.same((await store.eventLog.read(START, 10)).events, []);
});

for (const [name, openStore] of Object.entries({ server: openOnPostgres, embedded: openEmbedded })) {
  t.test(`[EV36] dead letters are kept as long as events after they were given up (${name})`, async (t) => {
    const store = await openStore(t);
    t.teardown(() => store.close());
    const webhook = { id: randomUUID(), url: "http://127.0.0.1:9/", enabled: true, secret: "AAAA" };
    await store.webhooks.create({ ...webhook, createdAt: Date.now() });
    const letter = (id: number, days: number, nextAt: string | null) =>
      store.context.pool.query(
        `INSERT INTO webhook_letter (webhook, era, xid, id, type, subject, time, data, attempts, failed_since, next_at)
         VALUES ($1, 1, '9', $2, 't', 's', '2020-01-01Z', '{}', 12, now() - make_interval(days => $3), $4)`,
        [webhook.id, id, days, nextAt],
      );
    await letter(1, 7, null);
    await letter(2, 7, "2020-01-01Z");
    await letter(3, 5, null);
    await letter(4, 1, null);
    await store.context.pool.query(
      `INSERT INTO webhook_letter SELECT webhook, era, xid, n, type, subject, time, data, attempts, failed_since
       FROM webhook_letter, generate_series(1001, 1450) AS n WHERE id = 1`,
    );
    await dropOldEvents(store.context, 5 * DAY_MS);
    const left = await rows<{ id: string }>(store, "SELECT id FROM webhook_letter ORDER BY id");
    t.same(
      left.map(({ id }) => Number(id)),
      [2, 3, 4],
    );
    t.match(await store.webhooks.statuses(), [{ waiting: 1, dead: 2 }]);
  });
}

async function checkDropping(t: Test, store: Store): Promise<void> {
  const old = [await makeDay(store, 9), await makeDay(store, 7), await makeDay(store, 3)];
  // Of a day without a partition, and of today.
  for (const days of [20, 0])
    await store.context.pool.query(
      `INSERT INTO event (recorded_at, era, shard, type, subject, time, data)
       SELECT now() - interval '${days} days', era, 1, 't', 's${days}', now(), '{}' FROM cluster, generate_series(1, 250)`,
    );
  const all = await store.eventLog.read(START, 5);
  t.same((await dropOldEvents(store.context, 5 * DAY_MS)).dropped, old.slice(0, 2));
  t.ok(!(await dayNames(store)).includes(old[0]!));
  t.ok((await dayNames(store)).includes(old[2]!));
  const left = await rows<{ subject: string; n: number }>(
    store,
    "SELECT subject, count(*)::int AS n FROM event GROUP BY 1 ORDER BY 1",
  );
  t.same(left, [
    { subject: "day 3", n: 1 },
    { subject: "s0", n: 250 },
  ]);
  const { floor } = await store.eventLog.moment();
  const [oldest] = all.events;
  t.ok(floor.xid > oldest!.cursor.xid, "a cursor before what was dropped is told apart");
  t.same((await dropOldEvents(store.context, 5 * DAY_MS)).dropped, [], "again nothing");
}

/** A partition of so many days ago, with an event. */
async function makeDay(store: Store, days: number): Promise<string> {
  const [day] = await rows<{ name: string; lower: string; upper: string }>(
    store,
    `SELECT 'event_' || to_char(day, 'YYYYMMDD') AS name, day::text AS lower, (day + 1)::text AS upper
     FROM (SELECT (now() AT TIME ZONE 'UTC')::date - ${days} AS day) AS d`,
  );
  const { name, lower, upper } = day!;
  const { pool } = store.context;
  await pool.query(
    `CREATE TABLE ${name} PARTITION OF event FOR VALUES FROM ('${lower} 00:00+00') TO ('${upper} 00:00+00')`,
  );
  await pool.query(
    `INSERT INTO event (recorded_at, era, shard, type, subject, time, data)
     SELECT '${lower} 12:00+00', era, 1, 't', 'day ${days}', now(), '{}' FROM cluster`,
  );
  return name;
}

async function dayNames(store: Store): Promise<string[]> {
  const found = await rows<{ name: string }>(
    store,
    "SELECT relname AS name FROM pg_class WHERE relname ~ '^event_\\d{8}$' ORDER BY 1",
  );
  return found.map(({ name }) => name);
}
