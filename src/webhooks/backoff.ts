import { WEBHOOK_BACKOFF_MS, WEBHOOK_JITTER } from "./limits.ts";

/**
 * How long to wait after a failure: 5 s, 20 s, 80 s, … scattered by ± 20 %, `longestMs` at most.
 * @param failures in a row, from 1. @param random uniform in [0, 1).
 */
export function backoff(failures: number, longestMs: number, random: number): number {
  const wait = Math.min(longestMs, WEBHOOK_BACKOFF_MS * 4 ** Math.min(failures - 1, 20));
  return Math.min(longestMs, wait * (1 + WEBHOOK_JITTER * (2 * random - 1)));
}
