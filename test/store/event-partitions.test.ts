import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import t from "tap";
import { makeDailyPartitions } from "../../src/store/daily-partitions.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { testDatabase } from "../support/postgres.ts";
import { execute } from "../support/postgres-server.ts";
import { temporaryFolder } from "../support/serve.ts";
import { batchOf, committed, KeptLog, open } from "./fixture.ts";

t.test("[D17] a backup that holds the table of events stops neither a start nor a flush", async (t) => {
  const { url } = await testDatabase(t);
  const options = { dataDir: await temporaryFolder(t), databaseUrl: url };
  await (await open(options)).close();
  const days = await daysOf(url, "event");
  t.ok(days.length >= 3, "today and two days ahead");
  const tomorrow = days[1]!.name;
  await execute(url, `DROP TABLE ${tomorrow}`);
  const backup = new pg.Client({ connectionString: url });
  await backup.connect();
  t.teardown(() => backup.end());
  // What pg_dump does.
  await backup.query("BEGIN");
  await backup.query("LOCK TABLE event IN ACCESS SHARE MODE");

  const clock = new FakeClock();
  const log = new KeptLog();
  const store = await open({ ...options, clock, log });
  t.teardown(() => store.close());
  t.match(log.lines, [{ level: "warn", details: { partitions: [tomorrow] } }]);
  const epochs = await store.claim([1]);
  const event = { shard: 1, type: "state.changed", subject: "a", time: 1_000, data: {} };
  await committed(store, batchOf(1, epochs, { 1: "x" }, [event]));
  t.equal(await isThere(), false);
  await backup.query("COMMIT");
  await clock.advance(60_000);
  while (!(await isThere())) await sleep(20);
  t.pass("it is made when the backup is over");

  async function isThere(): Promise<boolean> {
    const [row] = await execute<{ there: boolean }>(url, "SELECT to_regclass($1) IS NOT NULL AS there", [
      tomorrow,
    ]);
    return row!.there;
  }
});

t.test("[D17] a default partition that is too large to be looked through stops no start", async (t) => {
  const { url } = await testDatabase(t);
  const options = { dataDir: await temporaryFolder(t), databaseUrl: url };
  await (await open(options)).close();
  const days = await daysOf(url, "track");
  const [today, last] = [days.at(-3)!.name, days.at(-1)!.name];
  await execute(url, `DROP TABLE ${today}, ${last}`);
  // Of a node that died in the middle: when its day comes rows would be refused.
  await execute(
    url,
    "ALTER TABLE track_default ADD CONSTRAINT without_track_20400101 CHECK (first < '2040-01-01') NOT VALID",
  );
  // To read it takes as long as some GB do, which PostgreSQL does unless a constraint spares it.
  await execute(
    url,
    `CREATE FUNCTION slow() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
       IF NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = 'track_default'::regclass AND contype = 'c' AND convalidated)
       THEN PERFORM pg_sleep(20); END IF;
     END $$;
     CREATE EVENT TRIGGER slow ON ddl_command_start WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION slow()`,
  );
  const clock = new FakeClock();
  const log = new KeptLog();
  const began = performance.now();
  const store = await open({ ...options, clock, log });
  t.teardown(() => store.close());
  t.ok(performance.now() - began < 10_000);
  const tooLarge = () => log.lines.filter(({ message }) => /track_default is too large/.test(message));
  t.match(tooLarge(), [{ level: "warn", details: { partitions: [today, last] } }]);
  const isThere = async (name: string) => {
    const [row] = await execute<{ there: boolean }>(url, "SELECT to_regclass($1) IS NOT NULL AS there", [
      name,
    ]);
    return row!.there;
  };
  await clock.advance(60_000);
  while (tooLarge().length === 1) await sleep(20);
  t.match(tooLarge()[1], { details: { partitions: [today] } }, "of today there may be rows");
  t.ok(await isThere(last), "that of a day that nothing can be of yet is made without a look");
  const constraints =
    "SELECT conname FROM pg_constraint WHERE conrelid = 'track_default'::regclass AND contype = 'c'";
  t.same(await execute(url, constraints), [], "and what it took is gone");
});

