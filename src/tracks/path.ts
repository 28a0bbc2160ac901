/**
 * The points of a segment as PostGIS takes and gives them: EWKB of a LineStringZM in WGS 84 (little-endian; OGC 06-103r4 with PostGIS's flags for Z,
 * M and SRID), M in Unix seconds; and speed and course as lists of whole numbers, tenths, −1 = unknown: elements of `smallint[]` in PostgreSQL's binary
 * format (big-endian; a length, then the number), or text.
 */
import assert from "node:assert/strict";
import { ByteWriter } from "../actors/bytes.ts";
import { type TrackPoint, unwrapLongitude } from "./segment.ts";

const LINE_STRING_ZM_SRID = (2 | 0x80000000 | 0x40000000 | 0x20000000) >>> 0;
const SRID = 4_326;
export const HEAD_BYTES = 13;
export const POINT_BYTES = 32;
const SAMPLE_BYTES = 6;

/** Where a path is among those of a `PathWriter`. */
export interface PathPlace {
  /** Where its bytes begin, and where they end. */
  at: number;
  end: number;
  /** Which of all points is its first, and how many it has. */
  firstPoint: number;
  points: number;
  /** Times of its first and its last point, Unix ms. */
  first: number;
  last: number;
  /** Whether it is known at one of its points. */
  hasSpeed: boolean;
  hasCourse: boolean;
}

/** Writes paths one after the other, point by point. */
export class PathWriter {
  readonly #paths = new ByteWriter(0);
  readonly #speeds = new ByteWriter(0);
  readonly #courses = new ByteWriter(0);
  /** Of the paths that were ended: their bytes, and how many points they have. */
  #end = 0;
  #points = 0;
  #first = NaN;
  #last = -Infinity;
  #lon = NaN;
  #isInOrder = true;
  #hasSpeed = false;
  #hasCourse = false;

  /** Starts again with the same memory. */
  clear(): void {
    this.#end = this.#points = 0;
  }

  /** Begins a path, in place of one that was not ended. */
  begin(): void {
    this.#paths.length = this.#end;
    this.#paths.reserve(HEAD_BYTES);
    this.#paths.length += HEAD_BYTES;
    this.#speeds.length = this.#courses.length = SAMPLE_BYTES * this.#points;
    this.#last = -Infinity;
    this.#isInOrder = true;
    this.#hasSpeed = this.#hasCourse = false;
  }

  /** Adds a point. A longitude is taken so that there is no jump at 180°. */
  add({ t, lon, lat, alt, speed, course }: TrackPoint): void {
    if (t <= this.#last) this.#isInOrder = false;
    const isFirst = this.#last === -Infinity;
    if (isFirst) this.#first = t;
    this.#last = t;
    this.#lon = isFirst ? lon : unwrapLongitude(lon, this.#lon);
    const view = this.#paths.room(POINT_BYTES);
    const at = this.#paths.length;
    view.setFloat64(at, this.#lon, true);
    view.setFloat64(at + 8, lat, true);
    view.setFloat64(at + 16, alt, true);
    view.setFloat64(at + 24, t / 1_000, true);
    this.#paths.length = at + POINT_BYTES;
    this.#hasSpeed = writeSample(this.#speeds, speed) || this.#hasSpeed;
    this.#hasCourse = writeSample(this.#courses, course) || this.#hasCourse;
  }

  /** Whether each point of the path that was begun is after the one before. */
  get isInOrder(): boolean {
    return this.#isInOrder;
  }

  /** Ends the path, which has a point. */
  end(): PathPlace {
    const at = this.#end;
    const firstPoint = this.#points;
    this.#end = this.#paths.length;
    const points = (this.#end - at - HEAD_BYTES) / POINT_BYTES;
    this.#points += points;
    const view = this.#paths.room(0);
    view.setUint8(at, 1);
    view.setUint32(at + 1, LINE_STRING_ZM_SRID, true);
    view.setUint32(at + 5, SRID, true);
    view.setUint32(at + 9, points, true);
    return {
      ...{ at, end: this.#end, firstPoint, points, first: this.#first, last: this.#last },
      ...{ hasSpeed: this.#hasSpeed, hasCourse: this.#hasCourse },
    };
  }

  /** The bytes of the paths from one to another: a view, until the next is begun. */
  paths(from: PathPlace, to: PathPlace): Uint8Array {
    return this.#paths.bytes.subarray(from.at, to.end);
  }

  /** The speeds at the points of the paths from one to another, as `paths`. */
  speeds(from: PathPlace, to: PathPlace): Uint8Array {
    return samples(this.#speeds, from, to);
  }

  /** As `speeds`. */
  courses(from: PathPlace, to: PathPlace): Uint8Array {
    return samples(this.#courses, from, to);
  }
}

function samples({ bytes }: ByteWriter, from: PathPlace, to: PathPlace): Uint8Array {
  return bytes.subarray(SAMPLE_BYTES * from.firstPoint, SAMPLE_BYTES * (to.firstPoint + to.points));
}

/** @returns whether it is known. */
function writeSample(out: ByteWriter, value: number): boolean {
  const isKnown = !Number.isNaN(value);
  const view = out.room(SAMPLE_BYTES);
  view.setInt32(out.length, 2);
  view.setInt16(out.length + 4, isKnown ? Math.round(value * 10) : -1);
  out.length += SAMPLE_BYTES;
  return isKnown;
}

/** The points of a path. @param speed numbers with commas between them, as `course`; `null` = unknown at all points. */
export function readPath(path: Uint8Array, speed: string | null, course: string | null): TrackPoint[] {
  const speeds = speed?.split(",");
  const courses = course?.split(",");
  const view = new DataView(path.buffer, path.byteOffset, path.byteLength);
  assert.equal(view.getUint32(1, true), LINE_STRING_ZM_SRID, "a path is a LineStringZM with an SRID");
  const count = view.getUint32(9, true);
  return Array.from({ length: count }, (_, i) => {
    const at = HEAD_BYTES + POINT_BYTES * i;
    return {
      t: Math.round(view.getFloat64(at + 24, true) * 1_000),
      lon: view.getFloat64(at, true),
      lat: view.getFloat64(at + 8, true),
      alt: view.getFloat64(at + 16, true),
      speed: sample(speeds, i),
      course: sample(courses, i),
    };
  });
}

function sample(samples: readonly string[] | undefined, i: number): number {
  const value = Number(samples?.[i] ?? -1);
  return value < 0 ? NaN : value / 10;
}
