/** Numbers for strings that repeat (kinds, states, sources): 0 is always the empty string, "none". */
export class Interner {
  readonly limit: number;
  readonly #names: string[] = [""];
  readonly #numbers = new Map<string, number>([["", 0]]);

  /** @param limit how many distinct strings it may hold, the empty one included. */
  constructor(limit: number) {
    this.limit = limit;
  }

  /** The number of `name`, given now if it is new; −1 when the limit is reached. */
  number(name: string): number {
    const known = this.#numbers.get(name);
    if (known !== undefined) return known;
    if (this.#names.length >= this.limit) return -1;
    const next = this.#names.length;
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
