/** What a log knows of each of its entities by number: of one next to each other, so that it takes one cache line. */
import { widenF64, widenU32 } from "../picture/columns.ts";

/** As 64-bit numbers … */
const FIRST_TIME = 0;
const LAST_TIME = 1;
const RECORDED = 2;
const HEAD = 4;
/** … and as 32-bit ones: the last point's record + 1, 0 = none; how many points are open; the state. */
const LAST = 6;
const COUNT_AND_STATE = 7;
const WORDS = 2 * HEAD;
const COUNT_BITS = 8;
/** Points of an open segment, at most. */
export const MAX_COUNT = 2 ** COUNT_BITS - 1;

/** Bits of the state of an open segment. It has nothing but the last point of the segment before. */
export const CARRIED = 1;
/** Its reports came late after they were observed. */
export const DELAYED = 2;
/** It follows no other. */
export const FRESH = 4;
/** It ended with a hold: nothing is open, and the last point is known still. */
export const HELD = 8;
/** Its last point is no report's: the entity was taken to be still where the one before is. */
export const STILL = 16;

/** Of those that know nothing yet: a node has hundreds. */
const NO_TIMES = new Float64Array(0);
const NO_WORDS = new Uint32Array(0);

export class TrackHeads {
  #times = NO_TIMES;
  #words = NO_WORDS;
  /** The first point's record of what is open, which is needed once for each segment. */
  #firsts = NO_WORDS;
  /** All numbers that are known are below. */
  size = 0;

  grow(number: number): void {
    if (number < this.size) return;
    this.size = number + 1;
    if (number * HEAD < this.#times.length) return;
    const capacity = Math.max(16, (2 * this.#times.length) / HEAD, number + 1);
    this.#times = widenF64(this.#times, capacity * HEAD);
    this.#words = new Uint32Array(this.#times.buffer);
    this.#firsts = widenU32(this.#firsts, capacity);
  }

  /** Points of the open segment, 0 = there is none. */
  count(number: number): number {
    return number < this.size ? this.#words[number * WORDS + COUNT_AND_STATE] & MAX_COUNT : 0;
  }

  state(number: number): number {
    return this.#words[number * WORDS + COUNT_AND_STATE] >> COUNT_BITS;
  }

  setOpen(number: number, count: number, state: number): void {
    this.#words[number * WORDS + COUNT_AND_STATE] = count | (state << COUNT_BITS);
  }

  /** Whether the last point is known. */
  hasLast(number: number): boolean {
    return number < this.size && this.#words[number * WORDS + LAST] > 0;
  }

  /** Those of which it is known. */
  known(): number[] {
    const numbers: number[] = [];
    for (let number = 0; number < this.size; number++) if (this.hasLast(number)) numbers.push(number);
    return numbers;
  }

  /** Where the record of the last point begins; there must be one. */
  lastAt(number: number): number {
    return this.#words[number * WORDS + LAST] - 1;
  }

  /** @param at where its record begins. @param t Unix ms. */
  setLast(number: number, at: number, t: number): void {
    this.#times[number * HEAD + LAST_TIME] = t;
    this.#words[number * WORDS + LAST] = at + 1;
  }

  /** Where the record of the first open point begins; there must be one. */
  firstAt(number: number): number {
    return this.#firsts[number];
  }

  setFirstAt(number: number, at: number): void {
    this.#firsts[number] = at;
  }

  /** All records have moved so many bytes to the front. */
  moveBack(bytes: number): void {
    for (const number of this.known()) {
      this.#words[number * WORDS + LAST] -= bytes;
      if (this.count(number) > 0) this.#firsts[number] -= bytes;
    }
  }

  /** Time of the last point, −Infinity if none is known. */
  lastTime(number: number): number {
    return this.hasLast(number) ? this.#times[number * HEAD + LAST_TIME] : -Infinity;
  }

  /** Time of the first point of the open segment, Unix ms. */
  firstTime(number: number): number {
    return this.#times[number * HEAD + FIRST_TIME];
  }

  setFirstTime(number: number, t: number): void {
    this.#times[number * HEAD + FIRST_TIME] = t;
  }

  /** When the open segment is recorded; if nothing is open, when the hold ended. Unix ms. */
  recorded(number: number): number {
    return this.#times[number * HEAD + RECORDED];
  }

  setRecorded(number: number, recorded: number): void {
    this.#times[number * HEAD + RECORDED] = recorded;
  }

  /** Forgets the last point, and that anything is open. */
  drop(number: number): void {
    if (number < this.size) this.#words.fill(0, number * WORDS + LAST, (number + 1) * WORDS);
  }
}
