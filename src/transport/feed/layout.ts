/**
 * The bytes of `muster.v1.bin`, shared by the server and the SDK; batches of reports, the other direction, are in `batch-layout.ts`.
 * Everything is little-endian; strings are UTF-8. All other messages are JSON text as in `muster.v1.json`.
 *
 * A frame of a view (server → client), 40 bytes, then its parts in this order:
 *
 *     0 u8 version   1 u8 type   2 u8 flags   3 u8 0   4 u32 number of the view   8 u32 n   12 u32 tick
 *    16 f64 time of the tick, Unix ms   24 u32 lag, ms   28 u32 departures   32 u32 moves or cells   36 u32 bytes of full records
 *    40 departures × 4 bytes, moves × 24 bytes or cells × 12 bytes, full records
 *
 * A *move* is 24 bytes: handle, place, motion, and the time as milliseconds before the frame's time. A number that is unknown has a mark
 * of its own; one that does not fit makes the server send a full record, and a client use JSON. Its place is of its time. A *full record* is
 * 100 bytes, the time of its place (f64, Unix ms) if that is another and a flag says so, and strings.
 */

export const VERSION = 1;

export const FRAME_SNAPSHOT = 1;
export const FRAME_DELTA = 2;
export const FRAME_CLUSTERS = 3;

export const FLAG_FIRST = 1;
export const FLAG_LAST = 2;

export const FRAME_BYTES = 40;
export const DEPARTURE_BYTES = 4;
export const MOVE_BYTES = 24;
export const CELL_BYTES = 12;
/** A full record without the time of its place and its strings. */
export const FULL_BYTES = 100;
export const PLACED_AT_BYTES = 8;

/** Handles are slots of the picture: below 2^28, so that a departure's reason fits above. */
export const MAX_HANDLE = 2 ** 28 - 1;
/** Reasons by their number in a departure. */
export const REASONS = ["left", "filter", "expired", "deleted", "denied"] as const;
export type Reason = (typeof REASONS)[number];
/** Liveness by its number in a full record. */
export const LIVENESS_NAMES = ["live", "stale", "lost", "expired"] as const;
const IMPLAUSIBLE_FLAG = 1;
const PLACED_AT_FLAG = 2;
const FULL_FLAGS = IMPLAUSIBLE_FLAG | PLACED_AT_FLAG;

const DEGREES = 1e7;
const HUNDREDTHS = 100;
const TENTHS = 10;
/** Marks of what is unknown. */
const NO_U16 = 0xffff;
const NO_ALT = -0x800000;
const NO_PLACE = -0x80000000;
/** The greatest that fits, one below the mark. */
const MAX_U16 = 0xfffe;
const MAX_ALT = 0x7fffff;
/** Milliseconds that a move may be older than its frame: 4.6 hours. */
export const MAX_AGE_MS = 0xffffff;

/** The head of a view's frame. */
export interface FrameHead {
  type: number;
  first: boolean;
  last: boolean;
  view: number;
  n: number;
  tick: number;
  /** Unix ms. */
  t: number;
  /** ms. */
  lag: number;
  departures: number;
  /** Moves, or cells of clusters. */
  moves: number;
  fullBytes: number;
}

/** Place, motion and time of something. NaN = unknown. */
export interface Move {
  handle: number;
  /** Unix ms. */
  t: number;
  lon: number;
  lat: number;
  alt: number;
  speed: number;
  course: number;
  heading: number;
}

/** Everything about an entity. NaN = unknown. */
export interface Full extends Move {
  id: string;
  kind: string;
  state: string;
  liveness: number;
  /** When it was at its place, Unix ms; NaN = at `t`. */
  placedAt: number;
  /** Unix ms. */
  received: number;
  accuracy: number;
  implausible: boolean;
  /** Empty = none. */
  source: string;
  /** JSON text of an object; empty = {}. */
  attributes: string;
  /** JSON text of an array; empty = []. */
  labels: string;
  /** As `labels`, of 65,535 bytes at most. */
  fences: string;
  epoch: number;
  seq: number;
}

export interface Cell {
  count: number;
  lon: number;
  lat: number;
}

/** Bytes that are not this protocol. */
export class LayoutError extends Error {
  override readonly name = "LayoutError";
}

