/**
 * Points and ends of segments as bytes: what is in no row yet lies in memory and in checkpoints as these records, one after the other.
 * Little-endian: tag u8, number varint, then by tag.
 *
 * A point: bytes back to the entity's point before it (0 = none) varint, t f64, lon and lat i32 (1e-7°), if `ALT` alt f32, if `MOTION` speed u16 (0.1
 * m/s) and course u16 (0.1°), if `STATE` state u8 and recorded f64. A late one has received f64 in their place.
 * An end: recorded f64 of the segment, recorded f64 of what follows, if `HOLD` until f64, four strings, and if `FENCES` a fifth.
 * A change: as the end of a hold until then, which is not yet; if `LABELS` with labels alone, and empty strings.
 * If `ALONE`, those that wait are no more.
 */
import { ByteReader, ByteWriter, putVarint } from "../actors/bytes.ts";
import type { Description, TrackPoint } from "./segment.ts";

export const POINT = 0;
export const END = 1;
export const LATE = 2;
export const CHANGE = 3;
const TAGS = 3;
const ALT = 4;
const MOTION = 8;
/** The point says in which state the open segment is from now on. */
export const STATE = 16;
/** A segment begins with the point; with an end, another one that is recorded when its last point says, and not when the next comes. */
export const BEGIN = 32;
/** The end is that of a hold. */
export const HOLD = 64;
/** The change tells labels alone: it was while nothing was open. */
export const LABELS = 4;
/** The change takes the place of all of the entity that wait. */
export const ALONE = 8;
/** The end tells fences. Most have none, and none had any at first. */
const FENCES = 128;

const DEGREE = 1e7;
const UNKNOWN = 0xffff;
const MAX_SPEED = 32_767;
/** What a point takes at most. */
const POINT_BYTES = 56;

const SCRATCH = new ByteWriter(POINT_BYTES);

export const NOWHERE: TrackPoint = { t: NaN, lon: NaN, lat: NaN, alt: NaN, speed: NaN, course: NaN };

export const NO_DESCRIPTION: Description = { kind: "", state: "", attributes: "", labels: [], fences: [] };

/** Of a report. NaN = unknown. */
export type Motion = Pick<TrackPoint, "lon" | "lat" | "alt" | "speed" | "course">;

export interface PointRecord {
  tag: number;
  number: number;
  /** Bytes between the begin of this and of the one before. */
  back: number;
  point: TrackPoint;
  state: number;
  /** Or when it was received, if it is late. */
  recorded: number;
}

export interface EndRecord extends Description {
  tag: number;
  number: number;
  recorded: number;
  nextRecorded: number;
  /** NaN = no hold. Of a change when it is. */
  until: number;
}

export function writePoint(
  out: ByteWriter,
  tag: number,
  number: number,
  back: number,
  t: number,
  { lon, lat, alt, speed, course }: Motion,
  state: number,
  recorded: number,
): void {
  let flags = tag;
  if (!Number.isNaN(alt)) flags |= ALT;
  if (!Number.isNaN(speed) || !Number.isNaN(course)) flags |= MOTION;
  const view = out.room(POINT_BYTES);
  view.setUint8(out.length, flags);
  let at = putVarint(view, out.length + 1, number);
  at = putVarint(view, at, back);
  view.setFloat64(at, t, true);
  view.setInt32(at + 8, Math.round(lon * DEGREE), true);
  view.setInt32(at + 12, Math.round(lat * DEGREE), true);
  at += 16;
  if (flags & ALT) {
    view.setFloat32(at, alt, true);
    at += 4;
  }
  if (flags & MOTION) {
    view.setUint16(at, Number.isNaN(speed) ? UNKNOWN : Math.min(MAX_SPEED, Math.round(speed * 10)), true);
    view.setUint16(at + 2, Number.isNaN(course) ? UNKNOWN : Math.round(course * 10) % 3_600, true);
    at += 4;
  }
  if (flags & STATE) view.setUint8(at++, state);
  if (flags & STATE || (flags & TAGS) === LATE) {
    view.setFloat64(at, recorded, true);
    at += 8;
  }
  out.length = at;
}

export function writeEnd(out: ByteWriter, record: EndRecord): void {
  out.reserve(32);
  const { fences } = record;
  out.u8(fences.length === 0 ? record.tag : record.tag | FENCES);
  out.varint(record.number);
  out.f64(record.recorded);
  out.f64(record.nextRecorded);
  if (record.tag & HOLD) out.f64(record.until);
  out.string(record.kind);
  out.string(record.state);
  out.string(record.attributes);
  out.string(record.labels.length === 0 ? "" : JSON.stringify(record.labels));
  if (fences.length > 0) out.string(JSON.stringify(fences));
}

export function tagOf(tag: number): number {
  return tag & TAGS;
}

/** Reads one record, of any sort; `tagOf` of its tag says which. */
export function readRecord(input: ByteReader): PointRecord | EndRecord {
  const tag = input.u8();
  const number = input.varint();
  return isEndTag(tag) ? readEnd(input, tag, number) : readPoint(input, tag, number);
}

