/** What a segment says of its entity at an instant, and at what was known then. */
import { isWithin } from "../picture/query.ts";
import { heldAlt, isoTime, roundAlt, roundDegrees, roundDirection, roundMotion } from "../picture/record.ts";
import type { ThenQuery, ThenRecord } from "./ports.ts";
import { held, pointAt, type Segment, type TrackPoint } from "./segment.ts";

/** The segment as it was known at `known`: what came later had not come, and the entity was taken to be where it was last seen. `undefined` if nothing of it was. */
export function asKnown(segment: Segment, known = Infinity): Segment | undefined {
  const points = pointsKnown(segment, known);
  if (points === undefined || points.length === segment.points.length) return points && segment;
  return heldUntil(segment, points, known);
}

/** The segment without what is only expected at `now`: a hold has lasted until then. */
export function asPassed(segment: Segment, now: number): Segment {
  const { hold, points } = segment;
  return hold && points.at(-1)!.t > now ? heldUntil(segment, points.slice(0, -1), now) : segment;
}

function heldUntil(segment: Segment, points: readonly TrackPoint[], until: number): Segment {
  const hold = points.at(-1)!.t < until;
  return { ...segment, hold, points: hold ? held(points, until) : points };
}

function pointsKnown({ recorded, points }: Segment, known: number): readonly TrackPoint[] | undefined {
  if (recorded > known) return undefined;
  return points.at(-1)!.t <= known ? points : points.filter(({ t }) => t <= known);
}

/** What the entity was, or `undefined` if the query does not ask for it. */
export function recordThen(
  segment: Segment,
  query: ThenQuery,
  version: { epoch: number; seq: number },
): ThenRecord | undefined {
  const { id, kind, state, attributes, labels, fences, recorded } = segment;
  if (query.kinds?.includes(kind) === false || query.states?.includes(state) === false) return undefined;
  const points = pointsKnown(segment, query.known ?? Infinity);
  const point = points === undefined ? undefined : pointAt(points, query.t);
  if (point === undefined) return undefined;
  const { t, alt, speed, course } = point;
  // Beyond 180° it has another last bit, and would not be on an edge on which it was reported.
  const [lon, lat] = [roundDegrees(point.lon), roundDegrees(point.lat)];
  if (query.bbox !== undefined && !isWithin(lon, lat, query.bbox)) return undefined;
  return {
    id,
    kind,
    state,
    liveness: "live",
    t: isoTime(t),
    recorded: isoTime(recorded),
    lon,
    lat,
    ...(Number.isNaN(alt) ? {} : { alt: roundAlt(heldAlt(alt)) }),
    ...(Number.isNaN(speed) ? {} : { speed: roundMotion(speed) }),
    ...(Number.isNaN(course) ? {} : { course: roundDirection(course) }),
    attributes: attributes === "" ? {} : JSON.parse(attributes),
    labels: [...labels],
    fences: [...fences],
    ...version,
  };
}
