/**
 * What an entity remembers of the reports it took, so that one sent twice is taken once: its last 8 `(t, hash)`, and per source that
 * numbers its reports the highest number and a window of 64 below it.
 *
 * A number that was seen counts as a duplicate only if the report is not newer than the entity: a device that starts again
 * counts from 0 again, and its new reports must not vanish. Below the window the `(t, hash)` memory alone decides.
 */
import { widenF64, widenU8, widenU32 } from "../picture/columns.ts";
import type { ByteReader, ByteWriter } from "./bytes.ts";
import type { Report } from "./messages.ts";

const DEPTH = 8;
/** Windows of one entity; the one not used for longest gives way. */
const MAX_SOURCES_PER_ENTITY = 8;
const WINDOW = 64;

interface SourceWindow {
  source: number;
  highest: number;
  /** Bit i = number `highest − i` was seen. */
  seen: bigint;
}

export class DuplicateMemory {
  #t = new Float64Array(0);
  #hash = new Uint32Array(0);
  /** Where the next pair goes, 0 … 7. */
  #next = new Uint8Array(0);
  readonly #windows = new Map<number, SourceWindow[]>();

  grow(capacity: number): void {
    this.#t = widenF64(this.#t, capacity * DEPTH);
    this.#hash = widenU32(this.#hash, capacity * DEPTH);
    this.#next = widenU8(this.#next, capacity);
  }

  reset(slot: number): void {
    this.#t.fill(Number.NaN, slot * DEPTH, slot * DEPTH + DEPTH);
    this.#next[slot] = 0;
    this.#windows.delete(slot);
  }

  /** @param newer whether the report's `t` is newer than the entity's. @param sourceSeq −1 = none. */
  has(slot: number, t: number, hash: number, source: number, sourceSeq: number, newer: boolean): boolean {
    const base = slot * DEPTH;
    const hashes = this.#hash;
    for (let i = base; i < base + DEPTH; i++) {
      if (hashes[i] === hash && this.#t[i] === t) return true;
    }
    if (sourceSeq < 0 || newer) return false;
    const window = this.#windows.get(slot)?.find((candidate) => candidate.source === source);
    if (window === undefined) return false;
    const back = window.highest - sourceSeq;
    return back >= 0 && back < WINDOW && ((window.seen >> BigInt(back)) & 1n) === 1n;
  }

  remember(slot: number, t: number, hash: number, source: number, sourceSeq: number): void {
    const next = this.#next[slot];
    const at = slot * DEPTH + next;
    this.#t[at] = t;
    this.#hash[at] = hash;
    this.#next[slot] = (next + 1) % DEPTH;
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

  write(slot: number, sourceName: (source: number) => string, out: ByteWriter): void {
    const view = out.room(DEPTH * 12 + 8);
    let at = out.length;
    view.setUint8(at++, this.#next[slot]);
    for (let i = slot * DEPTH; i < slot * DEPTH + DEPTH; i++, at += 12) {
      view.setFloat64(at, this.#t[i], true);
      view.setUint32(at + 8, this.#hash[i], true);
    }
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

  read(slot: number, sourceNumber: (name: string) => number, input: ByteReader): void {
    this.#next[slot] = input.u8();
    for (let i = slot * DEPTH; i < slot * DEPTH + DEPTH; i++) {
      this.#t[i] = input.f64();
      this.#hash[i] = input.u32();
    }
    const windows = Array.from({ length: input.u8() }, (): SourceWindow => {
      const source = sourceNumber(input.string());
      const highest = input.f64();
      const low = BigInt(input.u32());
      return { source, highest, seen: low | (BigInt(input.u32()) << 32n) };
    });
    if (windows.length > 0) this.#windows.set(slot, windows);
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
