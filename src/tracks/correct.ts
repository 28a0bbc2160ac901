/** What late reports change of rows: new versions of the segments that they fall into, or segments of their own where there is none. */
import { MAX_SEGMENT_MS, MAX_SEGMENT_POINTS } from "../limits.ts";
import { type Description, held, inOrder, type Segment, type TrackPoint } from "./segment.ts";

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
 * @param former until then another entity may have had the id, Unix ms; −∞ = none had. Neither is told as the other.
 * @param otherwise what the entity is told to have been where `current` has nothing that tells it, but for its labels: of these there are none then.
 */
export function correct(
  id: string,
  current: readonly Segment[],
  late: readonly Late[],
  end: number,
  holdMs: number,
  former = -Infinity,
  otherwise?: Description,
): Segment[] {
  const segments = [...current];
  const given = new Set(current);
  const sorted = [...late].sort((a, b) => a.point.t - b.point.t);
  let at = -1;
  // What falls into the same segment is put in order at once: there may be thousands.
  for (let i = 0; i < sorted.length; ) {
    const { point, received } = sorted[i];
    while (at + 1 < segments.length && segments[at + 1].points[0].t <= point.t) at += 1;
    const into: Segment | undefined = segments[at];
    const next = segments[at + 1]?.points[0].t ?? Infinity;
    const until = (t: number) => Math.min(next, end, t + holdMs);
    if (into === undefined || point.t > lastOf(into)) {
      i += 1;
      if (until(point.t) <= point.t) continue;
      const isOfSame = (other: Segment | undefined) =>
        other !== undefined && other.points[0].t >= former === point.t >= former;
      // Whoever may see what follows need not have been allowed to see what was before.
      const following = { ...(isOfSame(segments[at + 1]) ? segments[at + 1] : otherwise), labels: [] };
      const description = describe(isOfSame(into) ? into : following);
      const points = held([point], until(point.t));
      segments.splice(at + 1, 0, { id, ...description, recorded: received, hold: true, points });
      continue;
    }
    const own = into.hold ? into.points.slice(0, -1) : [...into.points];
    const newest = own.at(-1)!.t;
    let recorded = given.has(into) ? into.recorded + 1 : into.recorded;
    if (point.t <= newest) {
      const begin = i;
      while (i < sorted.length && sorted[i].point.t <= newest && sorted[i].point.t < next) i += 1;
      const added = notAmong(own, sorted.slice(begin, i));
      if (added.length === 0) continue;
      for (const { received } of added) recorded = Math.max(recorded, received);
      const points = inOrder([...own, ...added.map(({ point }) => point)]);
      segments[at] = { ...into, recorded, points: into.hold ? held(points, into.points.at(-1)!.t) : points };
    } else if (isWhole(own, point.t)) {
      i += 1;
      recorded = Math.max(recorded, received);
      segments[at] = { ...into, recorded, hold: false, points: inOrder([...own, point]) };
      const points = held([point], Math.max(until(point.t), into.points.at(-1)!.t));
      segments.splice(at + 1, 0, { ...into, recorded: received, points });
    } else {
      let last = into.points.at(-1)!.t;
      for (; i < sorted.length; i++) {
        const { point, received } = sorted[i];
        if (point.t === own.at(-1)!.t) continue;
        if (point.t >= Math.min(last, next) || isWhole(own, point.t)) break;
        own.push(point);
        last = Math.max(last, until(point.t));
        recorded = Math.max(recorded, received);
      }
      segments[at] = { ...into, recorded, points: held(inOrder(own), last) };
    }
  }
  return segments.filter((segment) => !given.has(segment));
}

/** The last time at which a point falls into a segment. */
function lastOf({ hold, points }: Segment): number {
  return hold ? points.at(-1)!.t - 1 : points.at(-1)!.t;
}

/** Whether a point at `t` is for the next segment. */
function isWhole(own: readonly TrackPoint[], t: number): boolean {
  return own.length + 1 >= MAX_SEGMENT_POINTS || t - own[0].t > MAX_SEGMENT_MS;
}

/** Those at other times than the points, of each time the first. */
function notAmong(points: readonly TrackPoint[], late: readonly Late[]): Late[] {
  const times = new Set(points.map(({ t }) => t));
  return late.filter(({ point: { t } }) => !times.has(t) && times.add(t));
}

function describe(known: Partial<Description> = {}): Description {
  const { kind = "unknown", state = "", attributes = "", labels = [], fences = [] } = known;
  return { kind, state, attributes, labels, fences };
}
