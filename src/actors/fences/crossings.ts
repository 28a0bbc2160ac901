/** How often a ray from a place to the east crosses edges, on the plane of degrees. */
import type { Edges } from "./edges.ts";

/** 180° is −180°: else what ends there had no place of it. */
export function planeLon(lon: number): number {
  return lon === 180 ? -180 : lon;
}

/** The pole belongs to what lies south of it. */
export function planeLat(lat: number): number {
  return Math.min(lat, 90 - 1e-9);
}

/** Whether it crosses an odd number of the edges in [from, to). */
export function crossesOddly(edges: Edges, from: number, to: number, lon: number, lat: number): boolean {
  let isOdd = false;
  for (let at = from; at < to; at += 4) {
    const y1 = edges[at + 1];
    const y2 = edges[at + 3];
    if (y1 > lat === y2 > lat) continue;
    const x = edges[at] + ((lat - y1) / (y2 - y1)) * (edges[at + 2] - edges[at]);
    if (lon < x) isOdd = !isOdd;
  }
  return isOdd;
}
