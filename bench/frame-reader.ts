/** Finds the frames in what comes over a WebSocket (RFC 6455, 5.2), however the bytes are cut. Nothing is kept or copied. */

/** Of a frame from a server: 2 bytes, and up to 8 of length. */
const MAX_HEADER = 10;

export const TEXT_FRAME = 0x81;
export const BINARY_FRAME = 0x82;
const CLOSE_FRAME = 0x88;

/** What is done with frames. Servers under test never split a message. */
export interface FrameSink {
  /** @param kind `TEXT_FRAME`, `BINARY_FRAME`, or something that can be left out. @param length bytes of payload. */
  begin(kind: number, length: number): void;
  /** A piece of it, valid during the call. */
  payload(part: Buffer): void;
  end(): void;
}

export class FrameReader {
  readonly #sink: FrameSink;
  readonly #header = Buffer.alloc(MAX_HEADER);
  #headerBytes = 0;
  /** Payload of the frame that is still to come. */
  #remaining = 0;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  /** Takes bytes as they come from the socket. @throws if the server closes the WebSocket */
  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#remaining === 0) {
        at = this.#readHeader(chunk, at);
        continue;
      }
      const end = Math.min(chunk.length, at + this.#remaining);
      this.#sink.payload(chunk.subarray(at, end));
      this.#remaining -= end - at;
      at = end;
      if (this.#remaining === 0) this.#sink.end();
    }
  }

  #readHeader(chunk: Buffer, start: number): number {
    let at = start;
    const header = this.#header;
    while (at < chunk.length && this.#headerBytes < headerLength(header, this.#headerBytes))
      header[this.#headerBytes++] = chunk[at++];
    if (this.#headerBytes < headerLength(header, this.#headerBytes)) return at;
    if (header[0] === CLOSE_FRAME) throw new Error("the server closed a WebSocket");
    const short = header[1];
    this.#remaining =
      short < 126 ? short : short === 126 ? header.readUInt16BE(2) : Number(header.readBigUInt64BE(2));
    this.#headerBytes = 0;
    this.#sink.begin(header[0], this.#remaining);
    if (this.#remaining === 0) this.#sink.end();
    return at;
  }
}

/** Length of a frame's header, as far as it is known. */
function headerLength(header: Buffer, known: number): number {
  if (known < 2) return 2;
  return header[1] < 126 ? 2 : header[1] === 126 ? 4 : 10;
}
