import { setTimeout as sleep } from "node:timers/promises";
import t from "tap";
import { madeDataDir } from "../../support/data-dir.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { batchOf, committed, open, rows } from "../fixture.ts";

/** How often the upkeep looks. */
const LOOK_MS = 5_000;

/** Counts how often the upkeep has planned its next look: it does when it is through. */
class UpkeepClock extends FakeClock {
  planned = 0;
  override schedule(delay: number, fire: () => void): () => void {
    if (delay === LOOK_MS) this.planned += 1;
    return super.schedule(delay, fire);
  }

  /** Has the upkeep look once more, and waits until it is through. */
  async look(): Promise<void> {
    const { planned } = this;
    await this.advance(LOOK_MS);
    while (this.planned === planned) await sleep(1);
  }
}

t.test("[D21] the embedded database is checkpointed and vacuumed while it runs", async (t) => {
  const clock = new UpkeepClock();
  const store = await open({ dataDir: await madeDataDir(t), clock });
  t.teardown(() => store.close());
  const epochs = await store.claim([1]);
  const mark = await committed(store, batchOf(1, epochs, { 1: "x" }));
  for (let i = 0; i < 50; i++)
    await store.write({ shard: 1, epoch: epochs.get(1)!, mark, body: Buffer.from(`${i}`) });
  const redo = async () =>
    (await rows<{ lsn: string }>(store, "SELECT redo_lsn::text AS lsn FROM pg_control_checkpoint()"))[0]!.lsn;
  const first = await redo();
  for (let i = 0; i < 11; i++) await clock.look();
  t.equal(await redo(), first, "not before its time");
  for (let i = 0; i < 2; i++) await clock.look();
  t.not(await redo(), first, "after a minute");
  for (let i = 0; i < 14; i++) await clock.look();
  const dead = await rows<{ table: string; pages: number }>(
    store,
    "SELECT relname AS table, relpages AS pages FROM pg_class WHERE relname IN ('checkpoint', 'mark') ORDER BY 1",
  );
  t.ok(
    dead.every(({ pages }) => pages > 0),
    `vacuumed: ${JSON.stringify(dead)}`,
  );
});

t.test("[D21] it is checkpointed once so much WAL was written, before the minute is over", async (t) => {
  const clock = new UpkeepClock();
  const store = await open({
    dataDir: await madeDataDir(t),
    clock,
    upkeep: { checkpointWalBytes: 2_000_000 },
  });
  t.teardown(() => store.close());
  const epochs = await store.claim([1]);
  const redo = async () =>
    (await rows<{ lsn: string }>(store, "SELECT redo_lsn::text AS lsn FROM pg_control_checkpoint()"))[0]!.lsn;
  await clock.look();
  const first = await redo();
  let flushNo = 0;
  await committed(store, batchOf(++flushNo, epochs, { 1: Buffer.alloc(100_000, "x") }));
  await clock.look();
  t.equal(await redo(), first, "100 kB are not enough");
  for (let i = 0; i < 3; i++) {
    await committed(store, batchOf(++flushNo, epochs, { 1: Buffer.alloc(1_000_000, "x") }));
  }
  await clock.look();
  t.not(await redo(), first);
});

t.test("[D23] tables and templates that are old in transactions are frozen", async (t) => {
  const clock = new UpkeepClock();
  const freezeAge = 300;
  const store = await open({ dataDir: await madeDataDir(t), clock, upkeep: { freezeAge } });
  t.teardown(() => store.close());
  const oldest = async () =>
    (
      await rows<{ database: number; table: number }>(
        store,
        `SELECT (SELECT max(age(datfrozenxid)) FROM pg_database) AS database,
          (SELECT max(age(relfrozenxid)) FROM pg_class WHERE relfrozenxid <> '0') AS "table"`,
      )
    )[0]!;
  await clock.look();
  const young = await oldest();
  t.ok(young.table > 0 && young.table < freezeAge, "nothing is done before its time");
  for (let i = 0; i < freezeAge; i++) await rows(store, "SELECT pg_current_xact_id()");
  t.ok((await oldest()).database > freezeAge);
  let looks = 0;
  for (; (await oldest()).database > freezeAge && looks < 300; looks++) await clock.look();
  t.ok(looks > 50, "one table a look");
  const { database, table } = await oldest();
  t.ok(database <= freezeAge && table <= freezeAge, `${table} and ${database}`);
});
