// In what portions the rows of late reports are corrected.
import { DatabaseError, type PoolClient } from "pg";
import t from "tap";
import { EntityTable } from "../../src/actors/entity-table.ts";
import { LocalTails } from "../../src/actors/local-tails.ts";
import { shardOf } from "../../src/actors/shard-hash.ts";
import { TrackSource } from "../../src/actors/track-source.ts";
import { MAX_BACKGROUND_ROWS, MAX_LATE_POINTS, MAX_LATE_SPAN_MS } from "../../src/limits.ts";
import { Picture } from "../../src/picture/picture.ts";
import type { StoreContext } from "../../src/store/session.ts";
import { TrackWriter } from "../../src/store/track/track-writer.ts";
import { FakeClock } from "../support/fake-clock.ts";

const NOW = Date.UTC(2026, 0, 20);
const DAY_MS = 86_400_000;

/** What came late of some entities, and a database that holds nothing, and refuses some questions. */
class Portions {
  readonly clock: FakeClock;
  readonly table = new EntityTable(new Picture());
  readonly errors: string[] = [];
  /** The entities of each question, and how long the longest stretch was, ms. */
  readonly asked: string[][] = [];
  longest = 0;
  rows = 0;
  refuse: (ids: readonly string[]) => Error | undefined = () => undefined;
  readonly #numbers = new Map<string, number>();

  constructor(clock = new FakeClock(NOW)) {
    this.clock = clock;
    for (const shard of this.table.shards) shard.status = "open";
  }

  /** These were reported now, and late at some times. */
  reported(id: string, times: readonly number[]): void {
    const shard = this.table.shards[shardOf(id)];
    const number = this.#numbers.size;
    this.#numbers.set(id, number);
    shard.nextNumber = number + 1;
    this.table.apply(shard, { is: "introduced", number, seq: 1, id, kind: "boat" });
    for (const [i, time] of [NOW, ...times].entries())
      this.table.apply(shard, {
        ...{ is: "reported", number, seq: 2 + i, t: time, received: NOW, hash: 0, late: i > 0 },
        ...{ implausible: false, lon: 1, lat: 2, alt: NaN, speed: 1, course: NaN, heading: NaN },
        ...{ accuracy: NaN, source: "", sourceSeq: -1, attributes: "" },
      });
    this.checkpoint(id);
  }

  checkpoint(id: string): void {
    const log = this.table.tracks.logs[shardOf(id)];
    log.wasWritten(log.take());
  }

