/**
 * What a node's viewers look at: a cover and some ids. Other nodes send it what they own of that.
 *
 * Views come, move and go often, and an interest should seldom change. So views are counted on a coarse grid, of cells of 0.7° × 0.35°,
 * as a difference array over Morton keys: a pan costs a few additions, whatever the size of the view, and the cover is one pass over
 * 262,144 sums (0.2 ms), taken at most ten times a second. A union of the views' own covers would have to sort 80,000 ranges for 5,000 views.
 */
import { Buffer } from "node:buffer";
import { type Cover, covers, NOTHING } from "../picture/cover.ts";

/** Ids of one node's interest: it is one message, told again and again. Views that name further ones are refused. */
export const MAX_INTEREST_IDS = 20_000;
/** And their bytes as JSON, 20,000 of 100 bytes: one of 256 characters can take 1,536, and a message has an end. */
export const MAX_INTEREST_IDS_BYTES = 2 * 2 ** 20;
/** Ranges of one interest: each is looked for at each change of each entity. */
export const MAX_INTEREST_RANGES = 64;

/** Immutable. */
export interface Interest {
  /** Rises with each change. */
  readonly k: number;
  readonly cover: Cover;
  readonly ids: ReadonlySet<string>;
}

export const NO_INTEREST: Interest = { k: 0, cover: NOTHING, ids: new Set() };

/** As it is told to another node: without `cover` and `ids` it only says that the interest is still `k`. */
export interface InterestMessage {
  k: number;
  cover?: number[];
  ids?: string[];
}

export function encodeInterest({ k, cover, ids }: Interest): InterestMessage {
  return { k, cover: [...cover], ids: [...ids] };
}

/** Reads a message of another node. `undefined` if it is none; `interest` is absent if it only says that nothing changed. */
export function decodeInterest(message: unknown): { k: number; interest?: Interest } | undefined {
  if (typeof message !== "object" || message === null) return undefined;
  const { k, cover, ids } = message as Record<string, unknown>;
  if (typeof k !== "number" || !Number.isSafeInteger(k) || k < 0) return undefined;
  if (cover === undefined && ids === undefined) return { k };
  if (!isCover(cover) || !Array.isArray(ids) || ids.length > MAX_INTEREST_IDS) return undefined;
  if (!ids.every((id) => typeof id === "string")) return undefined;
  return { k, interest: { k, cover: Uint32Array.from(cover), ids: new Set(ids) } };
}

function isCover(value: unknown): value is number[] {
  if (!Array.isArray(value) || value.length % 2 !== 0 || value.length > 2 * MAX_INTEREST_RANGES) return false;
  return value.every((key, i) => {
    if (!Number.isInteger(key) || key < 0 || key > 0xffffffff) return false;
    if (i === 0) return true;
    return i % 2 === 1 ? key >= value[i - 1] : key > value[i - 1] + 1;
  });
}

const CELL_SHIFT = 14;
const CELLS = 2 ** (32 - CELL_SHIFT);
const CELL_KEYS = 2 ** CELL_SHIFT;
const BLOCK_SHIFT = 9;
const BLOCK_CELLS = 2 ** BLOCK_SHIFT;

/** Told by the feed of its views; asked by the mirrors. */
export class InterestMap {
  /** By cell: views that start there less those that ended in the cell before. */
  readonly #starts = new Int32Array(CELLS + 1);
  /** By block of cells: whether a view ever started or ended there. Most blocks are sea, and are not looked through. */
  readonly #used = new Uint8Array((CELLS >> BLOCK_SHIFT) + 1);
  /** By id: the views that want it. */
  readonly #ids = new Map<string, number>();
  #idsBytes = 0;
  #changed = false;
  #current: Interest = NO_INTEREST;

  /** A view has moved; a new one moves from nothing, one that ends to nothing. */
  moved(from: Cover, to: Cover): void {
    this.#add(from, -1);
    this.#add(to, 1);
    this.#changed = true;
  }