t.test("[D17] a constraint spares PostgreSQL the look through the default partition", async (t) => {
  const { url } = await testDatabase(t);
  const store = await open({ dataDir: await temporaryFolder(t), databaseUrl: url });
  t.teardown(() => store.close());
  const client = await store.context.pool.connect();
  const notices: string[] = [];
  client.on("notice", ({ message }) => notices.push(message ?? ""));
  await client.query(
    `ALTER TABLE track_default ADD CONSTRAINT c CHECK (first < '2040-01-01 00:00+00' OR first >= '2040-01-02 00:00+00')`,
  );
  await client.query("SET client_min_messages = debug1");
  await client.query(
    "CREATE TABLE track_20400101 PARTITION OF track FOR VALUES FROM ('2040-01-01 00:00+00') TO ('2040-01-02 00:00+00')",
  );
  client.release(true);
  t.ok(notices.some((notice) => /default partition "track_default" is implied by existing/.test(notice)));
});

/**
 * A database without the last partition of tracks, whose default one takes longer to be looked through than anyone waits: PostgreSQL does it when it
 * makes a partition, and to prove a constraint. @returns what is to be made
 */
async function endless(url: string): Promise<string> {
  const [last] = await execute<{ name: string }>(
    url,
    "SELECT relname AS name FROM pg_class WHERE relname ~ '^track_\\d+$' ORDER BY 1 DESC LIMIT 1",
  );
  await execute(url, `DROP TABLE ${last!.name}`);
  await execute(
    url,
    `CREATE FUNCTION slow() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
       IF tg_tag = 'ALTER TABLE' AND current_setting('statement_timeout')::interval > '15 s' THEN
         RAISE 'nobody ends it in time';
       END IF;
       IF tg_tag = 'CREATE TABLE' OR current_query() ~ 'VALIDATE' THEN PERFORM pg_sleep(60); END IF;
     END $$;
     CREATE EVENT TRIGGER slow ON ddl_command_start WHEN TAG IN ('CREATE TABLE', 'ALTER TABLE') EXECUTE FUNCTION slow()`,
  );
  return last!.name;
}

const CONSTRAINTS =
  "SELECT conname AS name FROM pg_constraint WHERE conrelid = 'track_default'::regclass AND contype = 'c'";

t.test("[D17] readers of events wait for no proof that takes long", async (t) => {
  const { url } = await testDatabase(t);
  const store = await open({ dataDir: await temporaryFolder(t), databaseUrl: url });
  t.teardown(() => store.close());
  const last = await endless(url);
  const began = performance.now();
  const table = { name: "track", key: "first", daysBehind: 0 };
  const patience = { proveMs: 500, until: new AbortController().signal };
  t.same(await makeDailyPartitions(store.context, table, patience), {
    tooLate: [],
    locked: [],
    slow: [last],
  });
  t.ok(performance.now() - began < 4_000);
  t.same(await execute(url, CONSTRAINTS), [], "rows of that day are not refused");
});

t.test("[D17] [N11] a stop waits for no proof, and the next start forgets it", async (t) => {
  const { url } = await testDatabase(t);
  const options = { dataDir: await temporaryFolder(t), databaseUrl: url };
  await (await open(options)).close();
  const last = await endless(url);
  const clock = new FakeClock();
  const log = new KeptLog();
  const store = await open({ ...options, clock, log });
  t.teardown(() => store.close());
  await clock.advance(60_000);
  const proofs = "SELECT pid FROM pg_stat_activity WHERE state = 'active' AND query ~ '^ALTER.*VALIDATE'";
  while ((await execute(url, proofs)).length === 0) await sleep(20);
  const began = performance.now();
  await store.close();
  t.ok(performance.now() - began < 2_000);
  t.equal(log.messages.filter((message) => /partition/.test(message)).length, 1, "that of the start");
  t.same(await execute(url, CONSTRAINTS), [{ name: `without_${last}` }]);
  await execute(url, `SELECT pg_terminate_backend(pid) FROM (${proofs}) AS p`);
  await (await open(options)).close();
  t.same(await execute(url, CONSTRAINTS), []);
});

/** The daily partitions of a table, the oldest first. */
function daysOf(url: string, table: string): Promise<{ name: string }[]> {
  return execute(url, "SELECT relname AS name FROM pg_class WHERE relname ~ $1 ORDER BY 1", [
    `^${table}_\\d+$`,
  ]);
}
