/** Daily partitions, made ahead of time: a partition that is missing would send its rows to the default one for ever. */
import { DatabaseError, type PoolClient } from "pg";
import { isLocked } from "./errors.ts";
import { inTransaction, type StoreContext, withClient } from "./session.ts";

const DAYS_AHEAD = 2;
/** The days, UTC, by the clock of the database. */
const missingOf = (table: string, daysBehind: number) => `
SELECT name, lower::text, upper::text FROM (
  SELECT '${table}_' || to_char(day, 'YYYYMMDD') AS name, day::date AS lower, (day + interval '1 day')::date AS upper
  FROM generate_series((now() AT TIME ZONE 'UTC')::date - interval '${daysBehind} days',
    (now() AT TIME ZONE 'UTC')::date + interval '${DAYS_AHEAD} days', '1 day') AS day
) AS days WHERE to_regclass(name) IS NULL`;
const CHECK_VIOLATION = "23514";
/** Another node made it between the look and the lock. */
const THERE = new Set(["42P07", "23505"]);
/** Making a partition locks the whole table. A backup may hold it for hours, and flushes must not queue up behind a lock that waits. */
const LOCK_TIMEOUT_MS = 100;

interface Partition {
  name: string;
  lower: string;
  upper: string;
}

/**
 * Makes the partitions of a table that are missing: of today, so many days before, and the next days.
 * @returns those that cannot be made any more because their rows are in the default partition, where they are found all the same; and those
 * that cannot be made now because someone else holds the table.
 */
export async function makeDailyPartitions(
  context: StoreContext,
  table: string,
  daysBehind: number,
): Promise<{ tooLate: string[]; locked: string[] }> {
  const missing = await withClient(context, (client) =>
    client.query<Partition>(missingOf(table, daysBehind)),
  );
  const failed = { tooLate: [] as string[], locked: [] as string[] };
  for (const partition of missing.rows) {
    const outcome = await inTransaction(context, (client) => make(client, table, partition));
    if (outcome !== "made") failed[outcome].push(partition.name);
  }
  return failed;
}

async function make(
  client: PoolClient,
  table: string,
  partition: Partition,
): Promise<"made" | "tooLate" | "locked"> {
  const { name, lower, upper } = partition;
  await client.query(`SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`);
  try {
    await client.query(
      `CREATE TABLE IF NOT EXISTS ${name} PARTITION OF ${table} FOR VALUES FROM ('${lower} 00:00+00') TO ('${upper} 00:00+00')`,
    );
    return "made";
  } catch (error) {
    if (isLocked(error)) return "locked";
    if (error instanceof DatabaseError && error.code === CHECK_VIOLATION) return "tooLate";
    if (error instanceof DatabaseError && THERE.has(error.code ?? "")) return "made";
    throw error;
  }
}