/** Writes a frame's head to the start of `view`. */
export function putFrameHead(view: DataView, head: FrameHead): void {
  view.setUint8(0, VERSION);
  view.setUint8(1, head.type);
  view.setUint8(2, (head.first ? FLAG_FIRST : 0) | (head.last ? FLAG_LAST : 0));
  view.setUint8(3, 0);
  view.setUint32(4, head.view, true);
  view.setUint32(8, head.n, true);
  view.setUint32(12, head.tick, true);
  view.setFloat64(16, head.t, true);
  view.setUint32(24, head.lag, true);
  view.setUint32(28, head.departures, true);
  view.setUint32(32, head.moves, true);
  view.setUint32(36, head.fullBytes, true);
}

/** Reads and checks a frame's head: version, type, flags, and that the parts have just the length of the frame. @throws LayoutError */
export function readFrameHead(view: DataView): FrameHead {
  if (view.byteLength < 2) throw new LayoutError("a frame is cut off");
  if (view.getUint8(0) !== VERSION) throw new LayoutError(`version ${view.getUint8(0)} is not known`);
  if (view.byteLength < FRAME_BYTES) throw new LayoutError("a frame is cut off");
  const type = view.getUint8(1);
  if (type < FRAME_SNAPSHOT || type > FRAME_CLUSTERS)
    throw new LayoutError(`frames of type ${type} are not known`);
  const flags = view.getUint8(2);
  if ((flags & ~(FLAG_FIRST | FLAG_LAST)) !== 0) throw new LayoutError(`flags ${flags} are not known`);
  if (view.getUint8(3) !== 0) throw new LayoutError("a reserved byte of a frame is not 0");
  const head: FrameHead = {
    type,
    first: (flags & FLAG_FIRST) !== 0,
    last: (flags & FLAG_LAST) !== 0,
    view: view.getUint32(4, true),
    n: view.getUint32(8, true),
    tick: view.getUint32(12, true),
    t: view.getFloat64(16, true),
    lag: view.getUint32(24, true),
    departures: view.getUint32(28, true),
    moves: view.getUint32(32, true),
    fullBytes: view.getUint32(36, true),
  };
  if (!Number.isFinite(head.t)) throw new LayoutError("the time of a frame is not a number");
  const itemBytes = type === FRAME_CLUSTERS ? CELL_BYTES : MOVE_BYTES;
  const bytes = FRAME_BYTES + head.departures * DEPARTURE_BYTES + head.moves * itemBytes + head.fullBytes;
  if (bytes !== view.byteLength) throw new LayoutError("the parts of a frame do not make up its length");
  return head;
}

/** The number of a frame's view, also of a frame whose head has a mistake; NaN if that does not tell either. */
export function viewNumber(view: DataView): number {
  return view.byteLength >= 8 && view.getUint8(0) === VERSION ? view.getUint32(4, true) : NaN;
}

export function putDeparture(view: DataView, at: number, handle: number, reason: number): void {
  view.setUint32(at, ((reason << 28) | handle) >>> 0, true);
}

/** @throws LayoutError if the reason is none */
export function readDeparture(view: DataView, at: number): { handle: number; reason: Reason } {
  const value = view.getUint32(at, true);
  const reason = REASONS[value >>> 28];
  if (reason === undefined) throw new LayoutError(`departures with reason ${value >>> 28} are not known`);
  return { handle: value & MAX_HANDLE, reason };
}

/** Whether everything of a move fits into 24 bytes, for a frame of time `frameT`. */
export function fitsMove(move: Omit<Move, "handle">, frameT: number): boolean {
  const age = frameT - move.t;
  return (
    age >= 0 &&
    age <= MAX_AGE_MS &&
    fitsU16(move.speed) &&
    fitsU16(move.course) &&
    fitsU16(move.heading) &&
    (Number.isNaN(move.alt) || Math.abs(Math.round(move.alt * TENTHS)) <= MAX_ALT)
  );
}

function fitsU16(value: number): boolean {
  return Number.isNaN(value) || (value >= 0 && Math.round(value * HUNDREDTHS) <= MAX_U16);
}

