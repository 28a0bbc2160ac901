/**
 * Writes segments as rows, fenced like a flush. A row that is there already, after a crash or an answer that was lost, is the same and stays.
 *
 * Inputs: incarnation, gen; all paths one after the other, and speed and course at all points; then lists with an entry for each row: entity, first, last
 * and recorded (Unix ms), hold, where its path is (from 1), which of all points is its first (from 1) and how many it has, whether speed and course are
 * known, kind, state, attributes (JSON text), labels and fences (JSON text or empty).
 */
import type { PoolClient } from "pg";
import type { PackedSegments } from "../../tracks/packed-segments.ts";
import { HEAD_BYTES, POINT_BYTES } from "../../tracks/path.ts";
import { bytesOf, listOfSmallints } from "../binary-values.ts";
import type { FenceKey } from "../fence.ts";
import { listOf, listOfTexts } from "../list-text.ts";

const SQL = `
WITH held AS MATERIALIZED (
  SELECT 1 FROM fence WHERE incarnation = $1 AND gen = $2 AND NOT down FOR SHARE
), written AS (
  INSERT INTO track (entity, first, recorded, hold, t_range, path, speed, course, kind, state, attributes, labels, fences)
  SELECT entity, to_timestamp(first / 1000), to_timestamp(recorded / 1000), hold,
    tstzrange(to_timestamp(first / 1000), to_timestamp(last / 1000)),
    substring($3::bytea FROM at FOR ${HEAD_BYTES} + ${POINT_BYTES} * points)::geometry,
    CASE WHEN has_speed THEN ($4::smallint[])[point:point + points - 1] END,
    CASE WHEN has_course THEN ($5::smallint[])[point:point + points - 1] END,
    kind, state, attributes::jsonb,
    CASE WHEN labels = '' THEN '{}' ELSE ARRAY(SELECT json_array_elements_text(labels::json)) END,
    CASE WHEN fences = '' THEN '{}' ELSE ARRAY(SELECT json_array_elements_text(fences::json)) END
  FROM held, unnest($6::text[], $7::float8[], $8::float8[], $9::float8[], $10::bool[], $11::int[], $12::int[], $13::int[], $14::bool[], $15::bool[],
    $16::text[], $17::text[], $18::text[], $19::text[], $20::text[])
    AS row (entity, first, last, recorded, hold, at, point, points, has_speed, has_course, kind, state, attributes, labels, fences)
  ON CONFLICT DO NOTHING
)
SELECT FROM held`;

/** Those from one up to another. @returns false if the fence does not stand any more. */
export async function insertSegments(
  client: PoolClient,
  key: FenceKey,
  segments: PackedSegments,
  from: number,
  to: number,
): Promise<boolean> {
  const { paths } = segments;
  const rows = segments.list.slice(from, to);
  const start = rows[0].path;
  const end = rows.at(-1)!.path;
  const points = end.firstPoint + end.points - start.firstPoint;
  const result = await client.query({
    name: "insert-segments",
    text: SQL,
    values: [
      key.incarnation,
      key.gen,
      bytesOf(paths.paths(start, end)),
      listOfSmallints(paths.speeds(start, end), points),
      listOfSmallints(paths.courses(start, end), points),
      listOfTexts(rows.map(({ id }) => id)),
      listOf(rows.map(({ path }) => path.first)),
      listOf(rows.map(({ path }) => path.last)),
      listOf(rows.map(({ recorded }) => recorded)),
      listOf(rows.map(({ hold }) => hold)),
      listOf(rows.map(({ path }) => path.at - start.at + 1)),
      listOf(rows.map(({ path }) => path.firstPoint - start.firstPoint + 1)),
      listOf(rows.map(({ path }) => path.points)),
      listOf(rows.map(({ path }) => path.hasSpeed)),
      listOf(rows.map(({ path }) => path.hasCourse)),
      listOfTexts(rows.map(({ description }) => description.kind)),
      listOfTexts(rows.map(({ description }) => description.state)),
      listOfTexts(rows.map(({ description }) => description.attributes || "{}")),
      listOfTexts(rows.map(({ description }) => textOf(description.labels))),
      listOfTexts(rows.map(({ description }) => textOf(description.fences))),
    ],
  });
  return result.rowCount === 1;
}

function textOf(names: readonly string[]): string {
  return names.length === 0 ? "" : JSON.stringify(names);
}
