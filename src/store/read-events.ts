/**
 * Reads the log of events after a cursor.
 *
 * Transactions commit in another order than they begin, so `id > last` loses what commits late. Rows are read in the order of (era, xid, id) and
 * only below `pg_snapshot_xmin`, the oldest transaction that is under way on the server: whatever commits later has a higher xid. Rows of eras
 * that are over are complete. The snapshot is that of the same statement.
 *
 * A cursor is that of an event, never the horizon itself: ids that a transaction took and did not flush are given again after a crash of the
 * server, and what commits then must come after all cursors. With an event's commit all ids until its own are flushed.
 *
 * Each daily partition has an index in this order, and they are merged. Two things keep the planner to that. It must not see the cursor: of three
 * columns it judges the first alone, takes almost nothing to come after, and sorted all that does (142,000 rows for 200, 68 ms). And it must
 * know that `moment` is one row, else the statement seems so costly that PostgreSQL compiles it each time, for a second.
 *
 * Inputs: cursor (era, xid, id), number of rows, subject.
 */
import type { PoolClient } from "pg";
import type { JsonObject } from "../actors/messages.ts";
import { type Cursor, compareCursors } from "../events/cursor.ts";
import type { EventPage, Moment } from "../events/ports.ts";

const MOMENT = `
SELECT c.era, pg_snapshot_xmin(s.now) AS horizon, pg_snapshot_xmin(s.now)::text::float8 AS xmin, pg_snapshot_xmax(s.now)::text::float8 AS xmax,
  f.era AS floor_era, f.xid::text::float8 AS floor_xid, f.id::float8 AS floor_id
FROM cluster c, event_floor f, pg_current_snapshot() AS s (now) LIMIT 1`;
/** The newest event that may be read at moment `m`. */
const LAST = `
LEFT JOIN LATERAL (
  SELECT e.era AS last_era, e.xid::text::float8 AS last_xid, e.id::float8 AS last_id FROM event e
  WHERE (e.era, e.xid) < (m.era, m.horizon) ORDER BY e.era DESC, e.xid DESC, e.id DESC LIMIT 1
) l ON true`;
export const MOMENT_AND_LAST = `WITH moment AS MATERIALIZED (${MOMENT}) SELECT m.*, l.* FROM moment m ${LAST}`;
const pageOf = (condition: string, last = { columns: "", join: "" }) => `
WITH moment AS MATERIALIZED (${MOMENT}), place AS MATERIALIZED (SELECT $1::int AS era, $2::text::xid8 AS xid, $3::bigint AS id)
SELECT m.*${last.columns}, e.event_era, e.xid::text::float8 AS xid, e.id::float8 AS id, e.type, e.subject, extract(epoch FROM e.time)::float8 * 1000 AS time, e.data
FROM moment m CROSS JOIN place p ${last.join} LEFT JOIN LATERAL (
  SELECT era AS event_era, xid, id, type, subject, time, data FROM event
  WHERE (era, xid, id) > (p.era, p.xid, p.id) AND (era, xid) < (m.era, m.horizon)${condition}
  ORDER BY era, xid, id LIMIT $4
) e ON true ORDER BY e.event_era, e.xid, e.id`;
export const PAGE = pageOf("");
const PAGE_OF_SUBJECT = pageOf(" AND subject = $5", { columns: ", l.*", join: LAST });

interface MomentRow {
  era: number;
  xmin: number;
  xmax: number;
  floor_era: number;
  floor_xid: number;
  floor_id: number;
}

interface LastRow extends MomentRow {
  /** Null if no event is left. */
  last_era: number | null;
  last_xid: number;
  last_id: number;
}

interface EventRow extends LastRow {
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
  const { rows } = await client.query<LastRow>({ name: "read-moment", text: MOMENT_AND_LAST });
  const moment = momentOf(rows[0]!);
  return { ...moment, end: lastOf(rows[0]!) ?? moment.floor };
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
  const read = events.at(-1)?.cursor ?? after;
  // The last event of one entity may be long before that of the log.
  const end = more || subject === undefined ? undefined : lastOf(rows[0]!);
  const next = end !== undefined && compareCursors(end, read) > 0 ? end : read;
  return { ...moment, events, more, next };
}

function momentOf({ era, xmin, xmax, floor_era, floor_xid, floor_id }: MomentRow): Omit<Moment, "end"> {
  return {
    horizon: { era, xid: xmin, id: 0 },
    floor: { era: floor_era, xid: floor_xid, id: floor_id },
    bound: { era, xid: xmax, id: 0 },
  };
}

function lastOf({ last_era, last_xid, last_id }: LastRow): Cursor | undefined {
  return last_era === null ? undefined : { era: last_era, xid: last_xid, id: last_id };
}
