import assert from "node:assert/strict";
import t from "tap";
import { correct, type Late } from "../../src/tracks/correct.ts";
import { pointAt, type Segment, type TrackPoint } from "../../src/tracks/segment.ts";
import { fc } from "../support/seeded.ts";
import { PlainTrack } from "./plain-track.ts";

const HOLD_MS = 300_000;
const point = (t: number, lat = t / 1e6): TrackPoint => ({
  t,
  lon: 10,
  lat,
  alt: NaN,
  speed: 1,
  course: NaN,
});

/** A segment of points at these seconds; with a hold that ends at the last. */
function segment(seconds: number[], hold = false, recorded = seconds[0] * 1_000): Segment {
  const points = seconds.map((second) => point(second * 1_000));
  if (hold) points[points.length - 1] = { ...points.at(-2)!, t: seconds.at(-1)! * 1_000 };
  return {
    id: "a",
    kind: "truck",
    state: "s",
    attributes: "",
    labels: [],
    fences: ["harbour"],
    recorded,
    hold,
    points,
  };
}

const late = (second: number, received = 1e7): Late => ({ point: point(second * 1_000, 5), received });
const seconds = (segments: readonly Segment[]) =>
  segments.map(({ points, hold, recorded }) => [points.map(({ t }) => t / 1_000), hold, recorded]);

/** What counts after rows were written. */
function current(rows: Iterable<Segment>): Segment[] {
  return PlainTrack.current([...rows]);
}

t.test("[TR7] a late report makes a new version of the segment that it falls into", async (t) => {
  const rows = [segment([0, 10, 20]), segment([20, 320], true)];
  t.same(seconds(correct("a", rows, [late(15)], Infinity, HOLD_MS)), [[[0, 10, 15, 20], false, 1e7]]);
  t.same(
    seconds(correct("a", rows, [late(100), late(15)], Infinity, HOLD_MS)),
    [
      [[0, 10, 15, 20], false, 1e7],
      [[20, 100, 400], true, 1e7],
    ],
    "one that falls into a hold is held itself",
  );
  t.same(correct("a", rows, [late(10)], Infinity, HOLD_MS), [], "what is there already changes nothing");
  t.same(
    seconds(correct("a", rows, [late(100, 3)], Infinity, HOLD_MS)),
    [[[20, 100, 400], true, 20_001]],
    "a version is newer than the one before",
  );
});

t.test("[TR8] where nothing was known a late report is a segment of its own", async (t) => {
  const rows = [segment([0, 300], true), segment([1_000, 1_300], true)];
  t.same(seconds(correct("a", rows, [late(500)], Infinity, HOLD_MS)), [[[500, 800], true, 1e7]]);
  t.same(
    seconds(correct("a", rows, [late(900), late(950)], Infinity, HOLD_MS)),
    [[[900, 950, 1_000], true, 1e7]],
    "until what is known",
  );
  const newestFirst = [...rows];
  for (const second of [950, 900])
    newestFirst.push(...correct("a", current(newestFirst), [late(second)], Infinity, HOLD_MS));
  t.same(
    seconds(current(newestFirst).slice(1, 3)),
    [
      [[900, 950], true, 1e7],
      [[950, 1_000], true, 1e7],
    ],
    "steps, of what comes the newest first",
  );
  t.same(seconds(correct("a", rows, [late(1_500)], 1_600_000, HOLD_MS)), [[[1_500, 1_600], true, 1e7]]);
  t.same(seconds(correct("a", [], [late(5)], Infinity, HOLD_MS)), [[[5, 305], true, 1e7]]);
  t.match(correct("a", rows, [late(500)], Infinity, HOLD_MS), [{ fences: ["harbour"] }], "as before");
  t.match(correct("a", [], [late(5)], Infinity, HOLD_MS), [{ fences: [] }]);
  const many = Array.from({ length: 100 }, (_, i) => late(400 + i));
  t.same(
    correct("a", rows, many, Infinity, HOLD_MS).map(({ points }) => points.length),
    [64, 38],
    "of usual length",
  );
});

t.test("[TR7] [TR8] whatever comes late, in whatever portions, is where it was", async () => {
  const base = [
    segment([0, 10, 20]),
    segment([20, 30, 40]),
    segment([40, 340], true),
    segment([1_000, 1_001]),
  ];
  const own = [0, 10, 20, 30, 40, 1_000, 1_001];
  fc.assert(
    fc.property(
      fc.array(fc.array(fc.integer({ min: -400, max: 1_500 }), { maxLength: 80 }), { maxLength: 4 }),
      (portions) => {
        const rows = [...base];
        const expected = new Set(own);
        let received = 2e6;
        for (const portion of portions) {
          received += 100_000;
          const points = portion.map((second, i) => late(second, received + i));
          const made = correct("a", current(rows), points, 1_400_000, HOLD_MS);
          rows.push(...made);
          const again = correct("a", current(rows), points, 1_400_000, HOLD_MS);
          assert.deepEqual(again, [], "once is enough");
          for (const second of portion) if (second < 1_400) expected.add(second);
        }
        const after = current(rows);
        for (const [i, { points }] of after.entries()) {
          for (let k = 1; k < points.length; k++) assert.ok(points[k].t > points[k - 1].t);
          assert.ok(i === 0 || points[0].t >= after[i - 1].points.at(-1)!.t, "no overlap");
        }
        const there = new Set(
          after.flatMap(({ points, hold }) =>
            (hold ? points.slice(0, -1) : points).map(({ t }) => t / 1_000),
          ),
        );
        assert.deepEqual([...there].sort(), [...expected].sort());
        for (const second of expected) {
          const found = after.findLast(({ points }) => points[0].t <= second * 1_000)!;
          const isOwn = own.includes(second);
          assert.equal(pointAt(found.points, second * 1_000)!.lat, isOwn ? second / 1_000 : 5);
        }
        const keys = new Set(rows.map(({ points, recorded }) => `${points[0].t} ${recorded}`));
        assert.equal(keys.size, rows.length, "each version has a key of its own");
      },
    ),
    { numRuns: 300 },
  );
});

t.test("[TR24] a portion at a time, the oldest first, the rows are those of all at once", async () => {
  const base = [segment([0, 10, 20]), segment([20, 320], true), segment([1_000, 1_001])];
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: -400, max: 1_500 }), { maxLength: 300 }),
      fc.integer({ min: 1, max: 100 }),
      (given, portion) => {
        const points = given.sort((a, b) => a - b).map((second, i) => late(second, 2e6 + i));
        const atOnce = correct("a", base, points, 1_400_000, HOLD_MS);
        const rows = [...base];
        for (let from = 0; from < points.length; from += portion) {
          const some = points.slice(from, from + portion);
          rows.push(...correct("a", current(rows), some, 1_400_000, HOLD_MS));
        }
        const told = (rows: Segment[]) =>
          current(rows).map(({ points, hold, kind }) => [
            kind,
            hold,
            ...points.map(({ t, lat }) => [t, lat]),
          ]);
        assert.deepEqual(told(rows), told([...base, ...atOnce]));
      },
    ),
    { numRuns: 300 },
  );
});
