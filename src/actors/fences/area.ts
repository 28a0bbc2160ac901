/**
 * Polygons on the plane of degrees. A place is inside if a ray to the east crosses an odd number of edges of one polygon, so rings may turn either way, and those of
 * before crossing edges were refused may cross. Of what is exactly on an edge the west and the south are inside: two areas side by side share no place.
 */

import { crossesOddly, planeLat, planeLon } from "./crossings.ts";
import type { Ring } from "./definition.ts";
import { distanceToEdges, type Edges, edgesOf } from "./edges.ts";
import type { CellBox, Outline, Share } from "./outline.ts";

/** Covers rounding: 0.1 mm. */
const MARGIN = 1e-9;

interface Polygon {
  edges: Edges;
  west: number;
  south: number;
  east: number;
  north: number;
}

export class Area implements Outline {
  readonly polygons: readonly Edges[];
  readonly #polygons: readonly Polygon[];

  constructor(polygons: readonly (readonly Ring[])[]) {
    this.#polygons = polygons.map((rings) => polygonOf(edgesOf(rings)));
    this.polygons = this.#polygons.map(({ edges }) => edges);
  }

  contains(lon: number, lat: number): boolean {
    const x = planeLon(lon);
    const y = planeLat(lat);
    for (const polygon of this.#polygons) if (isIn(polygon, x, y)) return true;
    return false;
  }

  distance(lon: number, lat: number): number {
    let nearest = Infinity;
    for (const { edges } of this.#polygons) nearest = Math.min(nearest, distanceToEdges(edges, lon, lat));
    return nearest;
  }

  share(cell: CellBox): Share {
    let share: Share = "none";
    for (const polygon of this.#polygons) {
      if (!overlaps(polygon, cell)) continue;
      if (isCut(polygon.edges, cell)) share = "some";
      else if (isIn(polygon, cell.lon, cell.lat)) return "all";
    }
    return share;
  }
}

function isIn({ edges, west, south, east, north }: Polygon, lon: number, lat: number): boolean {
  if (lon < west || lon > east || lat < south || lat > north) return false;
  return crossesOddly(edges, 0, edges.length, lon, lat);
}

function overlaps({ west, south, east, north }: Polygon, cell: CellBox): boolean {
  return (
    west <= cell.east + MARGIN &&
    east >= cell.west - MARGIN &&
    south <= cell.north + MARGIN &&
    north >= cell.south - MARGIN
  );
}

/** Whether an edge touches a cell. Two convex shapes do unless an axis parts them: east, north, or across the edge. */
function isCut(edges: Edges, cell: CellBox): boolean {
  const west = cell.west - MARGIN;
  const south = cell.south - MARGIN;
  const east = cell.east + MARGIN;
  const north = cell.north + MARGIN;
  for (let at = 0; at < edges.length; at += 4) {
    const x1 = edges[at];
    const y1 = edges[at + 1];
    const x2 = edges[at + 2];
    const y2 = edges[at + 3];
    if (x1 < west && x2 < west) continue;
    if (x1 > east && x2 > east) continue;
    if (y1 < south && y2 < south) continue;
    if (y1 > north && y2 > north) continue;
    const dx = x2 - x1;
    const dy = y2 - y1;
    const a = dx * (south - y1) - dy * (west - x1);
    const b = dx * (south - y1) - dy * (east - x1);
    const c = dx * (north - y1) - dy * (west - x1);
    const d = dx * (north - y1) - dy * (east - x1);
    if ((a > 0 && b > 0 && c > 0 && d > 0) || (a < 0 && b < 0 && c < 0 && d < 0)) continue;
    return true;
  }
  return false;
}

function polygonOf(edges: Edges): Polygon {
  const polygon = { edges, west: Infinity, south: Infinity, east: -Infinity, north: -Infinity };
  for (let at = 0; at < edges.length; at += 2) {
    polygon.west = Math.min(polygon.west, edges[at]);
    polygon.east = Math.max(polygon.east, edges[at]);
    polygon.south = Math.min(polygon.south, edges[at + 1]);
    polygon.north = Math.max(polygon.north, edges[at + 1]);
  }
  return polygon;
}
