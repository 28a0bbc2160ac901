/**
 * Reports as bytes, each with the epoch of its shard. One report is: number of its (shard, epoch), number of its id (`link-ids.ts`), mask u16, t f64,
 * then by mask. What repeats in a frame (shard with epoch, kind, source) stands in it once: its number is a varint, and the first unused number
 * is followed by what it is from then on.
 *
 * Text is decoded by `Buffer`, since `TextDecoder` takes three times as long for an id. Numbers are f64 throughout: what the owner decides
 * must not depend on where a report came in.
 */
import { Buffer } from "node:buffer";
import { ByteReader, type ByteWriter } from "../actors/bytes.ts";
import type { JsonObject, Report } from "../actors/messages.ts";
import { SHARDS } from "../limits.ts";
import { type LinkId, readIds, SentIds } from "./link-ids.ts";

const KIND = 1;
const PLACE = 2;
const ALT = 4;
const SPEED = 8;
const COURSE = 16;
const HEADING = 32;
const ACCURACY = 64;
const ATTRIBUTES = 128;
const SOURCE = 256;
const SOURCE_SEQ = 512;
const KNOWN = 1_023;

/** The most that numbers, mask and varints of one report can take; strings make their own room. */
const FIXED_BYTES = 96;

/** Writes the reports of one frame after another. */
export class ReportWriter {
  readonly #out: ByteWriter;
  /** By shard: the number of its pair in this frame and the pair's epoch; −1 = none yet. */
  readonly #pair = new Int32Array(SHARDS).fill(-1);
  readonly #epoch = new Float64Array(SHARDS);
  readonly #names = new Map<string, number>();
  readonly #ids = new SentIds();
  #pairs = 0;
  count = 0;

  constructor(out: ByteWriter) {
    this.#out = out;
  }

  /** What follows is of a new frame. */
  begin(): void {
    this.#pair.fill(-1);
    this.#pairs = 0;
    this.#names.clear();
    this.#ids.begin();
    this.count = 0;
  }

  /** Bytes of the ids that the frame brings: asked for each report, so that no window is made. */
  get idsLength(): number {
    return this.#ids.length;
  }

  /** The ids that the frame brings; a window on memory that is used again. */
  get ids(): Uint8Array {
    return this.#ids.bytes;
  }

