/**
 * Where something probably is some time after its last fix, from its speed and course. The server holds a move back as long as this is good
 * enough, so the SDK must come to the same place: both use this file, which imports nothing.
 */

/** Metres of a degree of latitude on the sphere of radius R₁ = 6,371,008.8 m. */
export const METRES_PER_DEGREE = 111_195.08;
const RADIANS = Math.PI / 180;
/** Nearer to a pole than this, in degrees of latitude, nothing is extrapolated: a course means little there. */
const MAX_LATITUDE = 89;

export interface Fix {
  /** Unix ms. */
  t: number;
  lon: number;
  lat: number;
  /** Metres a second over ground; NaN or absent = unknown. */
  speed?: number;
  /** Degrees clockwise from true north; NaN or absent = unknown. */
  course?: number;
}

/**
 * The place at `t`, Unix ms, on a straight way in the tangent plane (error below 0.1 % of the way at the ways that speeds and ages allow here).
 * Without speed or course, and before the fix, it is the fix's own place; after `maxAgeMs` it stays where it was then.
 *
 * @param into lon and lat are written there; longitude within −180 … 180
 */
export function reckon(fix: Fix, t: number, maxAgeMs: number, into: { lon: number; lat: number }): void {
  into.lon = fix.lon;
  into.lat = fix.lat;
  const { speed = NaN, course = NaN } = fix;
  const seconds = Math.min(t - fix.t, maxAgeMs) / 1_000;
  if (!(speed > 0) || Number.isNaN(course) || !(seconds > 0) || Math.abs(fix.lat) > MAX_LATITUDE) return;
  const way = (speed * seconds) / METRES_PER_DEGREE;
  const lat = fix.lat + way * Math.cos(course * RADIANS);
  const lon = fix.lon + (way * Math.sin(course * RADIANS)) / Math.cos(fix.lat * RADIANS);
  into.lat = Math.min(90, Math.max(-90, lat));
  into.lon = lon > 180 || lon < -180 ? wrapped(lon) : lon;
}

/** However often it goes around: a speed may be absurd. */
function wrapped(lon: number): number {
  const rest = lon % 360;
  return rest > 180 ? rest - 360 : rest < -180 ? rest + 360 : rest;
}

/** Metres between two places that are near each other: exact enough to compare with a tolerance. */
export function nearDistance(lon1: number, lat1: number, lon2: number, lat2: number): number {
  let east = Math.abs(lon2 - lon1);
  if (east > 180) east = 360 - east;
  return METRES_PER_DEGREE * Math.hypot(lat2 - lat1, east * Math.cos(((lat1 + lat2) / 2) * RADIANS));
}
