// Whose id was another's before: the ways of both.
import assert from "node:assert/strict";
import t from "tap";
import { EntityTable } from "../../src/actors/entity-table.ts";
import { LocalTails } from "../../src/actors/local-tails.ts";
import { adopt } from "../../src/actors/recovery.ts";
import { shardOf } from "../../src/actors/shard-hash.ts";
import { TrackSource } from "../../src/actors/track-source.ts";
import { Picture } from "../../src/picture/picture.ts";
import { correct } from "../../src/tracks/correct.ts";
import type { Segment } from "../../src/tracks/segment.ts";
import { segmentOf } from "../../src/tracks/tracks.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { fc } from "../support/seeded.ts";
import { at, Past, START } from "./past.ts";
import { PlainTrack } from "./plain-track.ts";

const HOLD_S = 60;

/** Its way, from memory and rows: whole seconds. */
async function way(past: Past): Promise<{ times: number[] }[]> {
  const segments: Segment[] = [];
  const query = { id: "a", from: -Infinity, to: Infinity };
  for await (const segment of (await past.history.of(query)).segments) segments.push(segment);
  return segments.map(toWay);
}

function toWay({ points }: Segment): { times: number[] } {
  return { times: points.map(({ t }) => Math.round((t - START) / 1_000)) };
}

function isOnce(ways: readonly { times: number[] }[]): void {
  for (const [i, { times }] of ways.entries())
    assert.ok(i === 0 || times[0] >= ways[i - 1].times.at(-1)!, JSON.stringify(ways.map((w) => w.times)));
}

for (const isWritten of [false, true])
  t.test(
    `[TR36] [TR17] what comes after a deletion, and is of before, is in the way of then${isWritten ? ", which is in rows" : ""}`,
    async (t) => {
      const past = await Past.begin(t);
      for (const [second, lon] of [
        [0, 20],
        [12, 21],
        [20, 22],
      ])
        await past.tell(second, { lon });
      await past.remove(21);
      if (isWritten) {
        await past.crash(true);
        past.write();
        const { table } = past.h.system;
        t.equal(table.departedOf(table.shards[shardOf("a")]).size, 0, "nothing is known of it");
      }
      await past.tell(17, { lon: 30 }, 22);
      await past.tell(20.5, { lon: 30.5 }, 22.5);
      await past.tell(31, { lon: 31 });
      await past.everywhere(async (where) => {
        isOnce(await way(past));
        t.match(await past.at(6), { lon: 20.5 }, `${where}: the way of before stays`);
        t.equal((await past.at(25)) === undefined, true, `${where}: it was not known where it was`);
        t.match(await past.at(32), { lon: 31 }, where);
      });
      await past.crash(true);
      past.write();
      past.correct();
      t.same(
        (await way(past)).map(({ times }) => times),
        [
          [0, 12, 17, 20],
          [20, 21, 21], // rounded
          [31, 331],
        ],
      );
      t.match(await past.at(17), { lon: 30 });
      await past.everywhere(async () => isOnce(await way(past)));
    },
  );

t.test("[TR36] what is corrected in rows does not go over the way that begins then", async (t) => {
  const past = await Past.begin(t);
  await past.tell(0, { lon: 20 });
  await past.remove(100);
  await past.tell(90, { lon: 21 }, 101);
  await past.crash(true);
  past.correct();
  t.same((await way(past)).length, 1, "what was before is a row first");
  past.write();
  past.correct();
  t.same(
    (await way(past)).map(({ times }) => times),
    [[0, 90, 100]],
  );
  await past.remove(110);
  await past.tell(105, { lon: 22 }, 111);
  await past.tell(112, { lon: 23 });
  isOnce(await way(past));
});

t.test("[TR36] [TR8] what is corrected does not go over a way that has yet to begin", async (t) => {
  const past = await Past.begin(t);
  await past.note(0);
  await past.tell(-3, { lon: 26 }, 1);
  await past.crash(true);
  past.correct();
  await past.tell(5, { lon: 27 });
  t.same(
    (await way(past)).map(({ times }) => times),
    [
      [-3, 0],
      [5, 305],
    ],
  );
});

