import type { Bbox } from "../src/transport/feed/protocol.ts";

/** Whether the server takes it as a box: degrees in their ranges, south not greater than north. */
export function isBox(bbox: Bbox): boolean {
  const [west, south, east, north] = bbox;
  // Written so that NaN is none.
  return Math.abs(west) <= 180 && Math.abs(east) <= 180 && south >= -90 && south <= north && north <= 90;
}

/** Whether a place is in a box, edges included. `west > east` crosses 180°; 180 and −180 are one meridian. */
export function contains(bbox: Bbox, lon: number, lat: number): boolean {
  const [west, south, east, north] = bbox;
  if (!(lat >= south && lat <= north)) return false;
  return between(west, east, lon) || ((lon === 180 || lon === -180) && between(west, east, -lon));
}

function between(west: number, east: number, lon: number): boolean {
  return west <= east ? lon >= west && lon <= east : lon >= west || lon <= east;
}
