/**
 * Retention: drops the daily partitions of tracks that are too old, and deletes from the default one what was both and recorded so long ago: a
 * recording of old days that was played lately is kept.
 */
import type { PoolClient } from "pg";
import { MAX_BACKGROUND_ROWS } from "../../limits.ts";
import { isLocked } from "../errors.ts";
import { inTransaction, type StoreContext, withClient } from "../session.ts";

/** Input: age in ms. Days that were over by then, UTC; the oldest first. A row reaches one day on. */
const OLD = `
SELECT relname AS name FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid
WHERE inhparent = 'track'::regclass AND relname ~ '^track_\\d{8}$'
  AND to_date(right(relname, 8), 'YYYYMMDD') + 2 <= (now() - make_interval(secs => $1::float8 / 1000)) AT TIME ZONE 'UTC'
ORDER BY relname`;
/** Inputs: age in ms, number of rows. */
const DELETE_DEFAULT = `
DELETE FROM track_default WHERE ctid IN (
  SELECT ctid FROM track_default
  WHERE greatest(recorded, upper(t_range)) < now() - make_interval(secs => $1::float8 / 1000) LIMIT $2
)`;
/** Dropping a partition locks the whole table, and rows must not queue up behind a lock that waits for a backup. */
const LOCK_TIMEOUT_MS = 100;

/** @param retentionMs how old a track may be. @returns what was dropped, and whether someone's lock kept more from it. */
export async function dropOldTracks(
  context: StoreContext,
  retentionMs: number,
): Promise<{ dropped: string[]; locked: boolean }> {
  const old = await withClient(context, (client) => client.query<{ name: string }>(OLD, [retentionMs]));
  const dropped: string[] = [];
  for (const { name } of old.rows) {
    if (!(await inTransaction(context, (client) => drop(client, name)))) return { dropped, locked: true };
    dropped.push(name);
  }
  for (let count: number | null = MAX_BACKGROUND_ROWS; count === MAX_BACKGROUND_ROWS; ) {
    const deleted = await withClient(context, (client) =>
      client.query(DELETE_DEFAULT, [retentionMs, MAX_BACKGROUND_ROWS]),
    );
    count = deleted.rowCount;
  }
  return { dropped, locked: false };
}

/** @returns false if someone else holds the table. */
async function drop(client: PoolClient, name: string): Promise<boolean> {
  await client.query(`SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`);
  try {
    await client.query(`DROP TABLE ${name}`);
    return true;
  } catch (error) {
    if (isLocked(error)) return false;
    throw error;
  }
}
