/**
 * A growing buffer for encoders. An encoder reserves room for a whole record once, then writes to `buffer` at `length`
 * itself: a check per byte would double the cost of a record.
 */
import { Buffer } from "node:buffer";

const FIRST_CAPACITY = 4_096;

export class Bytes {
  /** Replaced when it grows: read it again after `reserve`. */
  buffer: Buffer = Buffer.allocUnsafe(FIRST_CAPACITY);
  /** The same bytes, for writing several at once; replaced together. */
  view = viewOf(this.buffer);
  /** Bytes written. */
  length = 0;

  /** Makes room for `more` bytes beyond `length`. */
  reserve(more: number): void {
    const wanted = this.length + more;
    if (wanted <= this.buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.max(this.buffer.length * 2, wanted));
    this.buffer.copy(grown, 0, 0, this.length);
    this.buffer = grown;
    this.view = viewOf(grown);
  }

  /** Forgets the content, keeps the room. */
  clear(): void {
    this.length = 0;
  }
}

function viewOf(buffer: Buffer): DataView {
  return new DataView(buffer.buffer, buffer.byteOffset, buffer.length);
}
