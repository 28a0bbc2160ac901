/** Distances on the globe, taken as a sphere: at most 0.56 % from the ellipsoid's. */
import type { Box } from "./cover.ts";

/** Mean radius R₁ of the Earth, metres (IUGG; Moritz, "Geodetic Reference System 1980"). */
export const EARTH_RADIUS = 6_371_008.8;
/** No two places are farther apart, metres. */
export const FARTHEST = Math.PI * EARTH_RADIUS;

const RADIANS = Math.PI / 180;
/** Covers rounding: 1e-9° is 0.1 mm. */
const MARGIN = 1e-9;

/**
 * Great-circle distance of two places in degrees, metres: the haversine formula
 * (R. W. Sinnott, "Virtues of the Haversine", Sky & Telescope 68, 1984), exact for near and far places alike.
 */
export function distance(lon1: number, lat1: number, lon2: number, lat2: number): number {
  const sinLat = Math.sin(((lat2 - lat1) * RADIANS) / 2);
  const sinLon = Math.sin(((lon2 - lon1) * RADIANS) / 2);
  const h = sinLat * sinLat + Math.cos(lat1 * RADIANS) * Math.cos(lat2 * RADIANS) * sinLon * sinLon;
  return 2 * EARTH_RADIUS * Math.asin(Math.min(1, Math.sqrt(h)));
}

/**
 * The smallest box that contains all places within `radius` metres of a place. A circle around a pole needs all
 * longitudes; else the widest longitude is asin(sin δ / cos φ), where the meridian touches the circle
 * (J. P. Matuschek, "Finding Points Within a Distance of a Latitude/Longitude").
 */
export function boxAround(lon: number, lat: number, radius: number): Box {
  const angle = radius / EARTH_RADIUS;
  const south = lat - angle / RADIANS - MARGIN;
  const north = lat + angle / RADIANS + MARGIN;
  const ratio = Math.sin(angle) / Math.cos(lat * RADIANS);
  if (south <= -90 || north >= 90 || !(ratio < 1))
    return [-180, Math.max(south, -90), 180, Math.min(north, 90)];
  const half = Math.asin(ratio) / RADIANS + MARGIN;
  return [wrap(lon - half), south, wrap(lon + half), north];
}

function wrap(lon: number): number {
  if (lon < -180) return lon + 360;
  return lon > 180 ? lon - 360 : lon;
}
