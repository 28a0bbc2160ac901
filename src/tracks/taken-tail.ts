import type { TrackLog } from "./track-log.ts";

/** What of a log goes with a checkpoint; the log is told what becomes of it. */
export interface TakenTail {
  log: TrackLog;
  /** Ascending; a piece replaces one of the same number. */
  no: number;
  /** Pieces with smaller numbers than this are not wanted any more. */
  firstNo: number;
  body: Uint8Array;
  /** Up to here all is in pieces then: bytes, points and segments that ended. */
  end: number;
  points: number;
  turn: number;
  /** With it so many numbers are forgotten. */
  forgotten: number;
}
