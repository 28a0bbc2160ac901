/** What of a log is in no row yet, or is needed for what comes next. */
import type { ClosedSegment, LatePoint } from "./ended.ts";
import type { TrackHeads } from "./track-heads.ts";

export interface Wanted {
  /** Where the first record of it begins, Infinity = nothing is wanted. */
  first: number;
  /** Those that two segments share count twice. */
  points: number;
}

export function wantedOf(
  heads: TrackHeads,
  closed: readonly ClosedSegment[],
  late: readonly LatePoint[],
): Wanted {
  let first = Infinity;
  let points = late.length;
  for (const { at } of late) first = Math.min(first, at);
  for (const segment of closed) {
    first = Math.min(first, segment.first);
    points += segment.count;
  }
  for (let number = 0; number < heads.size; number++) {
    if (!heads.hasLast(number)) continue;
    const count = heads.count(number);
    first = Math.min(first, count > 0 ? heads.firstAt(number) : heads.lastAt(number));
    points += Math.max(1, count);
  }
  return { first, points };
}
