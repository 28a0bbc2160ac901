// What memory tells of tracks before anything of them is a row.
import assert from "node:assert/strict";
import t from "tap";
import { EntityTable } from "../../src/actors/entity-table.ts";
import { LocalTails } from "../../src/actors/local-tails.ts";
import { LIVE, STALE } from "../../src/actors/messages.ts";
import { shardOf } from "../../src/actors/shard-hash.ts";
import { Picture } from "../../src/picture/picture.ts";
import { roundDegrees } from "../../src/picture/record.ts";
import { correct } from "../../src/tracks/correct.ts";
import { History } from "../../src/tracks/history.ts";
import { pointAt, type Segment } from "../../src/tracks/segment.ts";
import type { Stretch } from "../../src/tracks/stretch.ts";
import { segmentOf } from "../../src/tracks/tracks.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { NO_ROWS } from "../support/no-history.ts";
import { fc } from "../support/seeded.ts";
import { PlainTrack } from "./plain-track.ts";

const START = Date.UTC(2026, 0, 1);
const HOLD_S = 5;
const at = (second: number) => START + Math.round(second * 1_000);
const second = (t: number) => (t - START) / 1_000;

/** One entity of a node that writes no rows. */
class Lone {
  readonly table = new EntityTable(new Picture(), HOLD_S * 1_000);
  readonly shard = this.table.shards[shardOf("a")];
  readonly history: History;
  #seq = 1;
  #attributes = 0;
  now = 0;
  heard = 0;
  newest = -Infinity;
  isLive = true;

  constructor() {
    for (const shard of this.table.shards) shard.status = "open";
    this.table.apply(this.shard, { is: "introduced", number: 0, seq: 1, id: "a", kind: "boat" });
    this.history = new History(NO_ROWS, new LocalTails(this.table, new FakeClock()).alone);
  }

  get log() {
    return this.table.tracks.logs[this.shard.index];
  }

  /** Time goes on; it goes stale if nothing is heard of it. */
  pass(seconds: number): void {
    this.now = second(at(this.now + seconds));
    if (!this.isLive || this.now - this.heard < HOLD_S) return;
    this.isLive = false;
    this.#apply({ is: "liveness", liveness: STALE });
  }

  report(t: number, lon: number, isOther = false): void {
    if (!this.isLive) this.#apply({ is: "liveness", liveness: LIVE });
    this.isLive = true;
    const late = t < this.newest;
    this.newest = Math.max(t, this.newest);
    this.heard = this.now;
    if (isOther) this.#attributes += 1;
    this.#apply({
      ...{ is: "reported", t: at(t), received: at(this.now), hash: 0, late, implausible: false, lon, lat: 0 },
      ...{ alt: NaN, speed: 1, course: NaN, heading: NaN, accuracy: NaN, source: "", sourceSeq: -1 },
      attributes: isOther ? `{"n":${this.#attributes}}` : "",
    });
  }

  #apply(fact: object): void {
    this.table.apply(this.shard, { number: 0, seq: ++this.#seq, ...fact } as never);
  }

  /** @param known seconds */
  async track(known?: number): Promise<Segment[]> {
    const query = { id: "a", from: -Infinity, to: Infinity, known: known === undefined ? known : at(known) };
    const found: Segment[] = [];
    for await (const segment of (await this.history.of(query)).segments) found.push(segment);
    return found;
  }

  async lonAt(t: number, known?: number): Promise<number | undefined> {
    const query = { t: at(t), limit: 1, known: known === undefined ? known : at(known) };
    return (await this.history.at(query)).records[0]?.lon;
  }

  async played(from: number, to: number): Promise<Stretch[]> {
    const found: Stretch[] = [];
    await this.history.during({ from: at(from), to: at(to) }, (page) => {
      found.push(...page);
      return at(to);
    });
    return found;
  }

  /** What is told when all that has ended is rows, and what came late has changed them. */
  asRows(): Segment[] {
    const rows = this.log.closed
      .map((closed) => segmentOf(this.log, "a", closed))
      .filter(({ points }) => points.length > 1);
    const counting = PlainTrack.current(rows);
    const late = this.log.readLate(this.log.late.since(0, counting[0]?.points[0].t));
    return PlainTrack.current([
      ...counting,
      ...correct("a", counting, late, Infinity, this.table.tracks.holdMs),
    ]);
  }
}

const times = ({ points }: Segment) => points.map(({ t }) => second(t));
const withoutHold = (segment: Segment): Segment =>
  segment.hold ? { ...segment, points: segment.points.slice(0, -1) } : segment;

t.test("[TR2] [TR3] [TR18] a hold that was replaced counts no more, before either is a row", async (t) => {
  const lone = new Lone();
  lone.report(0, 10);
  lone.pass(7.5);
  lone.report(3, 11);
  lone.pass(0.1);
  lone.report(7.6, 12, true);
  lone.pass(0.1);
  lone.report(7.7, 13, true);
  t.equal(lone.log.closed.filter(({ until }) => !Number.isNaN(until)).length, 1, "the hold is in memory");
  t.equal(await lone.lonAt(2), roundDegrees(10 + 2 / 3));
  t.same((await lone.track()).map(times), [
    [0, 3, 7.6],
    [7.6, 7.7],
    [7.7, 12.7],
  ]);
  t.same((await lone.played(1, 2)).map(times), [[0, 3]]);
  t.equal(await lone.lonAt(2, 7), 10, "it was what was known");
  t.same(
    (await lone.track(7)).map((segment) => [times(segment), segment.hold]),
    [[[0, 5], true]],
    "its way too",
  );
});

