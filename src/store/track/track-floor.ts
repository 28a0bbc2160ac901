/**
 * The begin of the oldest daily partition, Unix ms: of days before it there is only what the default partition has. They are dropped the oldest first, so
 * what is of that day or later is all there. Infinity = there is none.
 */
import type { PoolClient } from "pg";

const SQL = `
SELECT extract(epoch FROM to_date(min(right(relname, 8)), 'YYYYMMDD'))::float8 * 1000 AS floor
FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid
WHERE inhparent = 'track'::regclass AND relname ~ '^track_\\d{8}$'`;

export async function trackFloor(client: PoolClient): Promise<number> {
  const { rows } = await client.query<{ floor: number | null }>({ name: "track-floor", text: SQL });
  return rows[0]!.floor ?? Infinity;
}
