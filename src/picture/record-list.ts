/** Records by Morton key, of which a cover cuts out a few contiguous ranges. */
import type { Buffer } from "node:buffer";
import { Bytes } from "./bytes.ts";
import type { Cover } from "./cover.ts";
import { RadixSort } from "./radix-sort.ts";

/** From … to pairs of places in a list. Reused from view to view. */
export class Ranges {
  readonly at: number[] = [];
  /** Records in all of them. */
  count = 0;

  clear(): void {
    this.at.length = 0;
    this.count = 0;
  }

  /** Calls `look` for each place in them. */
  each(look: (place: number) => void): void {
    const { at } = this;
    for (let i = 0; i < at.length; i += 2) for (let place = at[i]; place < at[i + 1]; place++) look(place);
  }
}

const sorter = new RadixSort();

/** Filled in any order, then sorted, then sliced. */
export class RecordList {
  keys = new Uint32Array(64);
  /** By place in the order: what `add` was given. */
  values = new Uint32Array(64);
  count = 0;

  clear(): void {
    this.count = 0;
  }

  add(key: number, value: number): void {
    if (this.count === this.keys.length) this.#grow();
    this.keys[this.count] = key;
    this.values[this.count++] = value;
  }

  sort(): void {
    sorter.sort(this.keys, this.values, this.count);
  }

  /** Sets `ranges` to what a cover cuts out of the sorted list. */
  slice(cover: Cover, ranges: Ranges): void {
    ranges.clear();
    const { count } = this;
    let from = 0;
    for (let i = 0; i < cover.length && from < count; i += 2) {
      from = this.lowerBound(cover[i], from);
      const to = this.lowerBound(cover[i + 1] + 1, from);
      if (to === from) continue;
      ranges.at.push(from, to);
      ranges.count += to - from;
      from = to;
    }
  }

  /** The first place from `from` on with a key ≥ `key`. */
  lowerBound(key: number, from = 0): number {
    const keys = this.keys;
    let to = this.count;
    while (from < to) {
      const middle = (from + to) >>> 1;
      if (keys[middle] < key) from = middle + 1;
      else to = middle;
    }
    return from;
  }

  #grow(): void {
    const capacity = this.keys.length * 2;
    const keys = new Uint32Array(capacity);
    keys.set(this.keys);
    this.keys = keys;
    const values = new Uint32Array(capacity);
    values.set(this.values);
    this.values = values;
  }
}

/** The records of a list as bytes, one after the other, in the order of the list. */
export class Encoded {
  readonly bytes = new Bytes();
  /** Where each record starts, and at `count` where the last one ends. */
  offsets = new Uint32Array(65);

  /** Calls `write` for each value of `list`, in order; it must append one record to the bytes. */
  encode(list: RecordList, write: (value: number, out: Bytes) => void): void {
    const { bytes } = this;
    bytes.clear();
    if (this.offsets.length <= list.count) this.offsets = new Uint32Array(list.keys.length + 1);
    const { offsets } = this;
    const { values, count } = list;
    for (let i = 0; i < count; i++) {
      offsets[i] = bytes.length;
      write(values[i], bytes);
    }
    offsets[count] = bytes.length;
  }

  /** Bytes of ranges. */
  size(ranges: Ranges): number {
    const { at } = ranges;
    let size = 0;
    for (let i = 0; i < at.length; i += 2) size += this.offsets[at[i + 1]] - this.offsets[at[i]];
    return size;
  }

  /** Copies ranges to `target`. @returns where the next byte goes. */
  copy(ranges: Ranges, target: Buffer, start: number): number {
    const { buffer } = this.bytes;
    const { at } = ranges;
    let end = start;
    for (let i = 0; i < at.length; i += 2)
      end += buffer.copy(target, end, this.offsets[at[i]], this.offsets[at[i + 1]]);
    return end;
  }
}
