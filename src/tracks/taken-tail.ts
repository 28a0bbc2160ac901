import type { TrackLog } from "./track-log.ts";

/** What of a log goes with a checkpoint; the log is told what becomes of it. */
export interface TakenTail {
  log: TrackLog;
  /** Ascending; a piece replaces one of the same number. */
  no: number;
  /** Pieces with smaller numbers are not wanted any more. */
  whole: boolean;
  body: Uint8Array;
  end: number;
  turn: number;
  /** With it so many numbers are forgotten. */
  forgotten: number;
}
