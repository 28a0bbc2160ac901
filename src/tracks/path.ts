/**
 * The points of a segment as PostGIS takes and gives them: EWKB of a LineStringZM in WGS 84 (little-endian; OGC 06-103r4 with PostGIS's flags for Z,
 * M and SRID), M in Unix seconds; and speed and course as lists of whole numbers, tenths, −1 = unknown.
 */
import assert from "node:assert/strict";
import type { TrackPoint } from "./segment.ts";

const LINE_STRING_ZM_SRID = (2 | 0x80000000 | 0x40000000 | 0x20000000) >>> 0;
const SRID = 4_326;
const HEAD_BYTES = 13;
const POINT_BYTES = 32;

/** Bytes of a path of so many points. */
export function pathBytes(count: number): number {
  return HEAD_BYTES + POINT_BYTES * count;
}

/** Writes a path at `at`. */
export function writePath(points: readonly TrackPoint[], view: DataView, at: number): void {
  view.setUint8(at, 1);
  view.setUint32(at + 1, LINE_STRING_ZM_SRID, true);
  view.setUint32(at + 5, SRID, true);
  view.setUint32(at + 9, points.length, true);
  let next = at + HEAD_BYTES;
  for (const { lon, lat, alt, t } of points) {
    view.setFloat64(next, lon, true);
    view.setFloat64(next + 8, lat, true);
    view.setFloat64(next + 16, alt, true);
    view.setFloat64(next + 24, t / 1_000, true);
    next += POINT_BYTES;
  }
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

/** One of the two lists as PostgreSQL reads it; `null` = unknown at all points. */
export function samplesText(points: readonly TrackPoint[], name: "speed" | "course"): string | null {
  const samples = points.map((point) => (Number.isNaN(point[name]) ? -1 : Math.round(point[name] * 10)));
  return samples.every((one) => one < 0) ? null : `{${samples.join()}}`;
}
