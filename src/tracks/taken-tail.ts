import type { TrackLog } from "./track-log.ts";

/** What of a log goes with a checkpoint; the log is told what becomes of it. */
export interface TakenTail {
  log: TrackLog;
  /** Ascending; a piece replaces one of the same number. */
  no: number;
  /** Pieces with smaller numbers than this are not wanted any more. */
  firstNo: number;
  /** A view, which the log leaves as it is until it is told that this, or a later one, was written. */
  body: Uint8Array;
  /** Up to here all is in pieces then: bytes, and what ended or came late. */
  end: number;
  turn: number;
  /** With it so many numbers are forgotten. */
  forgotten: number;
}
