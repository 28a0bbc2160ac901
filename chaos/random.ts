/** Uniform in [0, 1). */
export type Random = () => number;

/** The same numbers for the same seed: mulberry32 (T. Ettinger, public domain), which is good enough for choosing. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** low ≤ number < high. */
export function between(random: Random, low: number, high: number): number {
  return low + random() * (high - low);
}

export function pick<T>(random: Random, from: readonly T[]): T {
  if (from.length === 0) throw new RangeError("there is nothing to pick from");
  return from[Math.floor(random() * from.length)];
}

/** The same in another order. Fisher and Yates. */
export function shuffled<T>(random: Random, list: readonly T[]): T[] {
  const order = [...list];
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}
