/**
 * JSON written as UTF-8 bytes into a buffer that has room. Each function takes where to write and gives back where the
 * next byte goes. They may write up to three bytes more than that.
 */
import { Buffer } from "node:buffer";
import { writableTime } from "../../picture/record.ts";

const QUOTE = 34;
const MINUS = 45;
const POINT = 46;
const ZERO = 48;
const COLON = 58;
const BACKSLASH = 92;
const Z = 90;

const INT32_END = 2 ** 31;
const MS_PER_DAY = 86_400_000;

/** 00 … 99 as two digits each, big endian. */
const PAIRS = Uint16Array.from({ length: 100 }, (_, n) =>
  Buffer.from(String(n).padStart(2, "0")).readUInt16BE(),
);

/** Bytes that are written often, in words of four: a third of the stores. */
export class Literal {
  readonly words: Int32Array;
  readonly length: number;

  constructor(text: string) {
    const bytes = Buffer.from(text);
    const padded = Buffer.alloc(Math.ceil(bytes.length / 4) * 4);
    bytes.copy(padded);
    this.words = Int32Array.from({ length: padded.length / 4 }, (_, i) => padded.readInt32BE(i * 4));
    this.length = bytes.length;
  }
}

export function putLiteral(view: DataView, at: number, literal: Literal): number {
  const words = literal.words;
  for (let i = 0; i < words.length; i++) view.setInt32(at + 4 * i, words[i]);
  return at + literal.length;
}

/** Text that is JSON already. It is ASCII with few exceptions, so it is tried as that first. */
export function putText(buffer: Buffer, start: number, text: string): number {
  const length = text.length;
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i);
    if (unit > 126) return start + buffer.write(text, start, "utf8");
    buffer[start + i] = unit;
  }
  return start + length;
}

/** A string as JSON. */
export function putString(buffer: Buffer, start: number, text: string): number {
  const length = text.length;
  let at = start;
  buffer[at++] = QUOTE;
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 32 || unit > 126 || unit === QUOTE || unit === BACKSLASH)
      return putText(buffer, start, JSON.stringify(text));
    buffer[at++] = unit;
  }
  buffer[at++] = QUOTE;
  return at;
}

/** A longitude or latitude, as `roundDegrees` gives it. */
export function putDegrees(buffer: Buffer, view: DataView, start: number, degrees: number): number {
  let at = start;
  let rest = Math.round(degrees * 1e7) | 0;
  if (rest < 0) {
    buffer[at++] = MINUS;
    rest = -rest;
  }
  const whole = (rest / 10_000_000) | 0;
  at = putWhole(buffer, at, whole);
  const fraction = rest - whole * 10_000_000;
  if (fraction === 0) return at;
  const upper = (fraction / 1_000) | 0;
  const lower = fraction - upper * 1_000;
  const upperPair = (upper / 100) | 0;
  const lowerPair = (lower / 10) | 0;
  buffer[at] = POINT;
  view.setUint16(at + 1, PAIRS[upperPair]);
  view.setUint16(at + 3, PAIRS[upper - upperPair * 100]);
  view.setUint16(at + 5, PAIRS[lowerPair]);
  buffer[at + 7] = ZERO + lower - lowerPair * 10;
  return withoutZeros(buffer, at + 8);
}

/** A number with 2 decimals, as `roundMotion` gives it. */
export function putHundredths(buffer: Buffer, view: DataView, start: number, value: number): number {
  const scaled = Math.round(value * 100);
  if (scaled >= INT32_END || scaled <= -INT32_END)
    return putText(buffer, start, JSON.stringify(scaled / 100));
  let at = start;
  let rest = scaled | 0;
  if (rest < 0) {
    buffer[at++] = MINUS;
    rest = -rest;
  }
  const whole = (rest / 100) | 0;
  at = putWhole(buffer, at, whole);
  const fraction = rest - whole * 100;
  if (fraction === 0) return at;
  buffer[at] = POINT;
  view.setUint16(at + 1, PAIRS[fraction]);
  return withoutZeros(buffer, at + 3);
}

/** A number with 1 decimal, as `roundAlt` gives it. */
export function putTenths(buffer: Buffer, start: number, value: number): number {
  const scaled = Math.round(value * 10);
  if (scaled >= INT32_END || scaled <= -INT32_END) return putText(buffer, start, JSON.stringify(scaled / 10));
  let at = start;
  let rest = scaled | 0;
  if (rest < 0) {
    buffer[at++] = MINUS;
    rest = -rest;
  }
  const whole = (rest / 10) | 0;
  at = putWhole(buffer, at, whole);
  const fraction = rest - whole * 10;
  if (fraction === 0) return at;
  buffer[at++] = POINT;
  buffer[at++] = ZERO + fraction;
  return at;
}

/** A direction, as `roundDirection` gives it. */
export function putDirection(buffer: Buffer, view: DataView, at: number, degrees: number): number {
  return putHundredths(buffer, view, at, Math.round(degrees * 100) === 36_000 ? 0 : degrees);
}

/** A whole number, 0 … 2^32 − 1. */
export function putWhole(buffer: Buffer, start: number, value: number): number {
  if (value < 10) {
    buffer[start] = ZERO + value;
    return start + 1;
  }
  if (value >= INT32_END) return putText(buffer, start, String(value));
  let digits = 2;
  for (let power = 100; digits < 10 && value >= power; power *= 10) digits++;
  let rest = value | 0;
  for (let at = start + digits - 1; at >= start; at--) {
    const next = (rest / 10) | 0;
    buffer[at] = ZERO + rest - next * 10;
    rest = next;
  }
  return start + digits;
}

function withoutZeros(buffer: Buffer, end: number): number {
  let at = end;
  while (buffer[at - 1] === ZERO) at--;
  return at;
}

/** Writes times, and remembers the date: most times of a tick are of one day. */
export class TimeWriter {
  #day = 0;
  #date = new Literal("1970-01-01T");

  /** `YYYY-MM-DDTHH:MM:SS.mmmZ`, as `isoTime` gives it, without quotes. @param t Unix ms. */
  put(buffer: Buffer, view: DataView, start: number, t: number): number {
    const time = writableTime(t);
    const day = Math.floor(time / MS_PER_DAY);
    if (day !== this.#day) {
      this.#date = new Literal(new Date(time).toISOString().slice(0, 11));
      this.#day = day;
    }
    const at = putLiteral(view, start, this.#date);
    const ms = (time - day * MS_PER_DAY) | 0;
    const seconds = (ms / 1_000) | 0;
    const minutes = (seconds / 60) | 0;
    const hours = (minutes / 60) | 0;
    const fraction = ms - seconds * 1_000;
    const hundreds = (fraction / 100) | 0;
    view.setUint16(at, PAIRS[hours]);
    buffer[at + 2] = COLON;
    view.setUint16(at + 3, PAIRS[minutes - hours * 60]);
    buffer[at + 5] = COLON;
    view.setUint16(at + 6, PAIRS[seconds - minutes * 60]);
    buffer[at + 8] = POINT;
    buffer[at + 9] = ZERO + hundreds;
    view.setUint16(at + 10, PAIRS[fraction - hundreds * 100]);
    buffer[at + 12] = Z;
    return at + 13;
  }
}
