/** Ways as GeoJSON (RFC 7946) and as OGC Moving Features JSON (19-045r3). */
import { isoTime, roundAlt, roundDegrees, roundDirection, roundMotion } from "../../picture/record.ts";
import { type Segment, type TrackPoint, unwrapLongitude } from "../../tracks/segment.ts";

/** A segment as a LineString; the lists of its properties have an entry for each position. It has two at least, if need be the same. */
export function trackFeature(segment: Segment) {
  const { id, kind, state, attributes, labels, fences, recorded, hold } = segment;
  const points = segment.points.length === 1 ? [segment.points[0], segment.points[0]] : segment.points;
  return {
    type: "Feature",
    id: `${id}/${isoTime(points[0].t)}`,
    geometry: { type: "LineString", coordinates: coordinatesOf(points) },
    properties: {
      entity: id,
      kind,
      state,
      attributes: attributes === "" ? {} : JSON.parse(attributes),
      labels,
      fences,
      recorded: isoTime(recorded),
      hold,
      times: points.map(({ t }) => isoTime(t)),
      speed: points.map(({ speed }) => known(speed, roundMotion)),
      course: points.map(({ course }) => known(course, roundDirection)),
      ...(isAltBeside(points) ? { alt: points.map(({ alt }) => known(alt, roundAlt)) } : {}),
    },
  };
}

/** Whether positions have no altitude because only some are known. */
function isAltBeside(points: readonly TrackPoint[]): boolean {
  const told = points.filter(({ alt }) => !Number.isNaN(alt)).length;
  return told > 0 && told < points.length;
}

/** Longitudes go on beyond 180°, so that a line has no jump. */
function coordinatesOf(points: readonly TrackPoint[]): number[][] {
  const hasAlt = points.every(({ alt }) => !Number.isNaN(alt));
  return points.map(({ lon, lat, alt }) => {
    const place = [roundDegrees(lon), roundDegrees(lat)];
    return hasAlt ? [...place, roundAlt(alt)] : place;
  });
}

function known(value: number, round: (value: number) => number): number | null {
  return Number.isNaN(value) ? null : round(value);
}

/** Segments of one entity, ascending, as one moving feature: a MovingPoint for each stretch without a gap. */
export function movingFeature(id: string, segments: readonly Segment[]) {
  const stretches: TrackPoint[][] = [];
  for (const { points } of segments) {
    const known = stretches.at(-1);
    const end = known?.at(-1);
    if (known !== undefined && end?.t === points[0].t) {
      // A segment begins within ±180°, wherever the one before has gone on to.
      const shift = unwrapLongitude(points[0].lon, end.lon) - points[0].lon;
      const later = points.filter(({ t }) => t > end.t);
      known.push(...later.map((point) => ({ ...point, lon: point.lon + shift })));
    } else {
      // A line of one point has it twice.
      stretches.push(points.filter(({ t }, i) => i === 0 || t > points[i - 1].t));
    }
  }
  const prisms = stretches.map((points) => ({
    type: "MovingPoint",
    datetimes: points.map(({ t }) => isoTime(t)),
    coordinates: coordinatesOf(points),
    interpolation: "Linear",
  }));
  // Of two at the same time the later counts: the one before only ends there.
  const states = new Map(segments.map(({ points, state }) => [isoTime(points[0].t), state]));
  return {
    type: "Feature",
    id,
    crs: { type: "Name", properties: { name: "urn:ogc:def:crs:OGC:1.3:CRS84" } },
    trs: { type: "Name", properties: { name: "urn:ogc:data:time:iso8601" } },
    temporalGeometry: prisms.length === 1 ? prisms[0] : { type: "MovingGeometryCollection", prisms },
    temporalProperties: [
      ...stretches.flatMap(samplesOf),
      {
        datetimes: [...states.keys()],
        state: { type: "Text", values: [...states.values()], interpolation: "Step" },
      },
    ],
    properties: { kind: segments.at(-1)?.kind },
  };
}

const SAMPLES = {
  speed: { form: "MTS", round: roundMotion },
  course: { form: "DD", round: roundDirection },
  alt: { form: "MTR", round: roundAlt },
} as const;

/** Speed and course of a stretch where they are known, and altitude if positions do not have it. */
function samplesOf(points: readonly TrackPoint[]) {
  const names = ["speed", "course", ...(isAltBeside(points) ? (["alt"] as const) : [])] as const;
  return names.flatMap((name) => {
    const { form, round } = SAMPLES[name];
    const told = points.filter((point) => !Number.isNaN(point[name]));
    if (told.length === 0) return [];
    const values = told.map((point) => round(point[name]));
    const datetimes = told.map(({ t }) => isoTime(t));
    return [{ datetimes, [name]: { type: "Measure", form, values, interpolation: "Step" } }];
  });
}