/** Whether it is an end, or a change. */
export function isEnd(record: PointRecord | EndRecord): record is EndRecord {
  return isEndTag(record.tag);
}

function isEndTag(tag: number): boolean {
  return tagOf(tag) === END || tagOf(tag) === CHANGE;
}

function readPoint(input: ByteReader, tag: number, number: number): PointRecord {
  const back = input.varint();
  const point = readTrackPoint(input, tag);
  const state = tag & STATE ? input.u8() : 0;
  const recorded = tag & STATE || tagOf(tag) === LATE ? input.f64() : NaN;
  return { tag, number, back, point, state, recorded };
}

function readTrackPoint(input: ByteReader, tag: number, into = { ...NOWHERE }): TrackPoint {
  into.t = input.f64();
  into.lon = input.i32() / DEGREE;
  into.lat = input.i32() / DEGREE;
  into.alt = tag & ALT ? input.f32() : NaN;
  const speed = tag & MOTION ? input.u16() : UNKNOWN;
  const course = tag & MOTION ? input.u16() : UNKNOWN;
  into.speed = speed === UNKNOWN ? NaN : speed / 10;
  into.course = course === UNKNOWN ? NaN : course / 10;
  return into;
}

/** Reads the point of a record that is one of a point, in place of what `into` says. */
export function readPointInto(input: ByteReader, into: TrackPoint): void {
  const tag = input.u8();
  input.varint();
  input.varint();
  readTrackPoint(input, tag, into);
}

/** Where records are read, each by its place. */
export interface Records {
  at(place: number): ByteReader;
}

/** The points of the last `count` records of an entity up to the one at `last`, in the order in which they came. */
export function readPoints(records: Records, last: number, count: number): TrackPoint[] {
  const points = new Array<TrackPoint>(count);
  let at = last;
  for (let i = count - 1; i >= 0; i--) {
    const input = records.at(at);
    const tag = input.u8();
    input.varint();
    at -= input.varint();
    points[i] = readTrackPoint(input, tag);
  }
  return points;
}

/** Whether one of the last `most` records of an entity up to the one at `last` is of this very point. */
export function hasPoint(records: Records, last: number, most: number, t: number, motion: Motion): boolean {
  const sought = asKept(t, motion);
  let at = last;
  for (let looked = 0; looked < most; looked++) {
    const input = records.at(at);
    const tag = input.u8();
    input.varint();
    const back = input.varint();
    const begin = input.at;
    if (input.f64() === t) {
      input.at = begin;
      if (isSameMotion(readTrackPoint(input, tag), sought)) return true;
    }
    // What is before the first record was dropped.
    if (back === 0 || back > at) break;
    at -= back;
  }
  return false;
}

/** A point as it is read again. */
function asKept(t: number, motion: Motion): TrackPoint {
  SCRATCH.clear();
  writePoint(SCRATCH, POINT, 0, 0, t, motion, 0, NaN);
  return (readRecord(new ByteReader(SCRATCH.bytes)) as PointRecord).point;
}

function isSameMotion(a: Motion, b: Motion): boolean {
  return (
    a.lon === b.lon &&
    a.lat === b.lat &&
    Object.is(a.alt, b.alt) &&
    Object.is(a.speed, b.speed) &&
    Object.is(a.course, b.course)
  );
}

/** Where these records begin. */
export function findPoints(records: Records, last: number, count: number, into: Uint32Array): void {
  let at = last;
  for (let i = count - 1; i >= 0; i--) {
    into[i] = at;
    at -= backOf(records.at(at));
  }
}

/** Bytes from the entity's point before that of this record. */
export function backOf(input: ByteReader): number {
  input.u8();
  input.varint();
  return input.varint();
}

/** Writes what the record of a point says of the point alone. @returns its time. */
export function copyPoint(input: ByteReader, out: ByteWriter, number: number, back: number): number {
  const tag = input.u8() & (ALT | MOTION);
  input.varint();
  input.varint();
  const t = input.f64();
  out.reserve(POINT_BYTES);
  out.u8(POINT | tag);
  out.varint(number);
  out.varint(back);
  out.f64(t);
  out.u32(input.u32());
  out.u32(input.u32());
  if (tag & ALT) out.u32(input.u32());
  if (tag & MOTION) out.u32(input.u32());
  return t;
}

function readEnd(input: ByteReader, tag: number, number: number): EndRecord {
  const recorded = input.f64();
  const nextRecorded = input.f64();
  const until = tag & HOLD ? input.f64() : NaN;
  const kind = input.string();
  const state = input.string();
  const attributes = input.string();
  const labels = input.string();
  return {
    ...{ tag, number, recorded, nextRecorded, until, kind, state, attributes },
    labels: labels === "" ? [] : (JSON.parse(labels) as string[]),
    fences: tag & FENCES ? (JSON.parse(input.string()) as string[]) : [],
  };
}
