/** All within some metres of a line that is straight in degrees between its places. */
import { EARTH_RADIUS } from "../../picture/sphere.ts";
import type { Place } from "./definition.ts";
import { distanceToEdges, type Edges, edgesOf } from "./edges.ts";
import type { CellBox, Outline, Share } from "./outline.ts";

const RADIANS = Math.PI / 180;
/** Covers rounding: 0.1 mm. */
const MARGIN = 1e-9;
const TURNS = [-360, 0, 360];

export class Corridor implements Outline {
  readonly #edges: Edges;
  readonly #radius: number;
  /** Of each edge: west, south, east, north of all within the radius; west and east may be beyond ±180. */
  readonly #boxes: readonly (readonly [number, number, number, number])[];

  constructor(line: readonly Place[], radius: number) {
    this.#edges = edgesOf([line]);
    this.#radius = radius;
    this.#boxes = line.slice(1).map((end, i) => boxOf(line[i]!, end, radius));
  }

  contains(lon: number, lat: number): boolean {
    return distanceToEdges(this.#edges, lon, lat) <= this.#radius;
  }

  distance(lon: number, lat: number): number {
    return distanceToEdges(this.#edges, lon, lat) - this.#radius;
  }

  /** Never `all`: whether a place is inside is said by its distance, which is not exact. */
  share(cell: CellBox): Share {
    for (const [west, south, east, north] of this.#boxes) {
      if (south > cell.north || north < cell.south) continue;
      for (const turn of TURNS) if (west + turn <= cell.east && east + turn >= cell.west) return "some";
    }
    return "none";
  }
}

/** The widest longitude is that of the place nearest to a pole, as in `boxAround` (picture/sphere.ts). */
function boxOf(begin: Place, end: Place, radius: number): [number, number, number, number] {
  const angle = radius / EARTH_RADIUS;
  const south = Math.min(begin[1], end[1]) - angle / RADIANS - MARGIN;
  const north = Math.max(begin[1], end[1]) + angle / RADIANS + MARGIN;
  const highest = Math.max(Math.abs(begin[1]), Math.abs(end[1]));
  const ratio = Math.sin(angle) / Math.cos(highest * RADIANS);
  if (south <= -90 || north >= 90 || !(ratio < 1)) return [-180, south, 180, north];
  const half = Math.asin(ratio) / RADIANS + MARGIN;
  return [Math.min(begin[0], end[0]) - half, south, Math.max(begin[0], end[0]) + half, north];
}
