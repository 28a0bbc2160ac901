/**
 * The segments at an instant, of each the version that counted, whose path's bounds meet a box; in order of id, of one id the later first. Whether the
 * entity was in the box then is for the caller to say, who has to interpolate anyway.
 *
 * Inputs: t, known (Unix s), id after which to go on, kinds, states (null = all), limit; west, south, east, north with west ≤ east.
 *
 * A row reaches one day back at most, so two partitions are read.
 */
import type { PoolClient } from "pg";
import type { ThenQuery } from "../../tracks/ports.ts";
import type { Segment } from "../../tracks/segment.ts";
import { NEAR, newest } from "./segment-conditions.ts";
import { type SegmentRow, segmentOfRow, VALUES } from "./segment-row.ts";

const sql = (near: string) => `
SELECT ${VALUES} FROM track t
WHERE t.t_range @> to_timestamp($1) AND t.first <= to_timestamp($1) AND t.first > to_timestamp($1) - interval '1 day'
  AND t.recorded <= to_timestamp($2)
  AND ${newest("AND n.recorded <= to_timestamp($2)")}
  AND ($3::text IS NULL OR t.entity > $3) AND ($4::text[] IS NULL OR t.kind = ANY ($4)) AND ($5::text[] IS NULL OR t.state = ANY ($5))
  ${near}
ORDER BY t.entity, t.first DESC LIMIT $6`;

const ANYWHERE = sql("");
const IN_BOX = sql(NEAR);

export async function segmentsAt(client: PoolClient, query: ThenQuery): Promise<Segment[]> {
  const { t, known = Infinity, bbox, kinds = null, states = null, limit, after = null } = query;
  const values: unknown[] = [t / 1_000, known / 1_000, after, kinds, states, limit];
  if (bbox === undefined) {
    const { rows } = await client.query<SegmentRow>({ name: "segments-at", text: ANYWHERE, values });
    return rows.map(segmentOfRow);
  }
  const [west, south, east, north] = bbox;
  const box = [west, south, west <= east ? east : east + 360, north];
  const { rows } = await client.query<SegmentRow>({
    name: "segments-at-in-box",
    text: IN_BOX,
    values: [...values, ...box],
  });
  return rows.map(segmentOfRow);
}
