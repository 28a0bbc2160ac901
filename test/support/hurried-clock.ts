import type { Clock } from "../../src/clock.ts";
import { systemClock } from "../../src/clock.ts";

/** A clock on which time passes so many times as fast: hours of waiting take a moment. */
export function hurriedClock(factor: number): Clock {
  const begun = systemClock.now();
  const origin = systemClock.monotonic();
  const elapsed = () => (systemClock.monotonic() - origin) * factor;
  return {
    now: () => begun + elapsed(),
    monotonic: elapsed,
    schedule: (delay, fire) => systemClock.schedule(delay / factor, fire),
    yield: systemClock.yield,
  };
}
