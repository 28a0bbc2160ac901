/** What a segment says of its entity at an instant, and at what was known then. */
import { isWithin } from "../picture/query.ts";
import { heldAlt, isoTime, roundAlt, roundDegrees, roundDirection, roundMotion } from "../picture/record.ts";
import type { ThenQuery, ThenRecord } from "./ports.ts";
import { pointAt, type Segment } from "./segment.ts";

/** The segment without what was not known at `known`; `undefined` if nothing of it was. */
export function asKnown<S extends Segment>(segment: S, known = Infinity): S | undefined {
  const { points } = segment;
  if (segment.recorded > known) return undefined;
  if (points.at(-1)!.t <= known || segment.hold) return segment;
  return { ...segment, points: points.filter(({ t }) => t <= known) };
}

/** What the entity was, or `undefined` if the query does not ask for it. */
export function recordThen(
  segment: Segment,
  query: ThenQuery,
  version: { epoch: number; seq: number },
): ThenRecord | undefined {
  const { id, kind, state, attributes, labels, fences, recorded } = segment;
  if (query.kinds?.includes(kind) === false || query.states?.includes(state) === false) return undefined;
  const points = asKnown(segment, query.known)?.points;
  const point = points === undefined ? undefined : pointAt(points, query.t);
  if (point === undefined) return undefined;
  const { t, lon, lat, alt, speed, course } = point;
  if (query.bbox !== undefined && !isWithin(lon, lat, query.bbox)) return undefined;
  return {
    id,
    kind,
    state,
    liveness: "live",
    t: isoTime(t),
    recorded: isoTime(recorded),
    lon: roundDegrees(lon),
    lat: roundDegrees(lat),
    ...(Number.isNaN(alt) ? {} : { alt: roundAlt(heldAlt(alt)) }),
    ...(Number.isNaN(speed) ? {} : { speed: roundMotion(speed) }),
    ...(Number.isNaN(course) ? {} : { course: roundDirection(course) }),
    attributes: attributes === "" ? {} : JSON.parse(attributes),
    labels: [...labels],
    fences: [...fences],
    ...version,
  };
}