/** Writes a move that fits. Degrees are rounded to 7 decimals, speeds and directions to 2, altitudes to 1. */
export function putMove(view: DataView, at: number, move: Move, frameT: number): void {
  const { handle, lon, lat } = move;
  view.setUint32(at, handle, true);
  putDegrees(view, at + 4, lon);
  putDegrees(view, at + 8, lat);
  view.setUint16(at + 12, u16Of(move.speed), true);
  view.setUint16(at + 14, u16Of(move.course), true);
  view.setUint16(at + 16, u16Of(move.heading), true);
  const alt = Number.isNaN(move.alt) ? NO_ALT : Math.round(move.alt * TENTHS);
  view.setUint16(at + 18, alt & 0xffff, true);
  // The upper byte of the altitude, and 24 bits of age.
  view.setUint32(at + 20, (((alt >> 16) & 0xff) | (Math.floor(frameT - move.t) << 8)) >>> 0, true);
}

function u16Of(value: number): number {
  return Number.isNaN(value) ? NO_U16 : Math.round(value * HUNDREDTHS);
}

/** Reads a move into `into`, which is given back. */
export function readMove(view: DataView, at: number, frameT: number, into: Move): Move {
  into.handle = view.getUint32(at, true);
  into.lon = readDegrees(view, at + 4);
  into.lat = readDegrees(view, at + 8);
  into.speed = readU16(view, at + 12);
  into.course = readU16(view, at + 14);
  into.heading = readU16(view, at + 16);
  const tail = view.getUint32(at + 20, true);
  const alt = view.getUint16(at + 18, true) | (((tail & 0xff) << 24) >> 8);
  into.alt = alt === NO_ALT ? NaN : alt / TENTHS;
  into.t = frameT - (tail >>> 8);
  return into;
}

function readU16(view: DataView, at: number): number {
  const value = view.getUint16(at, true);
  return value === NO_U16 ? NaN : value / HUNDREDTHS;
}

function putDegrees(view: DataView, at: number, degrees: number): void {
  view.setInt32(at, Number.isNaN(degrees) ? NO_PLACE : Math.round(degrees * DEGREES), true);
}

function readDegrees(view: DataView, at: number): number {
  const value = view.getInt32(at, true);
  return value === NO_PLACE ? NaN : value / DEGREES;
}

// A mark of byte order at the start of a string is part of it, as in JSON.
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** A full record as bytes. Numbers are written as they are: round them before. */
export function encodeFull(full: Full): Uint8Array {
  const { id, kind, state, source, attributes, labels, fences } = full;
  const strings = [id, kind, state, source, attributes, labels, fences].map((text) => encoder.encode(text));
  let at = fullHeadBytes(full.placedAt);
  const bytes = new Uint8Array(strings.reduce((sum, { length }) => sum + length, at));
  const view = new DataView(bytes.buffer);
  putFullHead(view, 0, full, strings.map((text) => text.length) as FullLengths);
  for (const text of strings) {
    bytes.set(text, at);
    at += text.length;
  }
  return bytes;
}

/** Bytes of id, kind, state, source, attributes, labels, fences. */
export type FullLengths = [
  id: number,
  kind: number,
  state: number,
  source: number,
  attributes: number,
  labels: number,
  fences: number,
];

/** Bytes of a full record before its strings. */
export function fullHeadBytes(placedAt: number): number {
  return Number.isNaN(placedAt) ? FULL_BYTES : FULL_BYTES + PLACED_AT_BYTES;
}

/** Writes the part of a full record before its strings, which follow in the order of `lengths`. */
export function putFullHead(
  view: DataView,
  at: number,
  full: Omit<Full, "id" | "kind" | "state" | "source" | "attributes" | "labels" | "fences">,
  lengths: FullLengths,
): void {
  const [id, kind, state, source, attributes, labels, fences] = lengths;
  const bytes = fullHeadBytes(full.placedAt);
  view.setUint32(at, bytes + id + kind + state + source + attributes + labels + fences, true);
  view.setUint32(at + 4, full.handle, true);
  view.setUint32(at + 8, full.epoch, true);
  view.setUint32(at + 12, full.seq, true);
  view.setFloat64(at + 16, full.t, true);
  view.setFloat64(at + 24, full.received, true);
  putDegrees(view, at + 32, full.lon);
  putDegrees(view, at + 36, full.lat);
  view.setFloat64(at + 40, full.alt, true);
  view.setFloat64(at + 48, full.speed, true);
  view.setFloat64(at + 56, full.course, true);
  view.setFloat64(at + 64, full.heading, true);
  view.setFloat64(at + 72, full.accuracy, true);
  view.setUint16(at + 80, id, true);
  view.setUint16(at + 82, kind, true);
  view.setUint16(at + 84, state, true);
  view.setUint16(at + 86, source, true);
  view.setUint32(at + 88, attributes, true);
  view.setUint32(at + 92, labels, true);
  view.setUint8(at + 96, full.liveness);
  const isPlacedBefore = bytes > FULL_BYTES;
  view.setUint8(at + 97, (full.implausible ? IMPLAUSIBLE_FLAG : 0) | (isPlacedBefore ? PLACED_AT_FLAG : 0));
  view.setUint16(at + 98, fences, true);
  if (isPlacedBefore) view.setFloat64(at + FULL_BYTES, full.placedAt, true);
}

