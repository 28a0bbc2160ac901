/**
 * Who keeps the horizon of the log of events from moving on: the oldest transactions of the whole server that have an id, prepared ones too. A
 * role without `pg_read_all_stats` sees its own only.
 */
import type { PoolClient } from "pg";

const MAX_NAMED = 3;
const SQL = `
SELECT who FROM (
  SELECT backend_xid AS xid, format('process %s of %s in %s (%s), %s for %s s', pid, usename, datname, application_name, state,
    extract(epoch FROM clock_timestamp() - xact_start)::int) AS who
  FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid()
  UNION ALL
  SELECT transaction, format('prepared transaction %s of %s in %s for %s s', gid, owner, database,
    extract(epoch FROM clock_timestamp() - prepared)::int)
  FROM pg_prepared_xacts
) AS holder ORDER BY age(xid) DESC LIMIT ${MAX_NAMED}`;

export async function horizonHolders(client: PoolClient): Promise<string[]> {
  const { rows } = await client.query<{ who: string }>(SQL);
  return rows.map(({ who }) => who);
}
