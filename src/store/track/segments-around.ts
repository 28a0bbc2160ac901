/**
 * The newest versions of segments that late points may fall into: of each entity those that reach into, or are next to, a stretch of time.
 *
 * Inputs: lists with an entry for each entity: id, from, to (Unix ms).
 */
import type { PoolClient } from "pg";
import type { Segment } from "../../tracks/segment.ts";
import { type SegmentRow, segmentOfRow, VALUES } from "./segment-row.ts";

/** With one segment before and one after. */
const SQL = `
SELECT ${VALUES} FROM unnest($1::text[], $2::float8[], $3::float8[]) AS wanted (id, low, high)
CROSS JOIN LATERAL (
  (SELECT DISTINCT ON (first) * FROM track WHERE entity = id AND first > to_timestamp(low / 1000) AND first <= to_timestamp(high / 1000)
    ORDER BY first, recorded DESC)
  UNION ALL
  (SELECT * FROM track WHERE entity = id AND first <= to_timestamp(low / 1000) AND first > to_timestamp(low / 1000) - interval '1 day'
    ORDER BY first DESC, recorded DESC LIMIT 1)
  UNION ALL
  (SELECT * FROM track WHERE entity = id AND first > to_timestamp(high / 1000) AND first < to_timestamp(high / 1000) + interval '1 day'
    ORDER BY first, recorded DESC LIMIT 1)
) AS t ORDER BY entity, first`;

/** By id, each by ascending time. */
export async function segmentsAround(
  client: PoolClient,
  wanted: readonly { id: string; from: number; to: number }[],
): Promise<Map<string, Segment[]>> {
  const { rows } = await client.query<SegmentRow>(SQL, [
    wanted.map(({ id }) => id),
    wanted.map(({ from }) => from),
    wanted.map(({ to }) => to),
  ]);
  return Map.groupBy(rows.map(segmentOfRow), ({ id }) => id);
}