t.test("[TR38] what comes late is told as who had the id then", async (t) => {
  const past = await Past.begin(t);
  await past.tell(0, { kind: "truck", attributes: { driver: "A" } });
  await past.remove(10);
  await past.crash(true);
  past.write();
  await past.tell(1_000, { kind: "vessel" });
  for (const second of [500, -20, 5]) await past.tell(second, { kind: "vessel" }, 1_001);
  await past.crash(true);
  for (let portion = 0; portion < 2; portion++) past.correct();
  const told: unknown[] = [];
  const { segments } = await past.history.of({ id: "a", from: -Infinity, to: Infinity });
  for await (const { points, kind, attributes } of segments)
    told.push([(points[0].t - START) / 1_000, kind, attributes]);
  t.same(told, [
    [-20, "truck", '{"driver":"A"}'],
    [0, "truck", '{"driver":"A"}'],
    [500, "vessel", ""],
    [1_000, "vessel", ""],
  ]);
});

/** Those who had an id, one after the other, with rows that are written when they may be. */
class Lives {
  table = new EntityTable(new Picture(), HOLD_S * 1_000);
  readonly rows: Segment[] = [];
  now = 0;
  #number = -1;
  #seq = 0;
  #live = false;

  constructor() {
    this.shard.status = "open";
  }

  get shard() {
    return this.table.shards[shardOf("a")];
  }

  get log() {
    return this.table.tracks.logs[this.shard.index];
  }

  /** @param lon NaN = without a place */
  report(t: number, lon: number): void {
    if (!this.#live) {
      this.#number += 1;
      this.#seq = 0;
      this.#apply({ is: "introduced", id: "a", kind: "boat" });
    }
    this.#live = true;
    const slot = this.table.picture.find("a");
    const late = at(t) < this.table.picture.columns.t.of(slot);
    this.#apply({
      ...{ is: "reported", t: at(t), received: at(this.now), hash: 0, late, implausible: false, lon, lat: 0 },
      ...{ alt: NaN, speed: 1, course: NaN, heading: NaN, accuracy: NaN, source: "", sourceSeq: -1 },
      attributes: "",
    });
  }

  remove(): void {
    if (!this.#live) return;
    this.#live = false;
    this.#apply({ is: "deleted", command: `${this.#number}`, at: at(this.now), erase: false, id: "a" });
  }

  #apply(fact: object): void {
    this.table.apply(this.shard, { number: this.#number, seq: ++this.#seq, ...fact } as never);
  }

  checkpoint(): void {
    this.table.departedOf(this.shard);
    this.log.wasWritten(this.log.take());
  }

  write(): void {
    const source = new TrackSource(this.table);
    const durable = this.log.closed.filter((closed) => this.log.isDurable(closed));
    for (const closed of durable) {
      const segment = segmentOf(this.log, "a", closed);
      if (segment.points.length > 1) this.rows.push(segment);
    }
    this.log.closed = this.log.closed.filter((closed) => !durable.includes(closed));
    for (const { points, end, former, otherwise, written } of source.late(
      { entities: 9, points: 9 },
      () => false,
    )) {
      this.rows.push(
        ...correct("a", PlainTrack.current(this.rows), points, end, HOLD_S * 1_000, former, otherwise),
      );
      written(Infinity);
    }
  }

  restart(): void {
    const next = new EntityTable(new Picture(), HOLD_S * 1_000);
    adopt(next, this.table, next.shards[this.shard.index]);
    this.table = next;
    this.shard.status = "open";
  }

  /** What is in rows and in memory. */
  segments(): Segment[] {
    const found = new LocalTails(this.table, new FakeClock()).of("a");
    return PlainTrack.current([...this.rows, ...found]);
  }
}

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ delay: fc.constantFrom(0, 0, 2, 15, 40, 500) }) },
  { weight: 1, arbitrary: fc.record({ note: fc.constantFrom(0, 5) }) },
  { weight: 6, arbitrary: fc.record({ pass: fc.constantFrom(1, 4, 20, 100) }) },
  { weight: 3, arbitrary: fc.constantFrom("remove", "checkpoint", "write", "restart") },
);

t.test(
  "[TR36] [TR2] no instant is in two segments of an id, whoever has it and whatever comes late",
  async () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 3, maxLength: 40 }), (steps) => {
        const lives = new Lives();
        for (const [i, one] of steps.entries()) {
          if (typeof one !== "object") lives[one as "remove"]();
          else if ("pass" in one) lives.now += one.pass;
          else if ("note" in one) lives.report(lives.now - one.note, NaN);
          else lives.report(lives.now - one.delay, 20 + i);
          isOnce(lives.segments().map(toWay));
        }
        for (const one of ["remove", "checkpoint", ...Array(40).fill("write")]) lives[one as "remove"]();
        isOnce(PlainTrack.current(lives.rows).map(toWay));
      }),
      { numRuns: 700 },
    );
  },
);