t.test("[TR7] [TR18] a late report is told before the segment that it falls into has ended", async (t) => {
  const lone = new Lone();
  for (const now of [0, 4, 8, 12, 16]) {
    lone.now = now;
    lone.report(now, 10);
  }
  lone.now = 18;
  lone.report(6, 20);
  t.same((await lone.track()).map(times), [[0, 4, 6, 8, 12, 16, 23]]);
  t.equal(await lone.lonAt(6), 20);
  t.equal(await lone.lonAt(6, 17), 10, "then it was not known");
  t.same((await lone.track(17)).map(times), [[0, 4, 8, 12, 16, 17]]);
  t.same((await lone.played(5, 6.5)).map(times), [[4, 6, 8]]);
  lone.report(19, 10, true);
  lone.now = 20;
  lone.report(20, 10, true);
  t.same(
    (await lone.track())[0].points.map(({ lon }) => lon),
    [10, 10, 20, 10, 10, 10, 10],
  );
  t.equal(await lone.lonAt(6), 20, "nor when it has ended");
});

t.test("[TR6] [TR11] on the edge of a box it is within, also after its way crossed 180°", async (t) => {
  const lone = new Lone();
  const lons = [179.9, -179.9, 179.8, -179.8, 179.3];
  for (const [i, lon] of lons.entries()) {
    lone.pass(i === 0 ? 0 : 1);
    lone.report(i, lon);
  }
  for (const [i, lon] of lons.entries()) {
    const at = START + 1_000 * i;
    const { records } = await lone.history.at({ t: at, limit: 1, bbox: [lon, -1, lon, 1] });
    t.match(records, [{ lon }]);
  }
});

t.test("[TR12] [TR21] of what comes late it is told to a minute when it was known", async (t) => {
  const lone = new Lone();
  const [late, every] = [3_600, 4];
  for (let now = 0; now <= 600; now += every) {
    lone.pass(every);
    lone.report(lone.now - late, now);
  }
  const end = lone.now;
  const track = await lone.track();
  for (const { recorded, points } of track.map(withoutHold).slice(1)) {
    // The first is the last of the segment before.
    const came = points.slice(1).map(({ t }) => second(t) + late);
    t.equal(second(recorded), came[0]);
    t.ok(came.at(-1)! - came[0] <= 60);
  }
  t.ok(track.length < 12, `${track.length} segments`);
  for (let known = end % 7; known < end; known += 7) {
    const way = (await lone.track(known)).map(withoutHold);
    const told = way.flatMap(({ points }) => points.map(({ t }) => second(t) + late));
    if (known >= every) t.ok(Math.max(...told) >= known - every && Math.max(...told) <= known + 60);
    else t.same(told, []);
  }
  // Of what comes all at once there is no more to tell.
  const before = lone.log.closed.length;
  for (let i = 0; i < 64; i++) lone.report(end - late + 1 + i, i);
  t.ok(lone.log.closed.length <= before + 2);
});

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ delay: fc.constantFrom(0, 0, 3, 12), isOther: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ before: fc.constantFrom(0.5, 1, 2, 3, 7, 11, 20, 40) }) },
  { weight: 4, arbitrary: fc.record({ pass: fc.constantFrom(0.1, 1, 2, 4, 9) }) },
);

t.test("[TR2] [TR11] [TR18] memory tells what rows will, with all that was acknowledged", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 40 }), async (steps) => {
      const lone = new Lone();
      const told = new Set<number>();
      lone.report(0, 10);
      told.add(0);
      for (const [i, one] of steps.entries()) {
        if ("pass" in one) lone.pass(one.pass);
        else {
          const t = "before" in one ? second(at(lone.newest - one.before)) : second(at(lone.now - one.delay));
          lone.report(t, 20 + i, "isOther" in one && one.isOther);
          told.add(t);
        }
      }
      const track = await lone.track();
      for (const [i, segment] of track.entries()) {
        const { points } = segment;
        assert.ok(i === 0 || points[0].t >= track[i - 1].points.at(-1)!.t, "no overlap");
      }
      const begin = track[0].points[0].t;
      const there = new Set(track.flatMap(times));
      for (const one of told) assert.ok(at(one) < begin || there.has(one), `${one} is there`);
      for (let second = -1; second < lone.now; second += 0.7) {
        const held = track.findLast(({ points }) => points[0].t <= at(second));
        const isHeld = held !== undefined && at(second) < held.points.at(-1)!.t;
        const lon = isHeld ? roundDegrees(pointAt(held.points, at(second))!.lon) : undefined;
        assert.equal(await lone.lonAt(second), lon);
        const played = (await lone.played(second, second)).filter(
          ({ first, open, points }) => first <= at(second) && (open || at(second) < points.at(-1)!.t),
        );
        assert.deepEqual(
          played.map(({ points }) => roundDegrees(pointAt(points, at(second))!.lon)),
          lon === undefined ? [] : [lon],
        );
      }
      if (lone.log.count(0) > 0) {
        lone.now += 100;
        lone.isLive = true;
        lone.pass(0);
      }
      assert.deepEqual(await lone.track(), lone.asRows());
    }),
    { numRuns: 200 },
  );
});
