/** A protocol of the feed: how frames of views become bytes. `json-format.ts` and `binary-format.ts` implement it. */
import type { RecordEncoder, TickTime } from "../../picture/tick.ts";
import type { Parts } from "./frame-parts.ts";

/** What a view is called in its frames. */
export interface FrameName {
  /** As JSON, with its quotes. */
  readonly json: string;
  readonly number: number;
}

/** Calls `found` for each cell of clusters. Degrees. */
export type EachCell = (found: (lon: number, lat: number, count: number) => void) => void;

/** Frames are written to the shared room: a frame is valid until the next one is made. */
export interface Format extends RecordEncoder {
  readonly isBinary: boolean;
  delta(name: FrameName, n: number, time: TickTime, parts: Parts): Uint8Array;
  /** Takes the full records of `parts`. */
  snapshot(
    name: FrameName,
    n: number,
    time: TickTime,
    parts: Parts,
    first: boolean,
    last: boolean,
  ): Uint8Array;
  clusters(name: FrameName, n: number, time: TickTime, cells: EachCell): Uint8Array;
}
