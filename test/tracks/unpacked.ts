/** Segments that are packed, as they were before. */
import assert from "node:assert/strict";
import type { PackedSegments } from "../../src/tracks/packed-segments.ts";
import { readPath } from "../../src/tracks/path.ts";
import type { Segment } from "../../src/tracks/segment.ts";

export function unpacked({ list, paths }: PackedSegments): Segment[] {
  return list.map(({ id, recorded, hold, description, path }) => {
    const { kind, state, attributes, labels, fences } = description;
    const speed = path.hasSpeed ? text(paths.speeds(path, path)) : null;
    const course = path.hasCourse ? text(paths.courses(path, path)) : null;
    const points = readPath(paths.paths(path, path), speed, course);
    assert.equal(points.length, path.points);
    assert.deepEqual([path.first, path.last], [points[0].t, points.at(-1)!.t]);
    return { id, recorded, hold, kind, state, attributes, labels, fences, points };
  });
}

function text(elements: Uint8Array): string {
  const view = new DataView(elements.buffer, elements.byteOffset, elements.byteLength);
  return Array.from({ length: elements.length / 6 }, (_, i) => {
    assert.equal(view.getInt32(6 * i), 2);
    return view.getInt16(6 * i + 4);
  }).join();
}
