/** A row of `track` as the other statements read it. */
import { readPath } from "../../tracks/path.ts";
import type { Segment } from "../../tracks/segment.ts";

/** Columns of `t`, a row of `track`. Samples as text: the driver takes ten times as long to read lists of numbers. */
export const VALUES = `t.entity, extract(epoch FROM t.recorded)::float8 * 1000 AS recorded, t.hold, ST_AsEWKB(t.path) AS path,
  array_to_string(t.speed, ',') AS speed, array_to_string(t.course, ',') AS course, t.kind, t.state, t.attributes::text AS attributes, t.labels, t.fences`;

export interface SegmentRow {
  entity: string;
  recorded: number;
  hold: boolean;
  path: Buffer;
  speed: string | null;
  course: string | null;
  kind: string;
  state: string;
  attributes: string;
  labels: string[];
  fences: string[];
}

export function segmentOfRow(row: SegmentRow): Segment {
  const { entity: id, recorded, hold, kind, state, labels, fences } = row;
  return {
    ...{ id, hold, kind, state, labels, fences, recorded: Math.round(recorded) },
    attributes: row.attributes === "{}" ? "" : row.attributes,
    points: readPath(row.path, row.speed, row.course),
  };
}
