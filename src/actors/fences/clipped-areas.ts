/**
 * Areas as seen from within one cell. Of their edges only those are kept that a ray to the east crosses from some places of the cell and not from others; how many are crossed from
 * all of them is counted once. It says exactly what the areas say: what is kept is calculated in the same way. So a coast of 10,000 points costs a few edges, and all that is looked at
 * lies together in memory: with an object for each area a test took three times as long, nearly all of it waiting for memory.
 */
import { crossesOddly, planeLat, planeLon } from "./crossings.ts";
import type { Edges } from "./edges.ts";
import type { CellBox } from "./outline.ts";

/** Covers rounding: 0.1 mm. */
const MARGIN = 1e-9;
/** Numbers before the edges of each polygon. */
const HEAD = 3;

export class ClippedAreas {
  /** Of each polygon: which area it is of, 1 if an odd number of others is crossed from everywhere, where its edges end, its edges. */
  readonly #data: Float64Array;

  /** @param areas of each its number, ascending, and its polygons. */
  constructor(areas: readonly (readonly [number: number, polygons: readonly Edges[]])[], cell: CellBox) {
    const data: number[] = [];
    for (const [number, polygons] of areas) for (const edges of polygons) append(number, edges, cell, data);
    this.#data = Float64Array.from(data);
  }

  /** Numbers that it holds in memory. */
  get length(): number {
    return this.#data.length;
  }

  /** Tells of each area that holds a place. */
  holding<T>(lon: number, lat: number, areas: readonly T[], found: T[]): void {
    const data = this.#data;
    const x = planeLon(lon);
    const y = planeLat(lat);
    let last = -1;
    for (let at = 0, end = 0; at < data.length; at = end) {
      end = data[at + 2];
      const number = data[at];
      if (number === last || crossesOddly(data, at + HEAD, end, x, y) === (data[at + 1] === 1)) continue;
      found.push(areas[number]!);
      last = number;
    }
  }
}

function append(number: number, edges: Edges, cell: CellBox, data: number[]): void {
  const head = data.length;
  data.push(number, 0, 0);
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
  // Outside from everywhere: another polygon of the same area takes a part of the cell.
  if (data.length === head + HEAD && !isOdd) data.length = head;
  else {
    data[head + 1] = isOdd ? 1 : 0;
    data[head + 2] = data.length;
  }
}
