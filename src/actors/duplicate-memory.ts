/**
 * What an entity remembers of the reports it took, so that one sent twice is taken once: its last 8 `(t, hash)`, and per source that
 * numbers its reports the highest number and a window of 64 below it.
 *
 * A number that was seen counts as a duplicate only if the report is not newer than the entity: a device that starts again
 * counts from 0 again, and its new reports must not vanish. Below the window the `(t, hash)` memory alone decides.
 */
import type { Float64Column, Rows, Uint8Column, Uint32Column } from "../picture/rows.ts";
import { type ByteReader, type ByteWriter, putZigzag, ZIGZAG_END } from "./bytes.ts";
import type { Report } from "./messages.ts";

const DEPTH = 8;
/** Windows of one entity; the one not used for longest gives way. */
const MAX_SOURCES_PER_ENTITY = 8;
const WINDOW = 64;
/** What `write` writes of the pairs, and the number of windows. */
const MOST_BYTES = DEPTH * 12 + 4;

interface SourceWindow {
  source: number;
  highest: number;
  /** Bit i = number `highest − i` was seen. */
  seen: bigint;
}

export class DuplicateMemory {
  readonly #t: Float64Column;
  readonly #hash: Uint32Column;
  /** Where the next pair goes, 0 … 7. */
  readonly #next: Uint8Column;
  readonly #windows = new Map<number, SourceWindow[]>();

  /** @param rows where it keeps a part of what it knows. */
  constructor(rows: Rows) {
    this.#t = rows.float64(DEPTH);
    this.#hash = rows.uint32(DEPTH);
    this.#next = rows.uint8();
  }

  reset(slot: number): void {
    for (let i = 0; i < DEPTH; i++) this.#t.set(slot, NaN, i);
    this.#next.set(slot, 0);
    this.#windows.delete(slot);
  }

  /** @param newer whether the report's `t` is newer than the entity's. @param sourceSeq −1 = none. */
  has(slot: number, t: number, hash: number, source: number, sourceSeq: number, newer: boolean): boolean {
    for (let i = 0; i < DEPTH; i++) {
      if (this.#hash.of(slot, i) === hash && this.#t.of(slot, i) === t) return true;
    }
    if (sourceSeq < 0 || newer) return false;
    const window = this.#windows.get(slot)?.find((candidate) => candidate.source === source);
    if (window === undefined) return false;
    const back = window.highest - sourceSeq;
    return back >= 0 && back < WINDOW && ((window.seen >> BigInt(back)) & 1n) === 1n;
  }

  remember(slot: number, t: number, hash: number, source: number, sourceSeq: number): void {
    const next = this.#next.of(slot);
    this.#t.set(slot, t, next);
    this.#hash.set(slot, hash, next);
    this.#next.set(slot, (next + 1) % DEPTH);
    if (sourceSeq >= 0) this.#rememberNumber(slot, source, sourceSeq);
  }

  #rememberNumber(slot: number, source: number, sourceSeq: number): void {
    let windows = this.#windows.get(slot);
    if (windows === undefined) {
      windows = [];
      this.#windows.set(slot, windows);
    }
    const at = windows.findIndex((candidate) => candidate.source === source);
    let window: SourceWindow;
    if (at < 0) {
      if (windows.length === MAX_SOURCES_PER_ENTITY) windows.shift();
      window = { source, highest: sourceSeq, seen: 1n };
    } else {
      window = windows[at]!;
      windows.splice(at, 1);
    }
    windows.push(window);
    const ahead = sourceSeq - window.highest;
    if (ahead > 0) {
      window.seen = ahead >= WINDOW ? 1n : BigInt.asUintN(WINDOW, window.seen << BigInt(ahead)) | 1n;
      window.highest = sourceSeq;
    } else if (-ahead < WINDOW) {
      window.seen |= 1n << BigInt(-ahead);
    } else {
      window.highest = sourceSeq;
      window.seen = 1n;
    }
  }

