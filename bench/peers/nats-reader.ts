/** NATS's protocol as a client reads it: lines, and after `MSG subject sid bytes` so many bytes and a line's end. */
import type { TickCount } from "../view-counter.ts";
import { RECORD_BYTES } from "./tiled-fleet.ts";

const NEWLINE = 10;
const SPACE = 32;
const ZERO = 48;
const M = 77;
const LINE_END_BYTES = 2;

export class NatsReader {
  readonly #total: TickCount;
  readonly #told: (line: string) => void;
  /** Payload, and its line's end, that is still to come. */
  #skip = 0;
  /** A line that was cut. */
  #line = "";

  /** @param told every line that is no message */
  constructor(total: TickCount, told: (line: string) => void) {
    this.#total = total;
    this.#told = told;
  }

  push(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) {
      if (this.#skip > 0) {
        const skipped = Math.min(this.#skip, chunk.length - at);
        this.#skip -= skipped;
        at += skipped;
        continue;
      }
      const end = chunk.indexOf(NEWLINE, at);
      if (end < 0) {
        this.#line += chunk.toString("latin1", at);
        return;
      }
      if (this.#line === "" && chunk[at] === M) this.#message(lastNumber(chunk, at, end - 1));
      else this.#whole(this.#line + chunk.toString("latin1", at, end - 1));
      this.#line = "";
      at = end + 1;
    }
  }

  #whole(line: string): void {
    if (line.startsWith("MSG ")) this.#message(Number(line.slice(line.lastIndexOf(" ") + 1)));
    else this.#told(line);
  }

  #message(bytes: number): void {
    this.#total.frames += 1;
    this.#total.bytes += bytes;
    this.#total.records += bytes / RECORD_BYTES;
    this.#skip = bytes + LINE_END_BYTES;
  }
}

/** The number at the end of a line, which ends before `end`. */
function lastNumber(chunk: Buffer, start: number, end: number): number {
  let number = 0;
  let digit = 1;
  for (let at = end - 1; at > start && chunk[at] !== SPACE; at--) {
    number += (chunk[at] - ZERO) * digit;
    digit *= 10;
  }
  return number;
}
