/**
 * Which slots are where: a doubly linked list of slots per bucket, a bucket being a quad cell of level 11 (0.18° × 0.09°).
 * Moving within a bucket costs nothing, between buckets O(1); a bitmap of occupied buckets makes large empty areas cheap.
 * A sorted array would answer ranges faster but costs a sort of everything per tick.
 */
import { widenU32 } from "./columns.ts";

const BUCKET_SHIFT = 10;
/** Keys of one bucket: a bucket starts at each multiple. */
export const BUCKET_KEYS = 2 ** BUCKET_SHIFT;
const BUCKETS = 2 ** (32 - BUCKET_SHIFT);
const PAGE_SHIFT = 12;
const PAGE_MASK = 2 ** PAGE_SHIFT - 1;
const NONE = 0xffffffff;

export class SpatialIndex {
  /** First slot of each bucket, by page: most of the earth is empty. What it has for a bucket that is not occupied means nothing. */
  readonly #heads: Uint32Array[] = new Array(BUCKETS >>> PAGE_SHIFT);
  #occupied = new Uint32Array(BUCKETS / 32);
  #next = new Uint32Array(0);
  #previous = new Uint32Array(0);
  /** Key of each slot that is in the index. */
  #key = new Uint32Array(0);

  grow(capacity: number): void {
    if (capacity <= this.#next.length) return;
    this.#next = widenU32(this.#next, capacity);
    this.#previous = widenU32(this.#previous, capacity);
    this.#key = widenU32(this.#key, capacity);
  }

  /** Adds a slot that is not in the index. */
  insert(slot: number, key: number): void {
    const bucket = key >>> BUCKET_SHIFT;
    const word = bucket >>> 5;
    const bit = 1 << (bucket & 31);
    const page = bucket >>> PAGE_SHIFT;
    const place = bucket & PAGE_MASK;
    this.#heads[page] ??= new Uint32Array(PAGE_MASK + 1);
    const heads = this.#heads[page];
    const head = this.#occupied[word] & bit ? heads[place] : NONE;
    this.#key[slot] = key;
    this.#next[slot] = head;
    this.#previous[slot] = NONE;
    if (head === NONE) this.#occupied[word] |= bit;
    else this.#previous[head] = slot;
    heads[place] = slot;
  }

  /** Removes a slot that is in the index. */
  remove(slot: number): void {
    const bucket = this.#key[slot] >>> BUCKET_SHIFT;
    const next = this.#next[slot];
    const previous = this.#previous[slot];
    if (next !== NONE) this.#previous[next] = previous;
    if (previous !== NONE) this.#next[previous] = next;
    else {
      this.#heads[bucket >>> PAGE_SHIFT][bucket & PAGE_MASK] = next;
      if (next === NONE) this.#occupied[bucket >>> 5] &= ~(1 << (bucket & 31));
    }
  }

  /** Gives a slot that is in the index a new key. */
  move(slot: number, key: number): void {
    if (this.#key[slot] >>> BUCKET_SHIFT === key >>> BUCKET_SHIFT) this.#key[slot] = key;
    else {
      this.remove(slot);
      this.insert(slot, key);
    }
  }

  /** Calls `found` for each slot with low ≤ key ≤ high, in no order. `found` must not change the index. */
  range(low: number, high: number, found: (slot: number) => void): void {
    this.some(low, high, (slot) => {
      found(slot);
      return false;
    });
  }

  /** Calls `found` for each slot with low ≤ key ≤ high, in no order, until it gives true. @returns whether it did. */
  some(low: number, high: number, found: (slot: number) => boolean): boolean {
    const first = low >>> BUCKET_SHIFT;
    const last = high >>> BUCKET_SHIFT;
    for (let word = first >>> 5; word <= last >>> 5; word++) {
      let bits = this.#occupied[word];
      while (bits !== 0) {
        const bit = 31 - Math.clz32(bits & -bits);
        bits &= bits - 1;
        const bucket = word * 32 + bit;
        if (bucket < first || bucket > last) continue;
        const heads = this.#heads[bucket >>> PAGE_SHIFT];
        for (let slot = heads[bucket & PAGE_MASK]; slot !== NONE; slot = this.#next[slot]) {
          const key = this.#key[slot];
          if (key >= low && key <= high && found(slot)) return true;
        }
      }
    }
    return false;
  }

  /** The first slot in the bucket of a key, −1 if there is none. What comes to the bucket comes before it. */
  first(key: number): number {
    const bucket = key >>> BUCKET_SHIFT;
    if ((this.#occupied[bucket >>> 5] & (1 << (bucket & 31))) === 0) return -1;
    return this.#heads[bucket >>> PAGE_SHIFT][bucket & PAGE_MASK];
  }

  /** The slot after one that is in the index, in the same bucket; −1 = it is the last. */
  after(slot: number): number {
    const next = this.#next[slot];
    return next === NONE ? -1 : next;
  }

  /** The lowest key from `low` to `high` that may be in use: its bucket is occupied. `high` + 1 if there is none. */
  nextOccupied(low: number, high: number): number {
    const last = high >>> BUCKET_SHIFT;
    let word = (low >>> BUCKET_SHIFT) >>> 5;
    let bits = this.#occupied[word] & (-1 << ((low >>> BUCKET_SHIFT) & 31));
    while (bits === 0) {
      word++;
      if (word > last >>> 5) return high + 1;
      bits = this.#occupied[word];
    }
    const bucket = word * 32 + 31 - Math.clz32(bits & -bits);
    return bucket > last ? high + 1 : Math.max(low, bucket * BUCKET_KEYS);
  }
}

/** Holds nothing. */
class NoIndex extends SpatialIndex {
  override grow(): void {}
  override insert(): void {}
  override remove(): void {}
  override move(): void {}
}

/** For pictures in which nobody looks for places: an index takes 16 MB. */
export const NO_INDEX: SpatialIndex = new NoIndex();
