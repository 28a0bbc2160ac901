/** What of a log is in no row yet, or is needed for what comes next. */
import { MAX_SHARD_TRACK_BYTES } from "../limits.ts";
import type { ClosedSegment } from "./ended.ts";
import type { LatePoints } from "./late-points.ts";
import type { TrackHeads } from "./track-heads.ts";

/** Of most: without height, in a log of some thousand entities. */
const POINT_BYTES = 26;

/** Smaller logs stay as they are. */
export const SMALL_BYTES = 65_536;
/** Share of a log that can be dropped, before it is. */
export const DROPPED_SHARE = 1 / 8;
/** Share of bytes wanted, below which a log is written anew: a half are of segments that grow and end evenly. And near its bound. */
const WANTED_SHARE = 1 / 3;
const NEAR_BYTES = (MAX_SHARD_TRACK_BYTES * 7) / 8;
const WANTED_SHARE_NEAR = 2 / 3;

export interface Wanted {
  /** Where the first record of it begins, Infinity = nothing is wanted. */
  first: number;
  /** About so many are wanted. */
  bytes: number;
}

/** Whether so little of a log is wanted that it is written anew. */
export function isMostlyUnwanted({ bytes }: Wanted, logBytes: number): boolean {
  return bytes < logBytes * (logBytes < NEAR_BYTES ? WANTED_SHARE : WANTED_SHARE_NEAR);
}

/** @param changes what is wanted of changes */
export function wantedOf(
  heads: TrackHeads,
  changes: Wanted,
  closed: readonly ClosedSegment[],
  late: LatePoints,
): Wanted {
  let { first, bytes } = changes;
  bytes += POINT_BYTES * late.size;
  first = Math.min(first, late.first);
  for (const segment of closed) {
    first = Math.min(first, segment.first);
    bytes += POINT_BYTES * segment.count + segment.endBytes;
  }
  for (const number of heads.known()) {
    const count = heads.count(number);
    first = Math.min(first, count > 0 ? heads.firstAt(number) : heads.lastAt(number));
    bytes += POINT_BYTES * Math.max(1, count);
  }
  return { first, bytes };
}
