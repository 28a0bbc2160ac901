/**
 * Writes segments as rows, fenced like a flush. A row that is there already, after a crash or an answer that was lost, is the same and stays.
 *
 * Inputs: incarnation, gen, all paths one after the other, then lists with an entry for each row: entity, first, last and recorded (Unix ms), hold, where
 * its path is (from 1) and how long, speed, course (lists as text), kind, state, attributes (JSON text), labels and fences (JSON text or empty).
 */
import type { PoolClient } from "pg";
import { pathBytes, samplesText, writePath } from "../../tracks/path.ts";
import type { Segment } from "../../tracks/segment.ts";
import type { FenceKey } from "../fence.ts";
import { listOf, listOfTexts } from "../list-text.ts";

const SQL = `
WITH held AS MATERIALIZED (
  SELECT 1 FROM fence WHERE incarnation = $1 AND gen = $2 AND NOT down FOR SHARE
), written AS (
  INSERT INTO track (entity, first, recorded, hold, t_range, path, speed, course, kind, state, attributes, labels, fences)
  SELECT entity, to_timestamp(first / 1000), to_timestamp(recorded / 1000), hold,
    tstzrange(to_timestamp(first / 1000), to_timestamp(last / 1000)), substring($3::bytea FROM at FOR length)::geometry,
    speed::smallint[], course::smallint[], kind, state, attributes::jsonb,
    CASE WHEN labels = '' THEN '{}' ELSE ARRAY(SELECT json_array_elements_text(labels::json)) END,
    CASE WHEN fences = '' THEN '{}' ELSE ARRAY(SELECT json_array_elements_text(fences::json)) END
  FROM held, unnest($4::text[], $5::float8[], $6::float8[], $7::float8[], $8::bool[], $9::int[], $10::int[], $11::text[], $12::text[],
    $13::text[], $14::text[], $15::text[], $16::text[], $17::text[])
    AS row (entity, first, last, recorded, hold, at, length, speed, course, kind, state, attributes, labels, fences)
  ON CONFLICT DO NOTHING
)
SELECT FROM held`;

/** @returns false if the fence does not stand any more. */
export async function insertSegments(
  client: PoolClient,
  key: FenceKey,
  segments: readonly Segment[],
): Promise<boolean> {
  const lengths = segments.map(({ points }) => pathBytes(points.length));
  const paths = Buffer.allocUnsafe(lengths.reduce((sum, length) => sum + length, 0));
  const view = new DataView(paths.buffer, paths.byteOffset, paths.byteLength);
  let at = 0;
  const places = segments.map(({ points }, i) => {
    const place = at;
    writePath(points, view, place);
    at += lengths[i];
    return place + 1;
  });
  const result = await client.query({
    name: "insert-segments",
    text: SQL,
    values: [
      key.incarnation,
      key.gen,
      paths,
      listOfTexts(segments.map(({ id }) => id)),
      listOf(segments.map(({ points }) => points[0].t)),
      listOf(segments.map(({ points }) => points.at(-1)!.t)),
      listOf(segments.map(({ recorded }) => recorded)),
      listOf(segments.map(({ hold }) => hold)),
      listOf(places),
      listOf(lengths),
      listOfTexts(segments.map(({ points }) => samplesText(points, "speed"))),
      listOfTexts(segments.map(({ points }) => samplesText(points, "course"))),
      listOfTexts(segments.map(({ kind }) => kind)),
      listOfTexts(segments.map(({ state }) => state)),
      listOfTexts(segments.map(({ attributes }) => (attributes === "" ? "{}" : attributes))),
      listOfTexts(segments.map(({ labels }) => textOf(labels))),
      listOfTexts(segments.map(({ fences }) => textOf(fences))),
    ],
  });
  return result.rowCount === 1;
}

function textOf(names: readonly string[]): string {
  return names.length === 0 ? "" : JSON.stringify(names);
}