/** Reads a full record. @returns it and where the next one begins. @throws LayoutError */
export function readFull(view: DataView, at: number, end: number): { full: Full; next: number } {
  if (at + FULL_BYTES > end) throw new LayoutError("a full record is cut off");
  const next = at + view.getUint32(at, true);
  const lengths = [80, 82, 84, 86]
    .map((offset) => view.getUint16(at + offset, true))
    .concat(view.getUint32(at + 88, true), view.getUint32(at + 92, true), view.getUint16(at + 98, true));
  const flags = view.getUint8(at + 97);
  if ((flags & ~FULL_FLAGS) !== 0) throw new LayoutError(`flags ${flags} of a record are not known`);
  const isPlacedBefore = (flags & PLACED_AT_FLAG) !== 0;
  const start = at + FULL_BYTES + (isPlacedBefore ? PLACED_AT_BYTES : 0);
  if (next > end || lengths.reduce((sum, length) => sum + length, start) !== next)
    throw new LayoutError("a full record's strings do not make up its length");
  const liveness = view.getUint8(at + 96);
  if (LIVENESS_NAMES[liveness] === undefined) throw new LayoutError(`liveness ${liveness} is not known`);
  const placedAt = isPlacedBefore ? view.getFloat64(at + FULL_BYTES, true) : NaN;
  if (isPlacedBefore && Number.isNaN(placedAt)) throw new LayoutError("the time of a place is not a number");
  const texts = new TextReader(view, start);
  const [id, kind, state, source, attributes, labels, fences] = lengths.map((length) => texts.next(length));
  const full: Full = {
    handle: view.getUint32(at + 4, true),
    epoch: view.getUint32(at + 8, true),
    seq: view.getUint32(at + 12, true),
    t: view.getFloat64(at + 16, true),
    placedAt,
    received: view.getFloat64(at + 24, true),
    lon: readDegrees(view, at + 32),
    lat: readDegrees(view, at + 36),
    alt: view.getFloat64(at + 40, true),
    speed: view.getFloat64(at + 48, true),
    course: view.getFloat64(at + 56, true),
    heading: view.getFloat64(at + 64, true),
    accuracy: view.getFloat64(at + 72, true),
    liveness,
    implausible: (flags & IMPLAUSIBLE_FLAG) !== 0,
    ...{ id, kind, state, source, attributes, labels, fences },
  };
  return { full, next };
}

/** Reads strings that stand one after the other. */
export class TextReader {
  readonly #view: DataView;
  #at: number;

  constructor(view: DataView, at: number) {
    this.#view = view;
    this.#at = at;
  }

  /** The next string, of so many bytes. @throws LayoutError if it is not UTF-8 */
  next(length: number): string {
    if (length === 0) return "";
    const bytes = new Uint8Array(this.#view.buffer, this.#view.byteOffset + this.#at, length);
    this.#at += length;
    try {
      return decoder.decode(bytes);
    } catch {
      throw new LayoutError("a string is not UTF-8");
    }
  }
}

export function putCell(view: DataView, at: number, { count, lon, lat }: Cell): void {
  view.setUint32(at, count, true);
  view.setInt32(at + 4, Math.round(lon * DEGREES), true);
  view.setInt32(at + 8, Math.round(lat * DEGREES), true);
}

export function readCell(view: DataView, at: number): Cell {
  return {
    count: view.getUint32(at, true),
    lon: view.getInt32(at + 4, true) / DEGREES,
    lat: view.getInt32(at + 8, true) / DEGREES,
  };
}
