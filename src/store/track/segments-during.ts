/**
 * The segments that reach into a stretch of time, of each the version that counts, and whose path's bounds meet a box; in order of id and first point.
 *
 * Inputs: from, to (Unix s), ids (null = all), id and first point (Unix s) after which to go on, limit; west, south, east, north with west ≤ east.
 *
 * Rows reach one day back at most.
 */
import type { PoolClient } from "pg";
import type { StretchQuery } from "../../tracks/ports.ts";
import type { Segment } from "../../tracks/segment.ts";
import type { Stretch } from "../../tracks/stretch.ts";
import { NEAR, newest } from "./segment-conditions.ts";
import { type SegmentRow, segmentOfRow, VALUES } from "./segment-row.ts";

const sql = (near: string) => `
SELECT ${VALUES} FROM track t
WHERE t.t_range && tstzrange(to_timestamp($1), to_timestamp($2), '[]')
  AND t.first <= to_timestamp($2) AND t.first > to_timestamp($1) - interval '1 day'
  AND ${newest()}
  AND ($3::text[] IS NULL OR t.entity = ANY ($3))
  AND ($4::text IS NULL OR (t.entity, t.first) > ($4, to_timestamp($5)))
  ${near}
ORDER BY t.entity, t.first LIMIT $6`;

const ANYWHERE = sql("");
const IN_BOX = sql(NEAR);

export async function segmentsDuring(
  client: PoolClient,
  query: StretchQuery & { after?: Pick<Stretch, "id" | "first">; limit: number },
): Promise<Segment[]> {
  const { from, to, ids = null, after, limit, region } = query;
  const values: unknown[] = [
    from / 1_000,
    to / 1_000,
    ids,
    after?.id ?? null,
    (after?.first ?? 0) / 1_000,
    limit,
  ];
  if (region === undefined) {
    const { rows } = await client.query<SegmentRow>({ name: "segments-during", text: ANYWHERE, values });
    return rows.map(segmentOfRow);
  }
  const { west, south, east, north } = region;
  const { rows } = await client.query<SegmentRow>({
    name: "segments-during-in-box",
    text: IN_BOX,
    values: [...values, west, south, east, north],
  });
  return rows.map(segmentOfRow);
}
