/** Tracks as one would write them without a thought of memory: all that was reported, in a list. */
import assert from "node:assert/strict";
import { MAX_SEGMENT_MS, MAX_SEGMENT_POINTS } from "../../src/limits.ts";
import { pointAt, type Segment, type TrackPoint } from "../../src/tracks/segment.ts";

const DAY_MS = 86_400_000;

/** Of an entity: the points that came in time. */
export class PlainTrack {
  readonly points = new Map<number, TrackPoint>();
  /** When it was heard of, in that order. */
  readonly #heard: number[] = [];
  readonly #holdMs: number;

  constructor(holdMs: number) {
    this.#holdMs = holdMs;
  }

  /** When it may have points that no report tells. */
  readonly #moments = new Set<number>();
  /** What it was since when, in that order. */
  readonly #states: { at: number; state: string }[] = [];

  /** Where a hold begins in which it changed: what takes its place is told as what comes then. */
  readonly #held = new Set<number>();

  /** It is in another state since then, or since the change before if that was later. */
  changesAt(since: number, state: string, isHeld: boolean): void {
    if (isHeld) this.#held.add(since);
    const at = Math.max(since, this.#states.at(-1)?.at ?? -Infinity);
    this.#states.push({ at, state });
    this.#moments.add(at);
  }

  /** It was still where it was. */
  staysAt(moment: number): void {
    this.#moments.add(moment);
  }

  /** Throws if it was in another state at any time of a segment. */
  checkState({ state, points }: Segment): void {
    const [first, last] = [points[0].t, points.at(-1)!.t];
    if (this.#held.has(first)) return;
    const then = this.#states.findLast(({ at }) => at <= first)?.state ?? "a";
    assert.equal(state, then, `since ${first}`);
    const within = this.#states.filter(({ at }) => at > first && at < last);
    for (const { at } of within)
      assert.ok(this.#states.findLast((one) => one.at === at)!.state === state, `changed at ${at}`);
  }

  heardAt(received: number): void {
    this.#heard.push(received);
  }

  /** Whether it was heard of until `end − holdMs` and then not, or the last point was older than a hold when it came. */
  #isEndOfHold(last: number, end: number): boolean {
    const heard = end - this.#holdMs;
    if (heard === last) return true;
    // It may end with a change, after which nothing was heard of it.
    const fits = heard > last ? heard - last < this.#holdMs : this.#moments.has(last);
    return fits && (this.#heard.includes(heard) || this.points.has(heard));
  }

  /** Whether it was heard of so that a hold would go over `end`, and then not for a hold: what was observed at `end` came after that. */
  #isSilentUntil(end: number): boolean {
    const before = this.#heard.findLast((heard) => heard <= end);
    const next = this.#heard.find((heard) => heard > end);
    return before !== undefined && next !== undefined && next - before >= this.#holdMs;
  }

  /** Segments of which a later version replaces an earlier, by their first point. */
  static current(segments: readonly Segment[]): Segment[] {
    const newest = new Map<number, Segment>();
    for (const segment of segments) {
      const known = newest.get(segment.points[0].t);
      if (known === undefined || known.recorded < segment.recorded) newest.set(segment.points[0].t, segment);
    }
    return [...newest.values()].sort((a, b) => a.points[0].t - b.points[0].t);
  }

  /** Throws if `segments`, of which the last is open, are not the track of what was reported. */
  check(segments: readonly Segment[], open: readonly TrackPoint[]): void {
    const all = [...segments.map(({ points }) => points), open].filter((points) => points.length > 0);
    const seen = new Map<number, TrackPoint>();
    for (const [i, points] of all.entries()) {
      const { hold = false } = segments[i] ?? {};
      const own = hold ? points.slice(0, -1) : points;
      for (const point of own) seen.set(point.t, point);
      const [first, last] = [points[0].t, points.at(-1)!.t];
      assert.ok(own.length <= MAX_SEGMENT_POINTS + 2, `${own.length} points`);
      assert.ok(own.length <= 2 || last - first <= MAX_SEGMENT_MS || hold);
      if (own.length > 2)
        assert.equal(Math.floor(first / DAY_MS), Math.floor(own.at(-1)!.t / DAY_MS), "one day");
      const next = all[i + 1]?.[0];
      const isCutShort = next?.t === last && this.#isSilentUntil(last);
      if (hold)
        assert.ok(isCutShort || this.#isEndOfHold(own.at(-1)!.t, last), "a hold ends when silence does");
      if (next !== undefined) assert.ok(next.t >= last, "no overlap");
      // Its place may be another: of two reports at that time the later is the new segment's.
      if (next !== undefined && !hold) assert.equal(next.t, last, "no gap");
      for (const [k, point] of points.entries()) if (k > 0) assert.ok(point.t > points[k - 1].t, "ascending");
    }
    const inOrder = (points: Iterable<TrackPoint>) => [...points].map(unwrapped).sort((a, b) => a.t - b.t);
    for (const t of seen.keys())
      if (!this.points.has(t)) {
        assert.ok(this.#moments.has(t), "a point is a report's, or at a moment at which something was known");
        seen.delete(t);
      }
    assert.deepEqual(inOrder(seen.values()), inOrder(this.points.values()));
    for (const points of all) this.#checkBetween(points);
  }

  /** In the middle of two points everything is in the middle. */
  #checkBetween(points: readonly TrackPoint[]): void {
    for (let i = 1; i < points.length; i++) {
      const [a, b] = [points[i - 1], points[i]];
      assert.ok(Math.abs(b.lon - a.lon) <= 180, "no jump");
      const middle = pointAt(points, (a.t + b.t) / 2)!;
      assert.ok(Math.abs(middle.lat - (a.lat + b.lat) / 2) < 1e-9);
      assert.ok(Math.abs(middle.lon) <= 180);
    }
  }
}

function unwrapped(point: TrackPoint): TrackPoint {
  return { ...point, lon: Math.round((((point.lon % 360) + 360) % 360) * 1e7) };
}
