/**
 * How old a report is when a viewer has it: from the moment at which it was due to be sent, which is its `t`, to the viewer having read the
 * frame that holds it.
 */
import {
  DEPARTURE_BYTES,
  FRAME_BYTES,
  MOVE_BYTES,
  type Move,
  readDeparture,
  readFrameHead,
  readFull,
  readMove,
} from "../src/transport/feed/layout.ts";
import { BINARY_FRAME, type FrameSink } from "./frame-reader.ts";
import type { Histogram } from "./histogram.ts";
import type { ViewCounter } from "./view-counter.ts";

/** In microseconds, so that the histogram's whole numbers are fine enough. */
export const AGE_UNITS_PER_MS = 1_000;

export class AgeCounter implements FrameSink {
  readonly #counter: ViewCounter;
  readonly #ages: () => Histogram;
  readonly #reportEachMs: number;
  readonly #move = {} as Move;
  #isBinary = false;
  #parts: Buffer[] = [];
  /** By handle: the time of the last report that came. */
  readonly #lastT = new Map<number, number>();

  /** @param ages where to count now. @param reportEachMs time between two reports of an entity */
  constructor(counter: ViewCounter, ages: () => Histogram, reportEachMs: number) {
    this.#counter = counter;
    this.#ages = ages;
    this.#reportEachMs = reportEachMs;
  }

  begin(kind: number): void {
    this.#isBinary = kind === BINARY_FRAME;
    this.#parts = [];
  }

  payload(part: Buffer): void {
    if (this.#isBinary) this.#parts.push(Buffer.from(part));
  }

  end(): void {
    if (!this.#isBinary) return;
    const frame = this.#parts.length === 1 ? this.#parts[0] : Buffer.concat(this.#parts);
    const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
    const now = performance.timeOrigin + performance.now();
    const head = readFrameHead(view);
    const isDelta = head.type === 2;
    const count = this.#counter.frame(
      isDelta ? "delta" : "snapshot",
      head.n,
      head.tick,
      frame.length,
      head.last,
    );
    let at = FRAME_BYTES;
    let records = head.moves;
    for (let i = 0; i < head.departures; i++, at += DEPARTURE_BYTES)
      this.#lastT.delete(readDeparture(view, at).handle);
    for (let i = 0; i < head.moves; i++, at += MOVE_BYTES) {
      const { handle, t } = readMove(view, at, head.t, this.#move);
      this.#came(handle, t, now);
    }
    while (at < frame.length) {
      const { full, next } = readFull(view, at, frame.length);
      // What a snapshot brings is as old as it is.
      if (isDelta) this.#came(full.handle, full.t, now);
      else this.#lastT.set(full.handle, full.t);
      at = next;
      records += 1;
    }
    if (count !== undefined) count.records += records;
  }

  /**
   * A report that was replaced by the next one before it went out was late all the same: it counts with its own age, or a stall would
   * show as a few late reports in place of all that were due meanwhile.
   */
  #came(handle: number, t: number, now: number): void {
    const last = this.#lastT.get(handle);
    this.#lastT.set(handle, t);
    const ages = this.#ages();
    ages.add((now - t) * AGE_UNITS_PER_MS);
    if (last === undefined) return;
    const missed = Math.round((t - last) / this.#reportEachMs) - 1;
    for (let i = 1; i <= missed; i++) ages.add((now - t + i * this.#reportEachMs) * AGE_UNITS_PER_MS);
  }
}
