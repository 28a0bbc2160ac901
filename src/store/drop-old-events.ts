/**
 * Retention: drops the daily partitions of events that are too old, and what is as old in the default one. Before they go, the last of them
 * becomes the floor, so that a reader that needs what is gone is told so.
 */
import type { PoolClient } from "pg";
import { MAX_BACKGROUND_ROWS } from "../limits.ts";
import { isLocked } from "./errors.ts";
import { inTransaction, type StoreContext, withClient } from "./session.ts";

/** Input: age in ms. Days that were over by then, UTC, by the clock of the database; the oldest first. */
const OLD = `
SELECT relname AS name FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid
WHERE inhparent = 'event'::regclass AND relname ~ '^event_\\d{8}$'
  AND to_date(right(relname, 8), 'YYYYMMDD') + 1 <= (now() - make_interval(secs => $1::float8 / 1000)) AT TIME ZONE 'UTC'
ORDER BY relname`;
/** Input: none. Raises the floor to the last of the rows that a name stands for. */
const raiseFloor = (rows: string) => `
UPDATE event_floor f SET era = e.era, xid = e.xid, id = e.id
FROM (SELECT era, xid, id FROM ${rows} ORDER BY era DESC, xid DESC, id DESC LIMIT 1) AS e
WHERE (e.era, e.xid, e.id) > (f.era, f.xid, f.id)`;
/** Inputs: age in ms, number of rows. */
const DELETE_DEFAULT = `
WITH old AS (
  SELECT recorded_at, id FROM event_default WHERE recorded_at < now() - make_interval(secs => $1::float8 / 1000)
  ORDER BY recorded_at, id LIMIT $2
), gone AS (
  DELETE FROM event_default e USING old WHERE e.recorded_at = old.recorded_at AND e.id = old.id RETURNING e.era, e.xid, e.id
), newest AS (SELECT era, xid, id FROM gone ORDER BY era DESC, xid DESC, id DESC LIMIT 1), floor AS (
  UPDATE event_floor f SET era = n.era, xid = n.xid, id = n.id FROM newest n WHERE (n.era, n.xid, n.id) > (f.era, f.xid, f.id)
)
SELECT count(*)::int AS count FROM gone`;
/** Dropping a partition locks the whole table. A backup may hold it for hours, and flushes must not queue up behind a lock that waits. */
const LOCK_TIMEOUT_MS = 100;

/** @param retentionMs how old an event may be. @returns what was dropped, and whether someone's lock kept more from it. */
export async function dropOldEvents(
  context: StoreContext,
  retentionMs: number,
): Promise<{ dropped: string[]; locked: boolean }> {
  const old = await withClient(context, (client) => client.query<{ name: string }>(OLD, [retentionMs]));
  const dropped: string[] = [];
  for (const { name } of old.rows) {
    if (!(await inTransaction(context, (client) => drop(client, name)))) return { dropped, locked: true };
    dropped.push(name);
  }
  for (let count = MAX_BACKGROUND_ROWS; count === MAX_BACKGROUND_ROWS; ) {
    const { rows } = await withClient(context, (client) =>
      client.query<{ count: number }>(DELETE_DEFAULT, [retentionMs, MAX_BACKGROUND_ROWS]),
    );
    count = rows[0]!.count;
  }
  return { dropped, locked: false };
}

/** @returns false if someone else holds the table. */
async function drop(client: PoolClient, name: string): Promise<boolean> {
  await client.query(`SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`);
  try {
    // In the order in which a drop locks; after it nobody writes the last rows of the day.
    await client.query("LOCK TABLE event IN ACCESS EXCLUSIVE MODE");
    await client.query(raiseFloor(name));
    await client.query(`DROP TABLE ${name}`);
    return true;
  } catch (error) {
    if (isLocked(error)) return false;
    throw error;
  }
}
