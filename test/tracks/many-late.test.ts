import t, { type Test } from "tap";
import { correct, type Late } from "../../src/tracks/correct.ts";
import type { Segment, TrackPoint } from "../../src/tracks/segment.ts";

const START = Date.UTC(2026, 0, 1);
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