  /**
   * Where the next pair goes u8, which of the 8 there are u8 and of which of these the time is a whole number of ms near the one before u8 (bits), then of each the
   * hash u32 and the time, as a zigzag varint from the one before or f64; number of windows u8, and these.
   */
  write(slot: number, sourceName: (source: number) => string, out: ByteWriter): void {
    const view = out.room(MOST_BYTES);
    const heads = out.length;
    let at = heads + 3;
    let held = 0;
    let near = 0;
    let before = NaN;
    for (let i = 0; i < DEPTH; i++) {
      const t = this.#t.of(slot, i);
      if (Number.isNaN(t)) continue;
      held |= 1 << i;
      view.setUint32(at, this.#hash.of(slot, i), true);
      const step = t - before;
      if (Number.isInteger(before) && Number.isInteger(step) && Math.abs(step) < ZIGZAG_END) {
        near |= 1 << i;
        at = putZigzag(view, at + 4, step);
      } else {
        view.setFloat64(at + 4, t, true);
        at += 12;
      }
      before = t;
    }
    view.setUint8(heads, this.#next.of(slot));
    view.setUint8(heads + 1, held);
    view.setUint8(heads + 2, near);
    out.length = at;
    const windows = this.#windows.get(slot) ?? [];
    out.u8(windows.length);
    for (const window of windows) {
      out.string(sourceName(window.source));
      out.reserve(16);
      out.f64(window.highest);
      out.u32(Number(window.seen & 0xffffffffn));
      out.u32(Number(window.seen >> 32n));
    }
  }

  /** Of a slot of which nothing is remembered. @param isShort whether it was written as `write` does now; before, all 8 pairs were written whole. */
  read(slot: number, sourceNumber: (name: string) => number, input: ByteReader, isShort: boolean): void {
    this.#next.set(slot, input.u8());
    if (isShort) this.#readPairs(slot, input);
    else this.#readWholePairs(slot, input);
    const windows = Array.from({ length: input.u8() }, (): SourceWindow => {
      const source = sourceNumber(input.string());
      const highest = input.f64();
      const low = BigInt(input.u32());
      return { source, highest, seen: low | (BigInt(input.u32()) << 32n) };
    });
    if (windows.length > 0) this.#windows.set(slot, windows);
  }

  #readPairs(slot: number, input: ByteReader): void {
    const held = input.u8();
    const near = input.u8();
    let t = NaN;
    for (let i = 0; i < DEPTH; i++) {
      const bit = 1 << i;
      if ((held & bit) === 0) continue;
      this.#hash.set(slot, input.u32(), i);
      t = near & bit ? t + input.zigzag() : input.f64();
      this.#t.set(slot, t, i);
    }
  }

  #readWholePairs(slot: number, input: ByteReader): void {
    for (let i = 0; i < DEPTH; i++) {
      this.#t.set(slot, input.f64(), i);
      this.#hash.set(slot, input.u32(), i);
    }
  }
}

const scratch = new Float64Array(1);
const scratchBits = new Uint32Array(scratch.buffer);

function mixNumber(hash: number, value: number | undefined): number {
  scratch[0] = value === undefined ? NaN : value;
  const mixed = Math.imul(hash ^ scratchBits[0], 0x9e3779b1);
  return Math.imul(mixed ^ (mixed >>> 15) ^ scratchBits[1], 0x85ebca77);
}

function mixText(hash: number, text: string | undefined): number {
  if (text === undefined) return Math.imul(hash ^ 0xff, 0x01000193);
  let mixed = hash;
  for (let i = 0; i < text.length; i++) mixed = Math.imul(mixed ^ text.charCodeAt(i), 0x01000193);
  return mixed ^ text.length;
}

/** A 32-bit hash of all that a report says but `id` and `t`. Its values are stored, so they stay what they are. @param attributes JSON text of the attributes, or empty. */
export function reportHash(report: Report, attributes: string): number {
  let hash = 0x811c9dc5;
  hash = mixNumber(hash, report.lon);
  hash = mixNumber(hash, report.lat);
  hash = mixNumber(hash, report.alt);
  hash = mixNumber(hash, report.speed);
  hash = mixNumber(hash, report.course);
  hash = mixNumber(hash, report.heading);
  hash = mixNumber(hash, report.accuracy);
  hash = mixNumber(hash, report.seq);
  hash = mixText(hash, report.source);
  hash = mixText(hash, report.kind);
  hash = mixText(hash, attributes);
  return (hash ^ (hash >>> 16)) >>> 0;
}
