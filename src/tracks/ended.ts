/** What a log keeps of segments that ended, until it is in rows. */
import type { Description } from "./segment.ts";

/** A segment that ended. */
export interface ClosedSegment extends Description {
  number: number;
  recorded: number;
  /** Until when the entity is taken to be at the last point; NaN = the segment ends with it. */
  until: number;
  /** What follows begins with its last point as one of its own. */
  begins: boolean;
  /** Its first and its last point's record, and how many points it has. */
  first: number;
  last: number;
  count: number;
  /** What its end takes in the log. */
  endBytes: number;
  /** In the order in which they ended. */
  turn: number;
}
