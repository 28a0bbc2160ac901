import type { Bbox } from "../src/transport/feed/protocol.ts";

/**
 * The box of a view for what a map shows. A map counts longitudes on beyond ±180 as one pans around the world; the
 * protocol wants them within, with west > east across 180°.
 */
export function bboxOf(west: number, south: number, east: number, north: number): Bbox {
  const bottom = Math.max(-90, Math.min(90, south));
  const top = Math.max(-90, Math.min(90, north));
  if (east - west >= 360) return [-180, bottom, 180, top];
  return [wrap(west), bottom, wrap(east), top];
}

/** −180 ≤ lon ≤ 180; both ends stay as they are. */
function wrap(lon: number): number {
  if (lon >= -180 && lon <= 180) return lon;
  return ((((lon + 180) % 360) + 360) % 360) - 180;
}

/**
 * The smallest box around places, or undefined without any. It crosses 180° (west > east) if that is smaller: the
 * widest gap between neighbouring longitudes is left out.
 */
export function extentOf(places: readonly (readonly [lon: number, lat: number])[]): Bbox | undefined {
  if (places.length === 0) return undefined;
  const lons = places.map(([lon]) => lon).sort((a, b) => a - b);
  const lats = places.map(([, lat]) => lat);
  let west = lons[0];
  let east = lons[lons.length - 1];
  let widest = west + 360 - east;
  for (let i = 1; i < lons.length; i++) {
    if (lons[i] - lons[i - 1] <= widest) continue;
    widest = lons[i] - lons[i - 1];
    west = lons[i];
    east = lons[i - 1];
  }
  return [west, lats.reduce((a, b) => Math.min(a, b)), east, lats.reduce((a, b) => Math.max(a, b))];
}
