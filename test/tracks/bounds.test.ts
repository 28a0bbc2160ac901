import t from "tap";
import { LocalTails } from "../../src/actors/local-tails.ts";
import { shardOf } from "../../src/actors/shard-hash.ts";
import { TrackSource } from "../../src/actors/track-source.ts";
import { CHECKPOINT_INTERVAL_MS, MAX_SHARD_TRACK_BYTES } from "../../src/limits.ts";
import { Tracks } from "../../src/tracks/tracks.ts";
import { report, startSystem } from "../support/actor-system.ts";
import { NO_DESCRIPTION, SHARD, START } from "./log-run.ts";

const EVERY_MS = 5_000;

/** Entities of one shard that report together. */
class Fleet {
  readonly #tracks: Tracks;
  readonly #shard: number;
  readonly #numbers: readonly number[];
  readonly #describe: { describe: () => typeof NO_DESCRIPTION };
  at = START;

  constructor(tracks: Tracks, shard: number, numbers: readonly number[], attributes: string) {
    this.#tracks = tracks;
    this.#shard = shard;
    this.#numbers = numbers;
    this.#describe = { describe: () => ({ ...NO_DESCRIPTION, attributes }) };
  }

  /** Each reports once. @returns how many had to be refused. */
  round(): number {
    const heard = this.at;
    this.at += EVERY_MS;
    let refused = 0;
    for (const number of this.#numbers) {
      const fix = {
        t: this.at,
        received: this.at,
        lon: number / 100,
        lat: 60,
        alt: NaN,
        speed: 3,
        course: 10,
      };
      if (this.#tracks.isFull(this.#shard)) refused += 1;
      else this.#tracks.reported(this.#shard, number, { ...fix, late: false }, heard, this.#describe, 0);
    }
    return refused;
  }
}

const numbers = (count: number) => Array.from({ length: count }, (_, number) => number);

for (const [count, attributes] of [
  [3_900, ""],
  [2_500, `{"a":"${"x".repeat(900)}"}`],
] as const)
  t.test(
    `[TR9] rows that are written make room: ${count} entities, ${attributes.length} bytes of attributes`,
    async (t) => {
      const tracks = new Tracks(300_000);
      const log = tracks.logs[SHARD];
      const fleet = new Fleet(tracks, SHARD, numbers(count), attributes);
      let refused = 0;
      let most = 0;
      for (let round = 0; round < 200; round++) {
        refused += fleet.round();
        most = Math.max(most, log.bytes);
        if (round % 2 > 0) continue;
        log.wasWritten(log.take());
        log.closed = log.closed.filter((closed) => !log.isDurable(closed));
      }
      t.equal(refused, 0);
      t.ok(most > MAX_SHARD_TRACK_BYTES / 2, `${most} bytes`);
    },
  );

t.test(
  "[TR9] a shard that is full is checkpointed although nothing happens in it, and has room then",
  async (t) => {
    const h = await startSystem();
    const { system, clock } = h;
    for (const id of ["a", "b"]) {
      void system.router.submit([report(id, 0)]);
      await clock.advance(10);
    }
    const shard = shardOf("a");
    await clock.advance(2 * CHECKPOINT_INTERVAL_MS);
    const fleet = new Fleet(system.table.tracks, shard, numbers(3_000), "");
    while (fleet.round() === 0);
    t.equal(system.table.shards[shard].factsSinceCheckpoint, 0);
    system.table.tracks.logs[shard].closed = [];
    for (let second = 1; second < 40; second++) {
      void system.router.submit([report("b", 100 + second)]);
      await clock.advance(1_000);
    }
    t.notOk(system.table.tracks.isFull(shard));
    t.same(h.fatal, []);
  },
);

t.test("[TR11] [TR9] what becomes a row while memory is looked at is not read where it was", async (t) => {
  const h = await startSystem();
  const { system } = h;
  const shard = system.table.shards[0];
  const log = system.table.tracks.logs[0];
  const count = 2_000;
  for (let number = 0; number < count; number++) system.table.shards[0].departed.set(number, `e${number}`);
  shard.nextNumber = count;
  const fleet = new Fleet(system.table.tracks, 0, numbers(count), "");
  const source = new TrackSource(system.table);
  const write = () => {
    log.wasWritten(log.take());
    for (let batch = source.segments(500); batch !== undefined; batch = source.segments(500)) batch.written();
  };
  for (let round = 0; round < 100; round++) {
    fleet.round();
    if (round < 50 && round % 2 === 0) write();
  }
  log.wasWritten(log.take());
  let looks = 0;
  const before = log.bytes;
  const clock = Object.assign(Object.create(h.clock), {
    monotonic: () => 10 * looks++,
    yield: (run: () => void) => {
      write();
      setImmediate(run);
    },
  });
  const query = { t: fleet.at - 8 * EVERY_MS + 1, limit: count };
  const { records } = await new LocalTails(system.table, clock).at(query, () => true);
  t.ok(records.length > 0 && log.bytes < before, `${records.length} in ${log.bytes} of ${before} bytes`);
  t.same(
    records.filter(({ id, lon }) => Math.abs(lon! - Number(id.slice(1)) / 100) > 1e-6),
    [],
  );
});
