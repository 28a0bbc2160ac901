/**
 * Reads the log of events after a cursor.
 *
 * Transactions commit in another order than they begin, so `id > last` loses what commits late. Rows are read in the order of (era, xid, id) and
 * only below `pg_snapshot_xmin`, the oldest transaction that is under way on the server: whatever commits later has a higher xid. Rows of eras
 * that are over are complete. The snapshot is that of the same statement.
 *
 * Each daily partition has an index in this order, and they are merged. Two things keep the planner to that. It must not see the cursor: of three
 * columns it judges the first alone, takes almost nothing to come after, and sorted all that does (142,000 rows for 200, 68 ms). And it must
 * know that `moment` is one row, else the statement seems so costly that PostgreSQL compiles it each time, for a second.
 *
 * Inputs: cursor (era, xid, id), number of rows, subject.
 */
import type { PoolClient } from "pg";
import type { JsonObject } from "../actors/messages.ts";
import type { Cursor } from "../events/cursor.ts";
import type { EventPage, Moment } from "../events/ports.ts";

const MOMENT = `
SELECT c.era, pg_snapshot_xmin(s.now) AS horizon, pg_snapshot_xmin(s.now)::text::float8 AS xmin, pg_snapshot_xmax(s.now)::text::float8 AS xmax,
  f.era AS floor_era, f.xid::text::float8 AS floor_xid, f.id::float8 AS floor_id
FROM cluster c, event_floor f, pg_current_snapshot() AS s (now) LIMIT 1`;
const pageOf = (condition: string) => `
WITH moment AS MATERIALIZED (${MOMENT}), place AS MATERIALIZED (SELECT $1::int AS era, $2::text::xid8 AS xid, $3::bigint AS id)
SELECT m.*, e.event_era, e.xid::text::float8 AS xid, e.id::float8 AS id, e.type, e.subject, extract(epoch FROM e.time)::float8 * 1000 AS time, e.data
FROM moment m CROSS JOIN place p LEFT JOIN LATERAL (
  SELECT era AS event_era, xid, id, type, subject, time, data FROM event
  WHERE (era, xid, id) > (p.era, p.xid, p.id) AND (era < m.era OR xid < m.horizon)${condition}
  ORDER BY era, xid, id LIMIT $4
) e ON true ORDER BY e.event_era, e.xid, e.id`;
export const PAGE = pageOf("");
const PAGE_OF_SUBJECT = pageOf(" AND subject = $5");

interface MomentRow {
  era: number;
  xmin: number;
  xmax: number;
  floor_era: number;
  floor_xid: number;
  floor_id: number;
}

interface EventRow extends MomentRow {
  event_era: number;
  xid: number;
  /** Null in the one row without an event. */
  id: number | null;
  type: string;
  subject: string;
  time: number;
  data: JsonObject;
}

export async function readMoment(client: PoolClient): Promise<Moment> {
  const { rows } = await client.query<MomentRow>({ name: "read-moment", text: MOMENT });
  return momentOf(rows[0]!);
}

export async function readEvents(
  client: PoolClient,
  after: Cursor,
  limit: number,
  subject?: string,
): Promise<EventPage> {
  const values: unknown[] = [after.era, after.xid, after.id, limit];
  const query =
    subject === undefined
      ? { name: "read-events", text: PAGE, values }
      : { name: "read-events-of-subject", text: PAGE_OF_SUBJECT, values: [...values, subject] };
  const { rows } = await client.query<EventRow>(query);
  const moment = momentOf(rows[0]!);
  const events = rows
    .filter(({ id }) => id !== null)
    .map(({ event_era, xid, id, type, subject, time, data }) => ({
      cursor: { era: event_era, xid, id: id! },
      type,
      subject,
      time: Math.round(time),
      data,
    }));
  const more = events.length === limit;
  return { ...moment, events, more, next: more ? events.at(-1)!.cursor : moment.end };
}

function momentOf(row: MomentRow): Moment {
  const { era, xmin, xmax, floor_era, floor_xid, floor_id } = row;
  return {
    end: { era, xid: xmin, id: 0 },
    floor: { era: floor_era, xid: floor_xid, id: floor_id },
    bound: { era, xid: xmax, id: 0 },
  };
}
