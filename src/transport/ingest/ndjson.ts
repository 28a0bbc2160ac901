/** Cuts a stream of bytes into lines, in bounded memory. */
import { MAX_LINE_BYTES } from "../../limits.ts";

const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;

export interface LineHandler {
  /** One line without its end. `bytes` is valid during the call only. `index` counts every line from 0, blank ones too. */
  line(bytes: Uint8Array, index: number): void;
  /** A line longer than the limit, told once; its bytes are gone. */
  tooLong(index: number): void;
}

/**
 * Lines end with LF or CRLF; blank ones (nothing but spaces and tabs) are counted and not told. Bytes, not characters: LF is never
 * part of another character in UTF-8, so a character may be split over chunks.
 */
export class LineSplitter {
  readonly #handler: LineHandler;
  readonly #maxBytes: number;
  /** The parts of the line that is not complete. */
  #parts: Uint8Array[] = [];
  #partBytes = 0;
  /** The line is too long, and was told: skip to its end. */
  #skipping = false;
  #index = 0;

  constructor(handler: LineHandler, maxBytes = MAX_LINE_BYTES) {
    this.#handler = handler;
    this.#maxBytes = maxBytes;
  }

  /**
   * Takes a chunk from `from` on, but at most `maxLines` line ends.
   * @returns where to go on; the chunk's length when all of it was taken.
   */
  push(chunk: Uint8Array, from = 0, maxLines = Number.POSITIVE_INFINITY): number {
    let next = from;
    for (let lines = 0; lines < maxLines; lines++) {
      const to = chunk.indexOf(LINE_FEED, next);
      if (to === -1) {
        if (next < chunk.length) this.#keep(chunk.subarray(next));
        return chunk.length;
      }
      this.#end(chunk.subarray(next, to));
      next = to + 1;
    }
    return next;
  }

  /** The body is complete: what is left is the last line. Not to be called when the connection broke off: half a line is none. */
  finish(): void {
    if (this.#skipping || this.#partBytes > 0) this.#end(new Uint8Array(0));
  }

  #keep(part: Uint8Array): void {
    if (this.#skipping) return;
    // One more for a CR that may be the last byte.
    if (this.#partBytes + part.length > this.#maxBytes + 1) this.#skip();
    else {
      this.#parts.push(part);
      this.#partBytes += part.length;
    }
  }

  #skip(): void {
    this.#handler.tooLong(this.#index);
    this.#skipping = true;
    this.#parts = [];
    this.#partBytes = 0;
  }

  #end(last: Uint8Array): void {
    if (!this.#skipping) {
      const whole = this.#partBytes === 0 ? last : Buffer.concat([...this.#parts, last]);
      const line = whole.at(-1) === CARRIAGE_RETURN ? whole.subarray(0, -1) : whole;
      if (line.length > this.#maxBytes) this.#handler.tooLong(this.#index);
      else if (!isBlank(line)) this.#handler.line(line, this.#index);
    }
    this.#skipping = false;
    this.#parts = [];
    this.#partBytes = 0;
    this.#index++;
  }
}

function isBlank(line: Uint8Array): boolean {
  for (const byte of line) if (byte !== 32 && byte !== 9) return false;
  return true;
}
