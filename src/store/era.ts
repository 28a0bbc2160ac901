/**
 * The era of the log of events. Events are read in the order of their transactions, and the ids of these are a server's own: on another server
 * (a dump that was restored, an upgrade) and on another timeline (a recovery to an earlier moment, a standby that was promoted) they may begin
 * below what cursors have passed. So the era rises there, and comes before them in the order.
 *
 * It is at least the minutes since 1970: a database restored from before its era last rose gets another one than it had then.
 *
 * The first era of a database is a random one below that, so that ids of events and cursors of two databases are not the same. It is the floor
 * too: nothing comes before it, and a lower cursor is another database's.
 */
import type { PoolClient } from "pg";

const LOCK = `
SELECT era, server, system_identifier || '/' || left(pg_walfile_name(pg_current_wal_lsn()), 8) AS here
FROM cluster, pg_control_system() FOR UPDATE OF cluster`;
const RAISE = `
WITH minutes AS (SELECT floor(extract(epoch FROM clock_timestamp()) / 60)::int AS now),
raised AS (
  UPDATE cluster SET server = $1, era = CASE
    WHEN server = '' AND NOT EXISTS (SELECT FROM event) THEN greatest(1, floor(random() * minutes.now)::int)
    ELSE greatest(era + 1, minutes.now) END
  FROM minutes RETURNING era
), floor AS (
  UPDATE event_floor SET era = raised.era FROM raised WHERE event_floor.era = 0 AND NOT EXISTS (SELECT FROM event)
)
SELECT era FROM raised`;
/**
 * Whatever ran on the database before must not write events of the era that is over, which readers take to be complete. Waits for flushes under way.
 */
const DOWN = "UPDATE fence SET down = true WHERE NOT down";

/** Locks the cluster's row until the end of the transaction. @returns the era, risen if this is another server than the last start's. */
export async function lockEra(client: PoolClient): Promise<number> {
  const { rows } = await client.query<{ era: number; server: string; here: string }>(LOCK);
  const { era, server, here } = rows[0]!;
  if (server === here) return era;
  await client.query(DOWN);
  const raised = await client.query<{ era: number }>(RAISE, [here]);
  return raised.rows[0]!.era;
}
