/** Records by Morton key, of which a cover cuts out a few contiguous ranges. */
import type { Buffer } from "node:buffer";
import { MAX_COVER_CELLS } from "../limits.ts";
import { Bytes } from "./bytes.ts";
import { widenU32 } from "./columns.ts";
import type { Cover } from "./cover.ts";
import { RadixSort } from "./radix-sort.ts";

/**
 * From … to pairs of places in a list. Reused from view to view, seven times for each in a tick: to empty an array takes V8 longer than to fill it,
 * so its length is kept beside it.
 */
export class Ranges {
  /** As far as `length`. */
  at = new Uint32Array(2 * MAX_COVER_CELLS);
  length = 0;
  /** Records in all of them. */
  count = 0;

  clear(): void {
    this.length = 0;
    this.count = 0;
  }

  add(from: number, to: number): void {
    if (this.length === this.at.length) this.at = widenU32(this.at, 2 * this.length);
    this.at[this.length++] = from;
    this.at[this.length++] = to;
    this.count += to - from;
  }

  /** Calls `look` for each place in them. */
  each(look: (place: number) => void): void {
    const { at, length } = this;
    for (let i = 0; i < length; i += 2) for (let place = at[i]; place < at[i + 1]; place++) look(place);
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

  /** How many of the sorted records fit into `room`, cut between two keys; `atLeastOneKey` even if that is more. */
  cut(room: number, atLeastOneKey: boolean): number {
    const count = this.lowerBound(this.keys[room]);
    return count === 0 && atLeastOneKey ? this.lowerBound(this.keys[0] + 1) : count;
  }

  /** Sets `ranges` to what a cover cuts out of the sorted list. */
  slice(cover: Cover, ranges: Ranges): void {
    ranges.clear();
    const { count } = this;
    if (count === 0 || cover.length === 0) return;
    let from = this.lowerBound(cover[0]);
    for (let i = 0; i < cover.length && from < count; i += 2) {
      from = this.#next(cover[i], from);
      const to = this.#next(cover[i + 1] + 1, from);
      if (to === from) continue;
      ranges.add(from, to);
      from = to;
    }
  }

  /** As `lowerBound`, of a key that is mostly not far: what a cover cuts out lies close together, so steps that double find it sooner than halves of the list. */
  #next(key: number, from: number): number {
    const { keys, count } = this;
    let low = from;
    let step = 1;
    for (let at = from; at < count; at += step, step *= 2) {
      if (keys[at] >= key) return this.lowerBound(key, low, at);
      low = at + 1;
    }
    return this.lowerBound(key, low);
  }

  /** The first place from `from` on with a key ≥ `key`; `end` if there is none before. */
  lowerBound(key: number, from = 0, end = this.count): number {
    const keys = this.keys;
    let to = end;
    while (from < to) {
      const middle = (from + to) >>> 1;
      if (keys[middle] < key) from = middle + 1;
      else to = middle;
    }
    return from;
  }

  #grow(): void {
    const capacity = this.keys.length * 2;
    this.keys = widenU32(this.keys, capacity);
    this.values = widenU32(this.values, capacity);
  }
}

/** The records of a list as bytes, one after the other, in the order of the list. */
export class Encoded {
  readonly bytes = new Bytes();
  /** Where each record starts, and at `count` where the last one ends. */
  offsets = new Uint32Array(65);

  /** Forgets all records, for those of `list`: each begins where `offsets` is to say, and they end at `offsets[count]`. */
  begin({ keys, count }: RecordList): void {
    this.bytes.clear();
    if (this.offsets.length <= count) this.offsets = new Uint32Array(keys.length + 1);
  }

  /** Calls `write` for each value of `list`, in order; it must append one record to the bytes. */
  encode(list: RecordList, write: (value: number, out: Bytes) => void): void {
    this.begin(list);
    const { bytes, offsets } = this;
    const { values, count } = list;
    for (let i = 0; i < count; i++) {
      offsets[i] = bytes.length;
      write(values[i], bytes);
    }
    offsets[count] = bytes.length;
  }

  /** Bytes of ranges. */
  size(ranges: Ranges): number {
    const { at, length } = ranges;
    let size = 0;
    for (let i = 0; i < length; i += 2) size += this.offsets[at[i + 1]] - this.offsets[at[i]];
    return size;
  }

  /** Copies ranges to `target`. @returns where the next byte goes. */
  copy(ranges: Ranges, target: Buffer, start: number): number {
    const { buffer } = this.bytes;
    const { at, length } = ranges;
    let end = start;
    for (let i = 0; i < length; i += 2)
      end += buffer.copy(target, end, this.offsets[at[i]], this.offsets[at[i + 1]]);
    return end;
  }
}
