/**
 * Counts and centroids per quad cell, for views that hold more than they may. Made from the published keys of a channel, sorted once, and
 * aggregated once per level; a view takes the few contiguous cells that its cover touches.
 */
import { MAX_CLUSTER_CELLS } from "../limits.ts";
import type { Channel } from "./channel.ts";
import type { Cover } from "./cover.ts";
import { keyX, keyY } from "./morton.ts";
import { RecordList } from "./record-list.ts";

/** Levels of cells: level n has 4ⁿ of them. The finest is the grid of Morton keys itself. */
const FINEST = 16;

/** Cells of one level that hold something, ascending. */
interface Level {
  /** First key of each cell. */
  low: Uint32Array;
  /** Where each cell's entities begin among the sorted keys; at `cells` where the last ones end. */
  start: Uint32Array;
  /** Mean column and row of each cell's entities. */
  x: Float64Array;
  y: Float64Array;
  cells: number;
}

export class Clusters {
  /** Counts the refreshments: what was made of an older one may be out of date. */
  serial = 0;
  /** Base tick of the last refreshment. */
  tick = Number.NEGATIVE_INFINITY;
  readonly #members = new RecordList();
  readonly #levels = new Map<number, Level>();

  /** Looks at a channel anew. */
  refresh(channel: Channel, tick: number): void {
    this.serial++;
    this.tick = tick;
    this.#levels.clear();
    this.#members.clear();
    channel.addMemberKeys(this.#members);
    this.#members.sort();
  }

  /** How many entities a cover held at the last refreshment. */
  count(cover: Cover): number {
    const members = this.#members;
    let count = 0;
    for (let i = 0; i < cover.length; i += 2)
      count += members.lowerBound(cover[i + 1] + 1) - members.lowerBound(cover[i]);
    return count;
  }

  /** Calls `found` for each cell of a level that a cover touches, in the order of keys. Degrees, 4 decimals. */
  forEach(level: number, cover: Cover, found: (lon: number, lat: number, count: number) => void): void {
    const { low, start, x, y, cells } = this.#level(level);
    const keys = 4 ** (FINEST - level);
    let from = 0;
    for (let i = 0; i < cover.length; i += 2) {
      const first = Math.floor(cover[i] / keys) * keys;
      for (from = lowerBound(low, cells, first, from); from < cells && low[from] <= cover[i + 1]; from++)
        found(lonOf(x[from]), latOf(y[from]), start[from + 1] - start[from]);
    }
  }

  #level(level: number): Level {
    let made = this.#levels.get(level);
    if (made === undefined) {
      made = aggregate(this.#members, level);
      this.#levels.set(level, made);
    }
    return made;
  }
}

function aggregate({ keys, count }: RecordList, level: number): Level {
  const shift = 2 * (FINEST - level);
  // A shift by 32 shifts by nothing.
  const cellOf = (key: number) => (shift === 32 ? 0 : key >>> shift);
  let cells = 0;
  for (let i = 0; i < count; i++) if (i === 0 || cellOf(keys[i]) !== cellOf(keys[i - 1])) cells++;
  const low = new Uint32Array(cells);
  const start = new Uint32Array(cells + 1);
  const x = new Float64Array(cells);
  const y = new Float64Array(cells);
  let cell = -1;
  for (let i = 0; i < count; i++) {
    const key = keys[i];
    if (i === 0 || cellOf(key) !== cellOf(keys[i - 1])) {
      cell++;
      low[cell] = cellOf(key) * 2 ** shift;
      start[cell] = i;
    }
    x[cell] += keyX(key);
    y[cell] += keyY(key);
  }
  start[cells] = count;
  for (let i = 0; i < cells; i++) {
    x[i] /= start[i + 1] - start[i];
    y[i] /= start[i + 1] - start[i];
  }
  return { low, start, x, y, cells };
}

function lowerBound(values: Uint32Array, count: number, wanted: number, start: number): number {
  let from = start;
  let to = count;
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (values[middle] < wanted) from = middle + 1;
    else to = middle;
  }
  return from;
}

/** Decimals of a centroid: 4 are 11 m, and the grid is no finer than 300. */
const SCALE = 1e4;

/** Middle of a column, degrees. */
function lonOf(x: number): number {
  return Math.round((((x + 0.5) / 65_536) * 360 - 180) * SCALE) / SCALE;
}
/** Middle of a row, degrees. */
function latOf(y: number): number {
  return Math.round((((y + 0.5) / 65_536) * 180 - 90) * SCALE) / SCALE;
}

/** The finest level at which a cover touches at most `MAX_CLUSTER_CELLS` cells: a cover is more than its box, above all of a narrow one. */
export function clusterLevel(cover: Cover): number {
  let level = 0;
  while (level < FINEST && touchedCells(cover, level + 1) <= MAX_CLUSTER_CELLS) level++;
  return level;
}

/** How many cells of a level a cover touches. */
function touchedCells(cover: Cover, level: number): number {
  const keys = 4 ** (FINEST - level);
  let cells = 0;
  let next = 0;
  for (let i = 0; i < cover.length; i += 2) {
    const first = Math.max(next, Math.floor(cover[i] / keys));
    next = Math.floor(cover[i + 1] / keys) + 1;
    cells += Math.max(0, next - first);
  }
  return cells;
}
