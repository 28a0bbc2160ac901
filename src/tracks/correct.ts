/** What late reports change of rows: new versions of the segments that they fall into, or segments of their own where there is none. */
import { MAX_SEGMENT_MS, MAX_SEGMENT_POINTS } from "../limits.ts";
import { type Description, held, indexAt, inOrder, type Segment, type TrackPoint } from "./segment.ts";

/** A point of an entity that came late. */
export interface Late {
  point: TrackPoint;
  /** Unix ms. */
  received: number;
}

/**
 * The rows that are to be written for late points. Given again after they were written it returns none.
 * @param current the newest versions of the entity's segments around, by ascending time.
 * @param end what is at this time or after it is in memory; Unix ms, or ∞.
 * @param holdMs for how long an entity is taken to be at its last point.
 */
export function correct(
  id: string,
  current: readonly Segment[],
  late: readonly Late[],
  end: number,
  holdMs: number,
): Segment[] {
  const segments = [...current];
  const changed = new Set<number>();
  for (const { point, received } of [...late].sort((a, b) => a.point.t - b.point.t)) {
    let at = segments.findLastIndex(({ points }) => points[0].t <= point.t);
    const into = segments[at];
    const until = Math.min(segments[at + 1]?.points[0].t ?? Infinity, end, point.t + holdMs);
    if (into === undefined || point.t >= into.points.at(-1)!.t) {
      if (until <= point.t || (into?.hold === false && into.points.at(-1)!.t === point.t)) continue;
      at += 1;
      const description = describe(into ?? segments[at]);
      segments.splice(at, 0, {
        id,
        ...description,
        recorded: received,
        hold: true,
        points: held([point], until),
      });
      shift(changed, at);
    } else {
      const own = into.hold ? into.points.slice(0, -1) : into.points;
      if (own[indexAt(own, point.t)].t === point.t) continue;
      const isAfter = into.hold && point.t > own.at(-1)!.t;
      const recorded = Math.max(received, into.recorded + (changed.has(at) ? 0 : 1));
      if (isAfter && (own.length + 1 >= MAX_SEGMENT_POINTS || point.t - own[0].t > MAX_SEGMENT_MS)) {
        segments[at] = { ...into, recorded, hold: false, points: inOrder([...own, point]) };
        changed.add(at);
        at += 1;
        const rest = {
          ...into,
          recorded: received,
          points: held([point], Math.max(until, into.points.at(-1)!.t)),
        };
        segments.splice(at, 0, rest);
        shift(changed, at);
      } else {
        const points = inOrder([...own, point]);
        const last = into.points.at(-1)!.t;
        segments[at] = {
          ...into,
          recorded,
          points: !into.hold ? points : held(points, isAfter ? Math.max(until, last) : last),
        };
      }
    }
    changed.add(at);
  }
  return [...changed].sort((a, b) => a - b).map((at) => segments[at]);
}

/** Those at or after `from` have moved on by one. */
function shift(places: Set<number>, from: number): void {
  const moved = [...places].map((place) => (place >= from ? place + 1 : place));
  places.clear();
  for (const place of moved) places.add(place);
}

function describe(segment: Segment | undefined): Description {
  const { kind = "unknown", state = "", attributes = "", labels = [], fences = [] } = segment ?? {};
  return { kind, state, attributes, labels, fences };
}
