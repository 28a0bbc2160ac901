/**
 * Covers: which Morton keys a bounding box needs, as a few inclusive ranges. A cover is a view's contract: it contains
 * its box and somewhat more.
 */
import { MAX_COVER_CELLS } from "../limits.ts";
import { CELLS_PER_AXIS, cellX, cellY, interleave, keyX, keyY } from "./morton.ts";

/** West, south, east, north in degrees; west > east crosses 180°. */
export type Box = readonly [west: number, south: number, east: number, north: number];

/** Low and high keys in turn, inclusive, ascending, neither overlapping nor adjoining. */
export type Cover = Uint32Array;

export const NOTHING: Cover = new Uint32Array(0);
export const EVERYWHERE: Cover = Uint32Array.of(0, 0xffffffff);

/** Columns and rows, inclusive. */
interface Grid {
  x0: number;
  y0: number;
  x1: number;
  y1: number;
}

/** A quad cell: `size` columns and rows from (x, y), and how many of them no box wants. */
interface Cell {
  x: number;
  y: number;
  size: number;
  waste: number;
}

/**
 * The cover of a box: at most `maxCells` quad cells. It starts with the whole world and splits the most wasteful cell
 * that may still be split, until nothing is wasted or the cells are used up.
 * ~1.2 × a box of many cells' size; a box smaller than a cell gets the cells that it touches.
 *
 * @param box −180 … 180, −90 … 90, south ≤ north.
 */
export function coverOf(box: Box, maxCells = MAX_COVER_CELLS): Cover {
  const grids = gridsOf(box);
  const cells = [cellAt(0, 0, CELLS_PER_AXIS, grids)!];
  for (;;) {
    const split = splitMostWasteful(cells, grids, maxCells);
    if (split === undefined) break;
    cells.splice(split.index, 1, ...split.children);
  }
  return rangesOf(cells);
}

function splitMostWasteful(
  cells: readonly Cell[],
  grids: readonly Grid[],
  maxCells: number,
): { index: number; children: Cell[] } | undefined {
  const order = cells.map((_, index) => index).filter((index) => cells[index].waste > 0);
  order.sort((a, b) => cells[b].waste - cells[a].waste);
  for (const index of order) {
    const children = childrenOf(cells[index], grids);
    if (cells.length - 1 + children.length <= maxCells) return { index, children };
  }
  return undefined;
}

function childrenOf(cell: Cell, grids: readonly Grid[]): Cell[] {
  const half = cell.size / 2;
  return [
    cellAt(cell.x, cell.y, half, grids),
    cellAt(cell.x + half, cell.y, half, grids),
    cellAt(cell.x, cell.y + half, half, grids),
    cellAt(cell.x + half, cell.y + half, half, grids),
  ].filter((child) => child !== undefined);
}

/** The cell, or `undefined` if no grid touches it. Grids of one box do not overlap, so what they want adds up. */
function cellAt(x: number, y: number, size: number, grids: readonly Grid[]): Cell | undefined {
  let wanted = 0;
  for (const grid of grids) {
    const width = Math.min(grid.x1, x + size - 1) - Math.max(grid.x0, x) + 1;
    const height = Math.min(grid.y1, y + size - 1) - Math.max(grid.y0, y) + 1;
    if (width > 0 && height > 0) wanted += width * height;
  }
  return wanted === 0 ? undefined : { x, y, size, waste: size * size - wanted };
}

/** The columns and rows of a box. 180 is −180: what stands exactly there is in column 0, so a box up to 180 wants that too. */
function gridsOf([west, south, east, north]: Box): Grid[] {
  const y0 = cellY(south);
  const y1 = cellY(north);
  const last = CELLS_PER_AXIS - 1;
  const x0 = cellX(west);
  const x1 = cellX(east);
  if (west <= east && east < 180) return [{ x0, y0, x1, y1 }];
  // All of it on the meridian, or from there on.
  if (west === 180) return [{ x0: 0, y0, x1, y1 }];
  if (x0 <= x1) return [{ x0: 0, y0, x1: last, y1 }];
  return [
    { x0, y0, x1: last, y1 },
    { x0: 0, y0, x1, y1 },
  ];
}

