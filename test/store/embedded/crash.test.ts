// The engine of the embedded database crashes, or is stuck.
import { cpSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import t from "tap";
import { StoreAway } from "../../../src/actors/ports.ts";
import { systemClock } from "../../../src/clock.ts";
import { CLOSE_MS } from "../../../src/store/embedded/bridge.ts";
import { asStoreError } from "../../../src/store/errors.ts";
import { madeDataDir } from "../../support/data-dir.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { SmallDisk } from "../../support/small-disk.ts";
import { connected, opened } from "./connected.ts";

const DISK_BYTES = 400 * 2 ** 20;

t.test("[D54] an engine that a full disk broke is replaced, and has what was committed", async (t) => {
  const disk = await SmallDisk.mount(t, DISK_BYTES);
  if (disk === undefined) return;
  const dataDir = join(disk.folder, "data");
  cpSync(await madeDataDir(t), dataDir, { recursive: true });
  const database = await opened(t, dataDir, systemClock);
  const crashes: string[] = [];
  database.onCrash(({ message }) => crashes.push(message));
  const idle = await connected(database);
  await idle.query("CREATE TABLE written (n int PRIMARY KEY, text text)");
  const committed: number[] = [];
  const write = async (n: number) => {
    const client = await connected(database);
    try {
      // Fills the write-ahead log: without room for the next segment of it PostgreSQL cannot go on.
      await client.query("SELECT pg_logical_emit_message(false, 'test', repeat('x', 1000000))");
      await client.query("INSERT INTO written VALUES ($1, 'x') ON CONFLICT DO NOTHING", [n]);
      committed.push(n);
    } finally {
      client.end().catch(() => {});
    }
  };

  disk.fill();
  const refusals: unknown[] = [];
  for (let n = 0; crashes.length < 2; n++) {
    await write(n).catch(async (error: unknown) => {
      refusals.push(asStoreError(error));
      await sleep(10);
    });
  }
  t.match(crashes[0], /^the embedded database crashed: .*No space left on device/);
  t.same(
    refusals.filter((refusal) => !(refusal instanceof StoreAway)),
    [],
  );
  await t.rejects(idle.query("SELECT 1"), "a connection to the engine that broke ends");

  disk.enlarge();
  for (let n = 1_000_000; !committed.includes(n); ) await write(n).catch(() => sleep(10));
  const client = await connected(database);
  const { rows } = await client.query<{ n: number }>("SELECT n FROM written");
  const there = new Set(rows.map(({ n }) => n));
  t.same(
    committed.filter((n) => !there.has(n)),
    [],
    `of ${committed.length}, after ${crashes.length} crashes`,
  );
  await client.end();
});

t.test("[D55] an engine that is stuck does not keep its database from being closed", async (t) => {
  const clock = new FakeClock();
  const database = await opened(t, await madeDataDir(t), clock);
  const client = await connected(database);
  const stuck = t.rejects(client.query("DO $$ BEGIN LOOP END LOOP; END $$"));
  const closing = database.close();
  await clock.advance(CLOSE_MS);
  await closing;
  await stuck;
});
