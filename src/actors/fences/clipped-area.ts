/**
 * An area as seen from within one cell. Of its edges only those are kept that a ray to the east crosses from some places of the cell and not from others; how many are crossed from
 * all of them is counted once. It says exactly what the area says: what is kept is calculated in the same way. So a coast of 10,000 points costs a few edges, and what is looked at lies
 * together in memory, which is most of what a test costs.
 */
import { crossesOddly, planeLat, planeLon } from "./crossings.ts";
import type { Edges } from "./edges.ts";
import type { CellBox, PlaceTest } from "./outline.ts";

/** Covers rounding: 0.1 mm. */
const MARGIN = 1e-9;
/** Numbers before the edges of each polygon. */
const HEAD = 2;

export class ClippedArea implements PlaceTest {
  /** Of each polygon: 1 if an odd number of others is crossed from everywhere, where its edges end, its edges. */
  readonly #data: Float64Array;

  constructor(polygons: readonly Edges[], cell: CellBox) {
    const data: number[] = [];
    for (const edges of polygons) append(edges, cell, data);
    this.#data = Float64Array.from(data);
  }

  get edges(): number {
    return this.#data.length / 4;
  }

  contains(lon: number, lat: number): boolean {
    const data = this.#data;
    const x = planeLon(lon);
    const y = planeLat(lat);
    for (let at = 0, end = 0; at < data.length; at = end) {
      end = data[at + 1];
      if (crossesOddly(data, at + HEAD, end, x, y) !== (data[at] === 1)) return true;
    }
    return false;
  }
}

function append(edges: Edges, cell: CellBox, data: number[]): void {
  const head = data.length;
  data.push(0, 0);
  let isOdd = false;
  for (let at = 0; at < edges.length; at += 4) {
    const lowest = Math.min(edges[at + 1], edges[at + 3]);
    const highest = Math.max(edges[at + 1], edges[at + 3]);
    const isBeside = highest < cell.south - MARGIN || lowest > cell.north + MARGIN;
    if (isBeside || Math.max(edges[at], edges[at + 2]) < cell.west - MARGIN) continue;
    const isEast = Math.min(edges[at], edges[at + 2]) > cell.east + MARGIN;
    if (isEast && lowest < cell.south - MARGIN && highest > cell.north + MARGIN) isOdd = !isOdd;
    else for (let i = 0; i < 4; i++) data.push(edges[at + i]);
  }
  data[head] = isOdd ? 1 : 0;
  data[head + 1] = data.length;
}
