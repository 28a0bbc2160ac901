/**
 * Exponential back-off with full jitter: a random wait between 0 and `minMs` · 2^attempt, at most `maxMs`, but never
 * below a tenth of `minMs`, so that a server which refuses at once is not asked in a loop. Full jitter spreads the
 * clients of a restarted node evenly (Brooker, "Exponential Backoff And Jitter", 2015).
 *
 * @param attempt failures in a row before this wait, from 0
 * @param random uniform in [0, 1)
 * @returns milliseconds
 */
export function backoff(attempt: number, minMs: number, maxMs: number, random: number): number {
  const ceiling = Math.min(maxMs, minMs * 2 ** Math.min(attempt, 30));
  return Math.max(minMs / 10, random * ceiling);
}