  /** Points that wait, of these entities. */
  left(...ids: string[]): number {
    return ids.reduce((sum, id) => {
      const { late } = this.table.tracks.logs[shardOf(id)];
      return sum + late.of(this.#numbers.get(id)!).times.length;
    }, 0);
  }

  start(): TrackWriter {
    const query = async (statement: string | { values: unknown[] }, values: unknown[] = []) => {
      if (typeof statement !== "string") {
        this.rows += (statement.values[6] as string).split(",").length;
        return { rowCount: 1 };
      }
      const [ids, from, to] = values as [string[], number[], number[]];
      this.asked.push(ids);
      this.longest = Math.max(this.longest, ...to.map((end, i) => end - from[i]));
      const error = this.refuse(ids);
      if (error !== undefined) throw error;
      return { rows: [] };
    };
    const client = { query, release() {} } as unknown as PoolClient;
    const context = { pool: { connect: async () => client }, clock: this.clock, deadlineMs: 4_500 };
    const key = async () => ({ incarnation: 1, gen: 0 });
    const writer = new TrackWriter(context as unknown as StoreContext, { key } as never, false, (error) =>
      this.errors.push((error as Error).message),
    );
    writer.start(new TrackSource(this.table));
    return writer;
  }
}

/** Ids of the shard of a truck. */
const ofOneShard = (count: number) =>
  Array.from({ length: 400 * (count + 9) }, (_, i) => `e${i}`)
    .filter((id) => shardOf(id) === shardOf("truck"))
    .slice(0, count);
const seconds = (count: number, days = 1) =>
  Array.from({ length: count }, (_, i) => NOW - days * DAY_MS - i * 1_000);

t.test(
  "[TR24] however many reports of an entity come late, its rows and those of others are corrected",
  async (t) => {
    const portions = new Portions();
    portions.reported("truck", seconds(140_000));
    const [other] = ofOneShard(1);
    portions.reported(other, [NOW - DAY_MS]);
    const few = new TrackSource(portions.table).late({ entities: 9, points: 4 }, () => false);
    t.same(
      few.map(({ id, points }) => [id, points.length <= 2]),
      [
        ["truck", true],
        [other, true],
      ],
    );
    const writer = portions.start();
    await portions.clock.advance(0);
    t.equal(portions.left(other), 0, "while those of one are written");
    t.ok(portions.left("truck") > 0);
    for (let i = 0; i < 200 && portions.left("truck") > 0; i++) await portions.clock.advance(1_000);
    t.equal(portions.left("truck"), 0);
    t.same(portions.errors, []);
    t.ok(portions.asked.length > 140_000 / MAX_LATE_POINTS, `${portions.asked.length} portions`);
    await writer.stop(0);
  },
);

t.test("[TR24] what is asked of the database for a portion is bounded by time and entities", async (t) => {
  const portions = new Portions();
  const ids = Array.from({ length: 500 }, (_, i) => `e${i}`);
  for (const id of ids)
    portions.reported(
      id,
      [7, 5, 1].map((days) => NOW - days * DAY_MS),
    );
  const writer = portions.start();
  await portions.clock.advance(20_000);
  t.equal(portions.left(...ids), 0);
  t.ok(portions.longest <= MAX_LATE_SPAN_MS);
  t.ok(Math.max(...portions.asked.map(({ length }) => length)) <= MAX_BACKGROUND_ROWS / 4);
  await writer.stop(0);
});

t.test(
  "[TR25] an entity whose late reports cannot be written is told, and keeps no other from it",
  async (t) => {
    const portions = new Portions();
    const ids = Array.from({ length: 40 }, (_, i) => `e${i}`);
    for (const id of [...ids, "bad", "worse"]) portions.reported(id, [NOW - DAY_MS]);
    portions.refuse = (ids) =>
      ids.includes("bad") || ids.includes("worse") ? new RangeError("too large") : undefined;
    const writer = portions.start();
    await portions.clock.advance(3_000);
    t.equal(portions.left(...ids), 0);
    t.same(
      new Set(portions.errors),
      new Set(['what came late of "bad": too large', 'what came late of "worse": too large']),
    );
    t.equal(portions.left("bad", "worse"), 2, "they stay");
    portions.refuse = () => undefined;
    await portions.clock.advance(5_000);
    t.equal(portions.left("bad", "worse"), 0, "they are tried again");
    await writer.stop(0);
  },
);

t.test("[TR26] what takes the database too long is told, and tried again in smaller portions", async (t) => {
  const portions = new Portions();
  const ids = Array.from({ length: 150 }, (_, i) => `e${i}`);
  for (const id of ids) portions.reported(id, [NOW - DAY_MS]);
  portions.refuse = ({ length }) => {
    if (length <= 10) return undefined;
    const error = new DatabaseError("canceling statement due to statement timeout", 0, "error");
    return Object.assign(error, { code: "57014" });
  };
  const writer = portions.start();
  await portions.clock.advance(30_000);
  t.equal(portions.left(...ids), 0);
  t.same(portions.errors, ["canceling statement due to statement timeout"], "once");
  portions.refuse = () => undefined;
  for (let i = 0; i < 2_000; i++) portions.reported(`f${i}`, [NOW - DAY_MS]);
  await portions.clock.advance(30_000);
  t.equal(portions.asked.at(-20)!.length, MAX_BACKGROUND_ROWS / 4, "and in large ones again");
  await writer.stop(0);
});

/** Whatever is done between two looks at it takes long. */
class SlowClock extends FakeClock {
  #looks = 0;
  yields = 0;

  override monotonic(): number {
    return super.monotonic() + 3 * this.#looks++;
  }

  override yield(run: () => void): void {
    this.yields += 1;
    super.yield(run);
  }
}

t.test("[TR27] after the late reports of an entity others have their turn", async (t) => {
  const clock = new SlowClock(NOW);
  const portions = new Portions(clock);
  const ids = ofOneShard(40);
  for (const id of ids) portions.reported(id, [NOW - DAY_MS, NOW - DAY_MS + 1]);
  const tails = new LocalTails(portions.table, clock);
  const told = Promise.all([
    tails.at({ t: NOW - DAY_MS, limit: 100 }, () => true),
    tails.during({ from: NOW - DAY_MS, to: NOW, limit: 100 }, () => true),
  ]);
  await clock.advance(100);
  await told;
  t.ok(clock.yields >= 2 * ids.length, `${clock.yields} where it is told`);
  clock.yields = 0;
  const writer = portions.start();
  await clock.advance(5_000);
  t.equal(portions.left(...ids), 0);
  t.ok(clock.yields >= ids.length - 1, `${clock.yields} where rows are corrected`);
  await writer.stop(0);
});
