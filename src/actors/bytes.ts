/** Little-endian bytes, growing as they are written. */
import assert from "node:assert/strict";

const utf8 = new TextEncoder();
const utf8Decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The encoder and the decoder cost more to call than so many steps. */
const SHORT_STRING = 0x80;

/** Of writers that nothing was written to yet: a node has hundreds. */
const NO_BYTES = new Uint8Array(0);
const NO_VIEW = new DataView(NO_BYTES.buffer);

export class ByteWriter {
  bytes: Uint8Array<ArrayBuffer>;
  length = 0;
  #view: DataView;

  constructor(capacity: number) {
    this.bytes = capacity === 0 ? NO_BYTES : new Uint8Array(capacity);
    this.#view = capacity === 0 ? NO_VIEW : new DataView(this.bytes.buffer);
  }

  /** Makes room for `count` more bytes. The fixed-size writers below need room made for them. */
  reserve(count: number): void {
    const wanted = this.length + count;
    if (wanted <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(wanted, this.bytes.length * 2));
    grown.set(this.bytes);
    this.bytes = grown;
    this.#view = new DataView(grown.buffer);
  }

  /** Makes room for `count` more bytes behind `length`, for who writes many numbers there himself and then moves `length`. */
  room(count: number): DataView {
    this.reserve(count);
    return this.#view;
  }

  /** Starts again with the same memory. */
  clear(): void {
    this.length = 0;
  }

  /** As `clear`, and leaves nothing there of what was written. Memory beyond `most` bytes is given back. */
  wipe(most: number): void {
    if (this.bytes.length > most) {
      this.bytes = NO_BYTES;
      this.#view = NO_VIEW;
    } else this.bytes.fill(0, 0, this.length);
    this.length = 0;
  }

  /** Drops the first `count` bytes: what is behind them moves to the front. */
  dropFront(count: number): void {
    this.bytes.copyWithin(0, count, this.length);
    this.length -= count;
  }

  /** A copy of what was written. */
  copy(): Uint8Array<ArrayBuffer> {
    return this.bytes.slice(0, this.length);
  }

  u8(value: number): void {
    this.#view.setUint8(this.length, value);
    this.length += 1;
  }
  u16(value: number): void {
    this.#view.setUint16(this.length, value, true);
    this.length += 2;
  }
  u32(value: number): void {
    this.#view.setUint32(this.length, value, true);
    this.length += 4;
  }
  f32(value: number): void {
    this.#view.setFloat32(this.length, value, true);
    this.length += 4;
  }
  f64(value: number): void {
    this.#view.setFloat64(this.length, value, true);
    this.length += 8;
  }
  /** LEB128, 0 … 2^32 − 1: one to five bytes. */
  varint(value: number): void {
    this.length = putVarint(this.#view, this.length, value);
  }
  /** A varint length and UTF-8. Makes its own room. */
  string(value: string): void {
    this.reserve(5 + value.length * 3);
    if (value.length < SHORT_STRING && this.#ascii(value)) return;
    const encoded = utf8.encode(value);
    this.varint(encoded.length);
    this.bytes.set(encoded, this.length);
    this.length += encoded.length;
  }

  /** Writes a string shorter than `SHORT_STRING`. @returns false if it is not ASCII. */
  #ascii(value: string): boolean {
    const { bytes } = this;
    let at = this.length;
    bytes[at++] = value.length;
    for (let i = 0; i < value.length; i++) {
      const unit = value.charCodeAt(i);
      if (unit >= 0x80) return false;
      bytes[at++] = unit;
    }
    this.length = at;
    return true;
  }
  /** Raw bytes. Makes its own room. */
  raw(value: Uint8Array): void {
    this.reserve(value.length);
    this.bytes.set(value, this.length);
    this.length += value.length;
  }
}

/** As `ByteWriter.varint`, for who keeps the offset himself. @returns where it ends. */
export function putVarint(view: DataView, start: number, value: number): number {
  let at = start;
  let rest = value;
  while (rest >= 0x80) {
    view.setUint8(at++, (rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  view.setUint8(at++, rest);
  return at;
}

/** Whole numbers between −this and this have a varint in which those near zero are short, also below it. */
export const ZIGZAG_END = 2 ** 31;

/** @param value a whole number nearer to zero than `ZIGZAG_END`. @returns where it ends. */
export function putZigzag(view: DataView, start: number, value: number): number {
  return putVarint(view, start, value < 0 ? -2 * value - 1 : 2 * value);
}

/** Reads what a `ByteWriter` wrote. Reading past the end throws a RangeError. */
export class ByteReader {
  at = 0;
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  readonly #buffer: Buffer;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.#buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get done(): boolean {
    return this.at >= this.bytes.length;
  }
  u8(): number {
    const value = this.#view.getUint8(this.at);
    this.at += 1;
    return value;
  }
  u16(): number {
    const value = this.#view.getUint16(this.at, true);
    this.at += 2;
    return value;
  }
  u32(): number {
    const value = this.#view.getUint32(this.at, true);
    this.at += 4;
    return value;
  }
  i32(): number {
    const value = this.#view.getInt32(this.at, true);
    this.at += 4;
    return value;
  }
  f32(): number {
    const value = this.#view.getFloat32(this.at, true);
    this.at += 4;
    return value;
  }
  f64(): number {
    const value = this.#view.getFloat64(this.at, true);
    this.at += 8;
    return value;
  }
  varint(): number {
    const byte = this.u8();
    return byte < 0x80 ? byte : this.#longVarint(byte & 0x7f);
  }
  #longVarint(lowest: number): number {
    let value = lowest;
    for (let unit = 2 ** 7; unit <= 2 ** 28; unit *= 2 ** 7) {
      const byte = this.u8();
      value += (byte & 0x7f) * unit;
      if (byte < 0x80) return value;
    }
    assert.fail("a varint is longer than five bytes");
  }
  /** What `putZigzag` wrote. */
  zigzag(): number {
    const value = this.varint();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }
  string(): string {
    const length = this.varint();
    if (length === 0) return "";
    const from = this.at;
    if (length >= SHORT_STRING || !this.#isAscii(from, from + length))
      return utf8Decoder.decode(this.raw(length));
    this.at += length;
    return this.#buffer.toString("latin1", from, this.at);
  }
  /** Not if it runs past the end. */
  #isAscii(from: number, to: number): boolean {
    if (to > this.bytes.length) return false;
    for (let i = from; i < to; i++) if (this.bytes[i] >= 0x80) return false;
    return true;
  }
  /** A view of `count` bytes, not a copy. */
  raw(count: number): Uint8Array {
    const end = this.at + count;
    if (end > this.bytes.length)
      throw new RangeError(`${count} bytes at ${this.at} run past the end, ${this.bytes.length}`);
    const value = this.bytes.subarray(this.at, end);
    this.at = end;
    return value;
  }
}
