import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import t from "tap";
import { dropOldTracks } from "../../src/store/track/drop-old-tracks.ts";
import { count, KeptLog, open, rows as rowsOf } from "../store/fixture.ts";
import { testDatabase } from "../support/postgres.ts";
import { temporaryFolder } from "../support/serve.ts";

const DAY_MS = 86_400_000;

t.test("[TR16] tracks that are too old are dropped, by day, and what a lock keeps later", async (t) => {
  const { url } = await testDatabase(t);
  const dataDir = await temporaryFolder(t);
  const store = await open({ dataDir, databaseUrl: url });
  t.teardown(() => store.close());
  const names = await rowsOf<{ name: string }>(
    store,
    "SELECT relname AS name FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid WHERE inhparent = 'track'::regclass",
  );
  t.equal(names.length, 6, "five days and the rest");
  const dayAgo = (days: number) => new Date(Date.now() - days * DAY_MS).toISOString().slice(0, 10);
  const partition = async (days: number) => {
    const name = `track_${dayAgo(days).replaceAll("-", "")}`;
    await rowsOf(
      store,
      `CREATE TABLE ${name} PARTITION OF track FOR VALUES FROM ('${dayAgo(days)} 00:00+00') TO ('${dayAgo(days - 1)} 00:00+00')`,
    );
    return name;
  };
  const insert = (id: string, daysAgo: number, recordedDaysAgo: number) =>
    rowsOf(
      store,
      `INSERT INTO track (first, recorded, hold, entity, t_range, path, kind, state, attributes, labels)
       SELECT first, now() - make_interval(days => $3::int), false, $1, tstzrange(first, first + interval '1 minute'),
         'SRID=4326;LINESTRING ZM (0 0 0 1, 1 1 0 61)', 'truck', 's', '{}', '{}'
       FROM (SELECT now() - make_interval(days => $2::int) AS first) AS day`,
      [id, daysAgo, recordedDaysAgo],
    );
  const [old, young] = [await partition(12), await partition(10)];
  await insert("old", 12, 12);
  await insert("young", 10, 10);
  await insert("recording", 4_000, 1);
  for (let i = 0; i < 250; i++) await insert(`gone-${i}`, 4_000, 3_000);
  t.equal(await count(store, "track_default"), 251);

  const backup = new pg.Client({ connectionString: url });
  await backup.connect();
  t.teardown(() => backup.end());
  await backup.query("BEGIN");
  await backup.query("LOCK TABLE track IN ACCESS SHARE MODE");
  t.same(await dropOldTracks(store.context, 10 * DAY_MS), { dropped: [], locked: true });
  t.equal(await count(store, old), 1, "a backup keeps it");
  await backup.query("COMMIT");
  t.same(await dropOldTracks(store.context, 10 * DAY_MS), { dropped: [old], locked: false });
  const left = await rowsOf<{ entity: string }>(store, "SELECT entity FROM track ORDER BY 1");
  t.same(
    left.map(({ entity }) => entity),
    ["recording", "young"],
  );
  t.equal(await count(store, young), 1);
  await t.rejects(count(store, old), /does not exist/);
  await store.close();

  const log = new KeptLog();
  const again = await open({ dataDir, databaseUrl: url, log, retentionMs: 5 * DAY_MS });
  t.teardown(() => again.close());
  while (log.lines.length === 0) await sleep(20);
  t.match(log.lines, [{ level: "info", details: { partitions: [young] } }], "at a start too");
});

t.test("[TR16] no statement of the retention reads more than a part of the default partition", async (t) => {
  const { url } = await testDatabase(t);
  const store = await open({ dataDir: await temporaryFolder(t), databaseUrl: url });
  t.teardown(() => store.close());
  // All kept but the very last: what looks for so many old ones reads all of it.
  await rowsOf(
    store,
    `INSERT INTO track (first, recorded, hold, entity, t_range, path, kind, state, attributes, labels)
     SELECT first, CASE n WHEN 10000 THEN first ELSE now() END, false, 'e' || n, tstzrange(first, first + interval '1 minute'),
       'SRID=4326;LINESTRING ZM (0 0 0 1, 1 1 0 61)', 'truck', 's', '{}', '{}'
     FROM generate_series(1, 10000) AS n, (SELECT now() - interval '4000 days' AS first) AS day`,
  );
  const deletes: unknown[][] = [];
  const { context } = store;
  const connect = async () => {
    const client = await context.pool.connect();
    const query = (sql: string, values: unknown[] = []) => {
      if (/DELETE FROM track_default/.test(sql))
        deletes.push([`EXPLAIN (ANALYZE, FORMAT JSON) ${sql}`, values]);
      return client.query(sql, values);
    };
    return { query, release: (broken: boolean) => client.release(broken) };
  };
  await dropOldTracks({ ...context, pool: { connect } as unknown as pg.Pool }, 10 * DAY_MS);
  t.equal(await count(store, "track_default"), 9_999, "to the end");
  t.ok(deletes.length > 1);
  for (const [sql, values] of deletes) {
    const [explained] = await rowsOf<{ "QUERY PLAN": unknown }>(store, sql as string, values as unknown[]);
    const read = /"Rows Removed by Filter": (\d+)/.exec(JSON.stringify(explained, undefined, 1))?.[1];
    t.ok(Number(read) < 9_000, `${read} rows`);
  }
});