  add(report: Report, shard: number, epoch: number): void {
    const out = this.#out;
    this.count += 1;
    out.reserve(FIXED_BYTES);
    if (this.#pair[shard] >= 0 && this.#epoch[shard] === epoch) out.varint(this.#pair[shard]);
    else this.#introduce(shard, epoch);
    out.varint(this.#ids.numberOf(report.id));
    const mask =
      (report.kind === undefined ? 0 : KIND) |
      (report.lon === undefined ? 0 : PLACE) |
      (report.alt === undefined ? 0 : ALT) |
      (report.speed === undefined ? 0 : SPEED) |
      (report.course === undefined ? 0 : COURSE) |
      (report.heading === undefined ? 0 : HEADING) |
      (report.accuracy === undefined ? 0 : ACCURACY) |
      (report.attributes === undefined ? 0 : ATTRIBUTES) |
      (report.source === undefined ? 0 : SOURCE) |
      (report.seq === undefined ? 0 : SOURCE_SEQ);
    // The offset is kept here and not in the writer, which would store it after each number.
    const view = out.room(0);
    view.setUint16(out.length, mask, true);
    view.setFloat64(out.length + 2, report.t, true);
    let at = out.length + 10;
    if (mask & PLACE) {
      view.setFloat64(at, report.lon!, true);
      view.setFloat64(at + 8, report.lat!, true);
      at += 16;
    }
    if (mask & ALT) at = putF64(view, at, report.alt!);
    if (mask & SPEED) at = putF64(view, at, report.speed!);
    if (mask & COURSE) at = putF64(view, at, report.course!);
    if (mask & HEADING) at = putF64(view, at, report.heading!);
    if (mask & ACCURACY) at = putF64(view, at, report.accuracy!);
    if (mask & SOURCE_SEQ) at = putF64(view, at, report.seq!);
    out.length = at;
    if (mask & KIND) this.#name(report.kind!);
    if (mask & SOURCE) this.#name(report.source!);
    if (mask & ATTRIBUTES) out.string(JSON.stringify(report.attributes));
  }

  #introduce(shard: number, epoch: number): void {
    this.#out.varint(this.#pairs);
    this.#out.u8(shard);
    this.#out.varint(epoch);
    this.#pair[shard] = this.#pairs++;
    this.#epoch[shard] = epoch;
  }

  #name(name: string): void {
    const out = this.#out;
    out.reserve(5);
    const known = this.#names.get(name);
    if (known !== undefined) {
      out.varint(known);
      return;
    }
    out.varint(this.#names.size);
    this.#names.set(name, this.#names.size);
    out.string(name);
  }
}

function putF64(view: DataView, at: number, value: number): number {
  view.setFloat64(at, value, true);
  return at + 8;
}

export interface PlacedReports {
  reports: Report[];
  /** By index of the report. */
  epochs: Uint32Array;
  /** The ids known on the link from now on. */
  ids: LinkId[];
}

/**
 * Reads `count` reports, which take all of `bytes`.
 * @param brought ids that their frame brings.
 * @param known ids that the link has brought before.
 * @throws if they do not, or name an id that was not brought; `known` is as it was then.
 */
export function readReports(
  bytes: Uint8Array,
  count: number,
  brought: Uint8Array,
  known: LinkId[],
): PlacedReports {
  const before = known.length;
  try {
    const ids = readIds(brought, known);
    return { ...readAll(bytes, count, ids), ids };
  } catch (error) {
    known.length = before;
    throw error;
  }
}

function readAll(bytes: Uint8Array, count: number, ids: readonly LinkId[]): Omit<PlacedReports, "ids"> {
  // Each takes twelve bytes at least: a wrong count must not make room for billions.
  if (count * 12 > bytes.length) throw new RangeError(`${count} reports in ${bytes.length} bytes`);
  const input = new ByteReader(bytes);
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const epochs = new Uint32Array(count);
  const pairs: number[] = [];
  const names: string[] = [];
  const reports: Report[] = new Array(count);
  for (let i = 0; i < count; i++) {
    const pair = input.varint();
    if (pair === pairs.length) {
      input.u8();
      pairs.push(input.varint());
    }
    epochs[i] = known(pairs[pair]);
    reports[i] = readReport(input, known(ids[input.varint()]), text, names);
  }
  if (!input.done) throw new RangeError(`more than ${count} reports`);
  return { reports, epochs };
}

function readReport(input: ByteReader, { id, hint }: LinkId, text: Buffer, names: string[]): Report {
  const mask = input.u16();
  if (mask > KNOWN) throw new RangeError(`unknown member in ${mask}`);
  const t = input.f64();
  const lon = mask & PLACE ? input.f64() : undefined;
  const lat = mask & PLACE ? input.f64() : undefined;
  const alt = mask & ALT ? input.f64() : undefined;
  const speed = mask & SPEED ? input.f64() : undefined;
  const course = mask & COURSE ? input.f64() : undefined;
  const heading = mask & HEADING ? input.f64() : undefined;
  const accuracy = mask & ACCURACY ? input.f64() : undefined;
  const seq = mask & SOURCE_SEQ ? input.f64() : undefined;
  const kind = mask & KIND ? readName(input, text, names) : undefined;
  const source = mask & SOURCE ? readName(input, text, names) : undefined;
  const attributes = mask & ATTRIBUTES ? (JSON.parse(readText(input, text)) as JsonObject) : undefined;
  // One shape, the same as of reports from JSON.
  return {
    id,
    t,
    kind,
    lon,
    lat,
    alt,
    speed,
    course,
    heading,
    accuracy,
    attributes,
    source,
    seq,
    hint,
  };
}

function readName(input: ByteReader, text: Buffer, names: string[]): string {
  const name = input.varint();
  if (name === names.length) names.push(readText(input, text));
  return known(names[name]);
}

function readText(input: ByteReader, text: Buffer): string {
  const length = input.varint();
  const start = input.at;
  const end = start + length;
  if (end > text.length) throw new RangeError(`a text of ${length} bytes at ${start} runs past the end`);
  input.at = end;
  return text.toString("utf8", start, end);
}

function known<T>(value: T | undefined): T {
  if (value === undefined) throw new RangeError("a number that stands for nothing yet");
  return value;
}
