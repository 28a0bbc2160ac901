import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import t from "tap";
import { FakeClock } from "../support/fake-clock.ts";
import { testDatabase } from "../support/postgres.ts";
import { execute } from "../support/postgres-server.ts";
import { temporaryFolder } from "../support/serve.ts";
import { batchOf, committed, KeptLog, open } from "./fixture.ts";

t.test("[D17] a backup that holds the table of events stops neither a start nor a flush", async (t) => {
  const { url } = await testDatabase(t);
  const options = { dataDir: await temporaryFolder(t), databaseUrl: url };
  await (await open(options)).close();
  const days = await execute<{ name: string }>(
    url,
    "SELECT relname AS name FROM pg_class WHERE relname ~ '^event_\\d+$' ORDER BY 1",
  );
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
  const [day] = await execute<{ name: string }>(
    url,
    "SELECT relname AS name FROM pg_class WHERE relname ~ '^track_\\d+$' ORDER BY 1 DESC",
  );
  const { name } = day!;
  await execute(url, `DROP TABLE ${name}`);
  // It takes as long as to read some GB.
  await execute(
    url,
    `CREATE FUNCTION slow() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(20); END $$;
     CREATE EVENT TRIGGER slow ON ddl_command_start WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION slow()`,
  );
  const clock = new FakeClock();
  const log = new KeptLog();
  const began = performance.now();
  const store = await open({ ...options, clock, log });
  t.teardown(() => store.close());
  t.ok(performance.now() - began < 10_000);
  t.match(log.lines, [
    {
      level: "warn",
      details: { partitions: [name] },
      message: /track_default is too large to be looked through/,
    },
  ]);
  await execute(url, "DROP EVENT TRIGGER slow");
  const isThere = async () => (await execute(url, "SELECT to_regclass($1) AS oid", [name]))[0];
  await clock.advance(3_600_000);
  while (((await isThere()) as { oid: string | null }).oid === null) await sleep(20);
  t.pass("it is made once it can be");
});
