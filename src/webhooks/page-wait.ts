import type { Clock } from "../clock.ts";

/** A page of events is waited for so long, and the rest of it so long while no more is begun; what is not answered then becomes letters. */
const PAGE_MS = 5_000;
const REST_MS = 1_000;

/** Waits for a page as long as it is worth it. @param begun the last of it is being sent. */
export function pageWait(clock: Clock, begun: Promise<unknown>, done: Promise<unknown>): Promise<void> {
  return new Promise((resolve, reject) => {
    const cancels = [clock.schedule(PAGE_MS, resolve)];
    begun.then(() => cancels.push(clock.schedule(REST_MS, resolve)), reject);
    done.then(() => {
      for (const cancel of cancels) cancel();
      resolve();
    }, reject);
  });
}
