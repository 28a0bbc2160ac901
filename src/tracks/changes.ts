/** Since when what is open is told otherwise: changes after the last point of an entity. They are ends of segments that have no place yet. */
import type { Description } from "./segment.ts";

export interface Change {
  number: number;
  /** Unix ms. */
  at: number;
  /** When the segment that it begins is recorded, Unix ms. */
  recorded: number;
  /** What was until then. */
  before: Description;
  /** Where its record begins, and what it takes in the log. */
  from: number;
  bytes: number;
}

const NONE: readonly Change[] = [];

export class Changes {
  readonly #byNumber = new Map<number, Change[]>();
  /** Whether there may be any: mostly there are none, and whoever looks at the map waits for memory twice. */
  #some = false;

  has(number: number): boolean {
    return this.#some && this.#byNumber.has(number);
  }

  /** By ascending time. */
  of(number: number): readonly Change[] {
    return this.#byNumber.get(number) ?? NONE;
  }

  /** Adds one that is later than those before. */
  add(change: Change): void {
    this.#some = true;
    const known = this.#byNumber.get(change.number);
    if (known === undefined) this.#byNumber.set(change.number, [change]);
    else known.push(change);
  }

  /** Forgets those until `at`, Unix ms. */
  dropUntil(number: number, at = Infinity): void {
    if (!this.has(number)) return;
    const left = this.of(number).filter((change) => change.at > at);
    if (left.length === 0) this.#byNumber.delete(number);
    else this.#byNumber.set(number, left);
    this.#some = this.#byNumber.size > 0;
  }

  /** Forgets those of other numbers. */
  keep(isKnown: (number: number) => boolean): void {
    for (const number of this.#byNumber.keys()) if (!isKnown(number)) this.#byNumber.delete(number);
    this.#some = this.#byNumber.size > 0;
  }

  /** Where the first record of all begins, ∞ = there is none, and their bytes. */
  get wanted(): { first: number; bytes: number } {
    let [first, sum] = [Infinity, 0];
    for (const { from, bytes } of this.#all()) {
      first = Math.min(first, from);
      sum += bytes;
    }
    return { first, bytes: sum };
  }

  /** All records have moved so many bytes to the front. */
  moveBack(bytes: number): void {
    for (const change of this.#all()) change.from -= bytes;
  }

  *#all(): Generator<Change> {
    for (const changes of this.#byNumber.values()) yield* changes;
  }
}
