/** Chance with a seed, so that a workload is the same on every machine and in every run. */

/** sfc32 (Chris Doty-Humphrey, PractRand): 128 bits of state, passes PractRand and BigCrush. */
export class Random {
  #a: number;
  #b = 0x9e3779b9;
  #c = 0x243f6a88;
  #counter = 1;

  /** @param seed an integer; only its lower 32 bits count. */
  constructor(seed: number) {
    this.#a = seed | 0;
    // The seed must reach all of the state.
    for (let i = 0; i < 16; i++) this.#bits();
  }

  #bits(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum;
    return sum >>> 0;
  }

  /** 0 ≤ number < 1. */
  next(): number {
    return this.#bits() / 2 ** 32;
  }

  /** A whole number, 0 … end − 1. */
  below(end: number): number {
    return Math.floor(this.next() * end);
  }

  /** Standard normal (Box and Muller). */
  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.next())) * Math.cos(2 * Math.PI * this.next());
  }
}
