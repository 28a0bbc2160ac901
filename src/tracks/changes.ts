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
  /** What it takes in the log. */
  bytes: number;
}

const NONE: readonly Change[] = [];

export class Changes {
  readonly #byNumber = new Map<number, Change[]>();

  has(number: number): boolean {
    return this.#byNumber.size > 0 && this.#byNumber.has(number);
  }

  /** By ascending time. */
  of(number: number): readonly Change[] {
    return this.#byNumber.get(number) ?? NONE;
  }

  /** Adds one that is later than those before. */
  add(change: Change): void {
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
  }

  /** Bytes in the log. */
  get bytes(): number {
    let sum = 0;
    for (const changes of this.#byNumber.values()) for (const { bytes } of changes) sum += bytes;
    return sum;
  }
}
