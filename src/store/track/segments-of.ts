/**
 * The segments of an entity that reach into a stretch of time, of each the version that counted, by ascending time.
 *
 * Inputs: entity, from, to, known (Unix s), first point after which to go on (Unix s), limit.
 */
import type { PoolClient } from "pg";
import type { TrackQuery } from "../../tracks/ports.ts";
import type { Segment } from "../../tracks/segment.ts";
import { type SegmentRow, segmentOfRow, VALUES } from "./segment-row.ts";

const SQL = `
SELECT ${VALUES} FROM (
  SELECT DISTINCT ON (first) * FROM track
  WHERE entity = $1 AND first > greatest(to_timestamp($5), to_timestamp($2) - interval '1 day') AND first <= to_timestamp($3)
    AND recorded <= to_timestamp($4)
  ORDER BY first, recorded DESC
) AS t WHERE upper(t.t_range) >= to_timestamp($2) ORDER BY t.first LIMIT $6`;

export async function segmentsOf(
  client: PoolClient,
  { id, from, to, known = Infinity, after, limit }: TrackQuery & { after: number; limit: number },
): Promise<Segment[]> {
  const values = [id, from / 1_000, to / 1_000, known / 1_000, after / 1_000, limit];
  const { rows } = await client.query<SegmentRow>({ name: "segments-of", text: SQL, values });
  return rows.map(segmentOfRow);
}
