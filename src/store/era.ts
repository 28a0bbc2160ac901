/**
 * The era of the log of events. Events are read in the order of their transactions, and the ids of these may begin once more below what cursors have
 * passed: on another server (a dump that was restored, an upgrade), on another timeline (a recovery to an earlier moment, a standby that was promoted), and
 * where a copy of the files was put back, which nothing in them tells. So the era rises whenever a node finds nobody beside it, and comes before transactions in the order.
 *
 * It is at least the seconds since 2025 began: a database restored from before its era last rose gets a later one than it has had since.
 *
 * The first era of a database is its floor too: nothing comes before it, and a lower cursor is of a database that was there before.
 */
import type { PoolClient } from "pg";

const SECONDS = "floor(extract(epoch FROM clock_timestamp() - '2025-01-01 00:00+00'::timestamptz))::int";
const LOCK = `
SELECT era, server, system_identifier || '/' || left(pg_walfile_name(pg_current_wal_lsn()), 8) AS here
FROM cluster, pg_control_system() FOR UPDATE OF cluster`;
const RAISE = `
WITH raised AS (
  UPDATE cluster SET server = $1, era = greatest(era + 1, ${SECONDS}) RETURNING era
), floor AS (
  UPDATE event_floor SET era = raised.era FROM raised WHERE event_floor.era = 0 AND NOT EXISTS (SELECT FROM event)
)
SELECT era FROM raised`;
/**
 * Whatever ran on the database before must not write events of the era that is over, which readers take to be complete. Waits for flushes under way.
 */
const DOWN = "UPDATE fence SET down = true WHERE NOT down";

export interface LockedEra {
  era: number;
  /** What the server is, and its timeline. */
  here: string;
  /** That is not as it was when the era rose last. */
  hasMoved: boolean;
}

/** Locks the cluster's row until the end of the transaction. */
export async function lockEra(client: PoolClient): Promise<LockedEra> {
  const { rows } = await client.query<{ era: number; server: string; here: string }>(LOCK);
  const { era, server, here } = rows[0]!;
  return { era, here, hasMoved: server !== here };
}

/** Begins another era; whoever is still there is down. @returns it */
export async function raiseEra(client: PoolClient, { here }: LockedEra): Promise<number> {
  await client.query(DOWN);
  const { rows } = await client.query<{ era: number }>(RAISE, [here]);
  return rows[0]!.era;
}
