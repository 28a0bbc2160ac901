import { setTimeout as sleep } from "node:timers/promises";

/** Waits for `condition`. Rejects if that takes too long. @returns how long it took, ms. */
export async function until(what: string, condition: () => boolean, withinMs = 10_000): Promise<number> {
  const start = performance.now();
  while (!condition()) {
    if (performance.now() - start > withinMs) throw new Error(`not within ${withinMs} ms: ${what}`);
    await sleep(5);
  }
  return performance.now() - start;
}
