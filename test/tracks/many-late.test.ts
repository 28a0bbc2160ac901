import t, { type Test } from "tap";
import { MAX_SHARD_TRACK_BYTES } from "../../src/limits.ts";
import { correct, type Late } from "../../src/tracks/correct.ts";
import type { Segment, TrackPoint } from "../../src/tracks/segment.ts";
import { Tracks } from "../../src/tracks/tracks.ts";
import { NO_DESCRIPTION, SHARD, START } from "./log-run.ts";

const PLAIN = { describe: () => NO_DESCRIPTION };
const HOLD_MS = 300_000;
const point = (t: number): TrackPoint => ({ t, lon: 1, lat: 1, alt: NaN, speed: 1, course: 1 });
const segment = (hold: boolean, points: TrackPoint[]): Segment => ({
  ...{ id: "a", kind: "k", state: "", attributes: "", labels: [], fences: [], recorded: START, hold },
  points,
});

/** How often the time of a late point is looked at, for each that comes in a tenth of a second. */
function looks(t: Test, count: number, into: readonly Segment[]): number {
  let looked = 0;
  const late = Array.from({ length: count }, (_, i): Late => {
    const time = START + 50 + i * 100;
    const counted = {
      ...point(time),
      get t() {
        looked += 1;
        return time;
      },
    };
    return { point: counted, received: START + 10 * HOLD_MS };
  });
  const rows = correct("a", into, late, Infinity, HOLD_MS);
  const points = new Set(rows.flatMap(({ points }) => points.map(({ t }) => t)));
  t.ok(late.every(({ point }) => points.has(point.t)));
  return looked / count;
}

t.test("[TR27] what it takes to correct a segment grows with the reports that fall into it", async (t) => {
  const whole = [segment(false, [point(START), point(START + 900_000)])];
  const held = [segment(true, [point(START), point(START + 900_000)])];
  const inner = [segment(true, [point(START), point(START + 899_990), point(START + 900_000)])];
  for (const into of [whole, held, inner, []]) {
    const [few, many] = [looks(t, 500, into), looks(t, 8_000, into)];
    t.ok(many < 3 * few, `${few} looks at each of 500, ${many} of 8,000`);
  }
});

t.test("[TR28] what late reports take in memory counts for the bound of their shard", async (t) => {
  const fix = { received: START, lon: 1, lat: 2, alt: NaN, speed: 1, course: 1 };
  for (const entities of [1, 20_000]) {
    const tracks = new Tracks(HOLD_MS);
    const log = tracks.logs[SHARD];
    let count = 0;
    for (; !tracks.isFull(SHARD); count++) {
      const number = count % entities;
      if (log.last(number) === -Infinity)
        tracks.reported(SHARD, number, { ...fix, t: START, late: false }, START, PLAIN, 0);
      tracks.reported(SHARD, number, { ...fix, t: START - 1e8 - count, late: true }, START, PLAIN, 0);
    }
    t.equal(log.late.size, count);
    // Three numbers each, and three lists of an entity.
    const beside = 3 * 8 * count + 3 * 64 * entities;
    t.ok(log.bytes + beside < 1.01 * MAX_SHARD_TRACK_BYTES, `${count} of ${entities} entities`);
    t.ok(log.bytes + 3 * beside > MAX_SHARD_TRACK_BYTES, "and not much more");
    log.wasWritten(log.take());
    for (const number of log.late.numbers()) log.late.drop(number);
    t.notOk(tracks.isFull(SHARD), "when it is in rows there is room");
  }
});
