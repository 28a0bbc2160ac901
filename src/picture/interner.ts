import assert from "node:assert/strict";

/** A `Map` holds no more. */
const MAX_NAMES = 2 ** 24;

/** Numbers for strings that repeat (kinds, states, sources): 0 is always the empty string, "none". */
export class Interner {
  readonly #limit: number;
  readonly #names: string[] = [""];
  readonly #numbers = new Map<string, number>([["", 0]]);

  /** @param limit how many distinct strings there can be, the empty one included. */
  constructor(limit = MAX_NAMES) {
    this.#limit = limit;
  }

  /** The number of `name`, given now if it is new. */
  number(name: string): number {
    const known = this.#numbers.get(name);
    if (known !== undefined) return known;
    const next = this.#names.length;
    assert.ok(next < this.#limit, "there is a number for each name");
    this.#names.push(name);
    this.#numbers.set(name, next);
    return next;
  }

  /** The number of `name`, or −1 if it was never given one. */
  find(name: string): number {
    return this.#numbers.get(name) ?? -1;
  }

  name(number: number): string {
    return this.#names[number]!;
  }

  get size(): number {
    return this.#names.length;
  }

  /** All names in the order of their numbers, the empty one first. */
  names(): readonly string[] {
    return this.#names;
  }
}
