/**
 * The newest versions of segments that late points may fall into: of each entity those that reach into, or are next to, a stretch of time, or the first of them.
 *
 * Inputs: lists with an entry for each entity: id, from, to (Unix ms); how many begin within, of each.
 */
import type { PoolClient } from "pg";
import type { Segment } from "../../tracks/segment.ts";
import { type SegmentRow, segmentOfRow, VALUES } from "./segment-row.ts";

/** With one segment before and one after. */
const SQL = `
SELECT ${VALUES} FROM unnest($1::text[], $2::float8[], $3::float8[]) AS wanted (id, low, high)
CROSS JOIN LATERAL (
  (SELECT DISTINCT ON (first) * FROM track WHERE entity = id AND first > to_timestamp(low / 1000) AND first <= to_timestamp(high / 1000)
    ORDER BY first, recorded DESC LIMIT $4)
  UNION ALL
  (SELECT * FROM track WHERE entity = id AND first <= to_timestamp(low / 1000) AND first > to_timestamp(low / 1000) - interval '1 day'
    ORDER BY first DESC, recorded DESC LIMIT 1)
  UNION ALL
  (SELECT * FROM track WHERE entity = id AND first > to_timestamp(high / 1000) AND first < to_timestamp(high / 1000) + interval '1 day'
    ORDER BY first, recorded DESC LIMIT 1)
) AS t ORDER BY entity, first`;

/** What is known of an entity around late points. */
export interface Around {
  /** By ascending time. */
  segments: Segment[];
  /** More begin from this time on, Unix ms; ∞ = that is all. */
  until: number;
}

/** By id, each of them once. @param limit segments that begin within the stretch of each, at most; one at least. */
export async function segmentsAround(
  client: PoolClient,
  wanted: readonly { id: string; from: number; to: number }[],
  limit: number,
): Promise<Map<string, Around>> {
  const { rows } = await client.query<SegmentRow>(SQL, [
    wanted.map(({ id }) => id),
    wanted.map(({ from }) => from),
    wanted.map(({ to }) => to),
    limit,
  ]);
  const byId = Map.groupBy(rows.map(segmentOfRow), ({ id }) => id);
  return new Map(wanted.map(({ id, from, to }) => [id, around(byId.get(id) ?? [], from, to, limit)]));
}

function around(found: Segment[], from: number, to: number, limit: number): Around {
  const within = found.filter(({ points: [{ t }] }) => t > from && t <= to);
  if (within.length < limit) return { segments: found, until: Infinity };
  const until = within.at(-1)!.points[0].t;
  return { segments: found.filter(({ points: [{ t }] }) => t <= until), until };
}