function rangesOf(cells: readonly Cell[]): Cover {
  const sorted = cells
    .map((cell) => ({ low: interleave(cell.x, cell.y), keys: cell.size * cell.size }))
    .sort((a, b) => a.low - b.low);
  const ranges: number[] = [];
  for (const { low, keys } of sorted) append(ranges, low, low + keys - 1);
  return Uint32Array.from(ranges);
}

/** Appends a range that starts at or after the last one's start, merging the two if they touch. */
function append(ranges: number[], low: number, high: number): void {
  const end = ranges.length - 1;
  if (end > 0 && low <= ranges[end] + 1) ranges[end] = Math.max(ranges[end], high);
  else ranges.push(low, high);
}

/** Whether a key is in the cover. */
export function covers(cover: Cover, key: number): boolean {
  let from = 0;
  let to = cover.length >>> 1;
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (cover[2 * middle + 1] < key) from = middle + 1;
    else to = middle;
  }
  return 2 * from < cover.length && cover[2 * from] <= key;
}

/** How many keys it holds. */
export function coverSize(cover: Cover): number {
  let keys = 0;
  for (let i = 0; i < cover.length; i += 2) keys += cover[i + 1] - cover[i] + 1;
  return keys;
}

/** Keys of both. */
export function coverIntersection(a: Cover, b: Cover): Cover {
  const ranges: number[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length && j < b.length) {
    const low = Math.max(a[i], b[j]);
    const high = Math.min(a[i + 1], b[j + 1]);
    if (low <= high) append(ranges, low, high);
    if (a[i + 1] < b[j + 1]) i += 2;
    else j += 2;
  }
  return Uint32Array.from(ranges);
}

/** Keys of `a` that are not in `b`. */
export function coverDifference(a: Cover, b: Cover): Cover {
  const ranges: number[] = [];
  let j = 0;
  for (let i = 0; i < a.length; i += 2) {
    let low = a[i];
    const high = a[i + 1];
    while (j < b.length && b[j + 1] < low) j += 2;
    let k = j;
    for (; k < b.length && b[k] <= high && low <= high; k += 2) {
      if (b[k] > low) append(ranges, low, b[k] - 1);
      low = b[k + 1] + 1;
    }
    if (low <= high) append(ranges, low, high);
  }
  return Uint32Array.from(ranges);
}

/** Keys of either. */
export function coverUnion(a: Cover, b: Cover): Cover {
  const ranges: number[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    if (j >= b.length || (i < a.length && a[i] <= b[j])) {
      append(ranges, a[i], a[i + 1]);
      i += 2;
    } else {
      append(ranges, b[j], b[j + 1]);
      j += 2;
    }
  }
  return Uint32Array.from(ranges);
}

/** The part of the cover with keys < `end`. */
export function coverBefore(cover: Cover, end: number): Cover {
  if (end <= 0) return NOTHING;
  return coverIntersection(cover, Uint32Array.of(0, Math.min(end - 1, 0xffffffff)));
}

/** The quad cells of a cover as boxes in degrees, the fewest that make it up. Edges are exact in binary. */
export function coverBoxes(cover: Cover): [west: number, south: number, east: number, north: number][] {
  const boxes: [number, number, number, number][] = [];
  for (let i = 0; i < cover.length; i += 2) {
    const end = cover[i + 1] + 1;
    for (let low = cover[i]; low < end; ) {
      let size = 1;
      while (size < CELLS_PER_AXIS && low % (4 * size * size) === 0 && low + 4 * size * size <= end)
        size *= 2;
      const x = keyX(low);
      const y = keyY(low);
      boxes.push([edgeLon(x), edgeLat(y), edgeLon(x + size), edgeLat(y + size)]);
      low += size * size;
    }
  }
  return boxes;
}

function edgeLon(x: number): number {
  return (x / CELLS_PER_AXIS) * 360 - 180;
}
function edgeLat(y: number): number {
  return (y / CELLS_PER_AXIS) * 180 - 90;
}
