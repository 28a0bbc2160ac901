/**
 * Counts of values in buckets that widen with the value (as in HDR Histogram): every value is known to 0.4 %, from 1 to 2^32, in 6,400
 * counters. A list of all values of a run would be hundreds of megabytes.
 */

/** Buckets of equal width in each doubling of the value. */
const PER_DOUBLING = 256;
const SHIFT = Math.log2(PER_DOUBLING);
const BUCKETS = PER_DOUBLING * (33 - SHIFT);
const MAX_VALUE = 2 ** 32 - 1;

export class Histogram {
  readonly #counts = new Float64Array(BUCKETS);
  #count = 0;
  #max = 0;

  get count(): number {
    return this.#count;
  }

  /** The greatest value, exactly. */
  get max(): number {
    return this.#max;
  }

  /** Counts a value, rounded down to a whole number, `times` times. What is below 0 counts as 0. */
  add(value: number, times = 1): void {
    this.#counts[bucketOf(Math.floor(Math.min(MAX_VALUE, Math.max(0, value))))] += times;
    this.#count += times;
    if (value > this.#max) this.#max = value;
  }

  /** The value below or at which a share of all is, to the upper edge of its bucket. @param share 0 … 1. */
  percentile(share: number): number {
    const wanted = Math.max(1, Math.ceil(this.#count * share));
    let seen = 0;
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      seen += this.#counts[bucket];
      if (seen >= wanted) return Math.min(this.#max, upperEdge(bucket));
    }
    return this.#max;
  }

  /** Values with their counts; the last is the greatest value. */
  toJSON(): [value: number, count: number][] {
    const pairs: [number, number][] = [];
    for (const [bucket, count] of this.#counts.entries())
      if (count > 0) pairs.push([upperEdge(bucket), count]);
    if (pairs.length > 0) pairs[pairs.length - 1][0] = this.#max;
    return pairs;
  }

  static from(pairs: readonly (readonly [value: number, count: number])[]): Histogram {
    const histogram = new Histogram();
    for (const [value, count] of pairs) histogram.add(value, count);
    return histogram;
  }
}

function bucketOf(value: number): number {
  if (value < 2 * PER_DOUBLING) return value;
  const doubling = 31 - Math.clz32(value) - SHIFT;
  return doubling * PER_DOUBLING + Math.floor(value / 2 ** doubling);
}

function upperEdge(bucket: number): number {
  if (bucket < 2 * PER_DOUBLING) return bucket;
  const doubling = Math.floor(bucket / PER_DOUBLING) - 1;
  return (bucket - doubling * PER_DOUBLING + 1) * 2 ** doubling - 1;
}
