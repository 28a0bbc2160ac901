/** What of a log is in no row yet, or is needed for what comes next. */
import type { ClosedSegment, LatePoint } from "./ended.ts";
import type { TrackHeads } from "./track-heads.ts";

/** Of most: without height, in a log of some thousand entities. */
const POINT_BYTES = 26;

export interface Wanted {
  /** Where the first record of it begins, Infinity = nothing is wanted. */
  first: number;
  /** About so many are wanted. */
  bytes: number;
}

export function wantedOf(
  heads: TrackHeads,
  closed: readonly ClosedSegment[],
  late: readonly LatePoint[],
): Wanted {
  let first = Infinity;
  let bytes = POINT_BYTES * late.length;
  for (const { at } of late) first = Math.min(first, at);
  for (const segment of closed) {
    first = Math.min(first, segment.first);
    bytes += POINT_BYTES * segment.count + segment.endBytes;
  }
  for (let number = 0; number < heads.size; number++) {
    if (!heads.hasLast(number)) continue;
    const count = heads.count(number);
    first = Math.min(first, count > 0 ? heads.firstAt(number) : heads.lastAt(number));
    bytes += POINT_BYTES * Math.max(1, count);
  }
  return { first, bytes };
}
