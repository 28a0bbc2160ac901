import { MAX_KNOWN_SPAN_MS, TRACK_DELAY_MS } from "../limits.ts";
import { DELAYED } from "./track-heads.ts";
import type { TrackLog } from "./track-log.ts";

/** Whether the open segment tells what came late, and so much sooner than a report that does too, that it must not be told as known with it. */
export function isKnownApart(log: TrackLog, number: number, fix: { t: number; received: number }): boolean {
  const { t, received } = fix;
  return (
    received - t > TRACK_DELAY_MS &&
    log.count(number) > 1 &&
    (log.state(number) & DELAYED) !== 0 &&
    Math.floor(t) >= log.last(number) &&
    received - log.recorded(number) > MAX_KNOWN_SPAN_MS
  );
}