  #add(cover: Cover, sign: 1 | -1): void {
    for (let i = 0; i < cover.length; i += 2) {
      this.#count(cover[i] >>> CELL_SHIFT, sign);
      this.#count((cover[i + 1] >>> CELL_SHIFT) + 1, -sign);
    }
  }

  #count(cell: number, views: number): void {
    this.#starts[cell] += views;
    this.#used[cell >> BLOCK_SHIFT] = 1;
  }

  /** Ids are looked at. False if there are too many or they are too long, and then none of them is. */
  wanted(ids: readonly string[]): boolean {
    const more = new Set(ids.filter((id) => !this.#ids.has(id)));
    if (this.#ids.size + more.size > MAX_INTEREST_IDS) return false;
    let bytes = this.#idsBytes;
    for (const id of more) bytes += jsonBytes(id);
    if (bytes > MAX_INTEREST_IDS_BYTES) return false;
    this.#idsBytes = bytes;
    for (const id of ids) this.#ids.set(id, (this.#ids.get(id) ?? 0) + 1);
    this.#changed = true;
    return true;
  }

  /** The end of what was `wanted`. */
  unwanted(ids: readonly string[]): void {
    for (const id of ids) {
      const views = this.#ids.get(id)! - 1;
      if (views === 0) {
        this.#ids.delete(id);
        this.#idsBytes -= jsonBytes(id);
      } else this.#ids.set(id, views);
    }
    this.#changed = true;
  }

  /** The interest now. The same object as long as it is the same. */
  current(): Interest {
    if (!this.#changed) return this.#current;
    this.#changed = false;
    const cover = closeGaps(this.#ranges(), MAX_INTEREST_RANGES);
    const ids = new Set(this.#ids.keys());
    const before = this.#current;
    if (!sameCover(before.cover, cover) || !sameIds(before.ids, ids))
      this.#current = { k: before.k + 1, cover, ids };
    return this.#current;
  }

  #ranges(): number[] {
    const ranges: number[] = [];
    const starts = this.#starts;
    let views = 0;
    for (let block = 0; block < CELLS; block += BLOCK_CELLS) {
      if (this.#used[block >> BLOCK_SHIFT] === 0) continue;
      for (let cell = block; cell < block + BLOCK_CELLS; cell++) {
        const change = starts[cell];
        if (change === 0) continue;
        if (views === 0) ranges.push(cell * CELL_KEYS);
        views += change;
        if (views === 0) ranges.push(cell * CELL_KEYS - 1);
      }
    }
    if (views > 0) ranges.push(0xffffffff);
    return ranges;
  }
}

/** A cover of at most `most` ranges that holds all of `ranges`: the smallest gaps are closed. */
export function closeGaps(ranges: ArrayLike<number>, most: number): Cover {
  const gaps: number[] = [];
  for (let i = 2; i < ranges.length; i += 2) gaps.push(ranges[i] - ranges[i - 1]);
  // Of equal gaps some may stay open, as many as fit.
  const surplus = Math.max(0, gaps.length + 1 - most);
  const limit = surplus === 0 ? 0 : [...gaps].sort((a, b) => a - b)[surplus - 1];
  let atLimit = surplus - gaps.filter((gap) => gap < limit).length;
  const cover: number[] = [];
  for (let i = 0; i < ranges.length; i += 2) {
    const gap = i === 0 ? Infinity : gaps[i / 2 - 1];
    const close = gap <= 1 || gap < limit || (gap === limit && atLimit-- > 0);
    if (close) cover[cover.length - 1] = ranges[i + 1];
    else cover.push(ranges[i], ranges[i + 1]);
  }
  return Uint32Array.from(cover);
}

/** Whether an interest holds an entity that is at `key`; `hasPlace` false: that is nowhere. */
export function isInside(interest: Interest, id: string, hasPlace: boolean, key: number): boolean {
  return (hasPlace && covers(interest.cover, key)) || (interest.ids.size > 0 && interest.ids.has(id));
}

/** In a list. */
function jsonBytes(id: string): number {
  return Buffer.byteLength(JSON.stringify(id)) + 1;
}

function sameCover(a: Cover, b: Cover): boolean {
  return a.length === b.length && a.every((key, i) => key === b[i]);
}

function sameIds(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  if (a.size !== b.size) return false;
  for (const id of a) if (!b.has(id)) return false;
  return true;
}
