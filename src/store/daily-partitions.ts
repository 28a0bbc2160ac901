/**
 * Daily partitions, made ahead of time, because one that is missing would send its rows to the default one for ever, and dropped when they are
 * too old.
 */
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
/** Inputs: age in ms, how many days the rows of a day reach on. Days that were over by then; the oldest first. */
const oldOf = (table: string) => `
SELECT relname AS name FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid
WHERE inhparent = '${table}'::regclass AND relname ~ '^${table}_\\d{8}$'
  AND to_date(right(relname, 8), 'YYYYMMDD') + 1 + $2::int <= (now() - make_interval(secs => $1::float8 / 1000)) AT TIME ZONE 'UTC'
ORDER BY relname`;
const CHECK_VIOLATION = "23514";
/** A time-out of the statement. */
const CANCELED = "57014";
/** Another node made it between the look and the lock. */
const THERE = new Set(["42P07", "23505"]);
/** Making or dropping a partition locks the whole table. A backup may hold it for hours, and flushes must not queue up behind a lock that waits. */
const LOCK_TIMEOUT_MS = 100;
/** To make one PostgreSQL reads the whole default partition, and flushes wait meanwhile: a GB takes about a second. */
const MAKE_TIMEOUT_MS = 1_000;

/** A table with a partition for each day, and how it is kept. */
export interface PartitionedTable {
  name: string;
  /** What its rows are, for the log. */
  rows: string;
  /** Days before today that have a partition. */
  daysBehind: number;
  /** Drops what is older than so many ms. */
  dropOld(context: StoreContext, retentionMs: number): Promise<Dropped>;
}

export interface Dropped {
  /** Partitions. */
  dropped: string[];
  /** Someone's lock kept more from it. */
  locked: boolean;
}

type NotMade = "tooLate" | "locked" | "slow";

interface Partition {
  name: string;
  lower: string;
  upper: string;
}

/**
 * Makes the partitions of a table that are missing: of today, so many days before, and the next days.
 * @returns those that cannot be made any more because their rows are in the default partition, where they are found all the same; those
 * that cannot be made now because someone else holds the table; and those for which there is too much in the default partition.
 */
export async function makeDailyPartitions(
  context: StoreContext,
  table: string,
  daysBehind: number,
): Promise<Record<NotMade, string[]>> {
  const missing = await withClient(context, (client) =>
    client.query<Partition>(missingOf(table, daysBehind)),
  );
  const failed: Record<NotMade, string[]> = { tooLate: [], locked: [], slow: [] };
  for (const partition of missing.rows) {
    // What is too much for one of them is for the next.
    const outcome =
      failed.slow.length > 0
        ? "slow"
        : await inTransaction(context, (client) => make(client, table, partition));
    if (outcome !== "made") failed[outcome].push(partition.name);
  }
  return failed;
}

async function make(client: PoolClient, table: string, partition: Partition): Promise<"made" | NotMade> {
  const { name, lower, upper } = partition;
  await client.query(`SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`);
  await client.query(`SET LOCAL statement_timeout = ${MAKE_TIMEOUT_MS}`);
  try {
    await client.query(
      `CREATE TABLE IF NOT EXISTS ${name} PARTITION OF ${table} FOR VALUES FROM ('${lower} 00:00+00') TO ('${upper} 00:00+00')`,
    );
    return "made";
  } catch (error) {
    if (isLocked(error)) return "locked";
    if (error instanceof DatabaseError && error.code === CHECK_VIOLATION) return "tooLate";
    if (error instanceof DatabaseError && error.code === CANCELED) return "slow";
    if (error instanceof DatabaseError && THERE.has(error.code ?? "")) return "made";
    throw error;
  }
}

/** Drops the partitions whose days were over so long ago. @param before is called in the transaction of each drop */
export async function dropDailyPartitions(
  context: StoreContext,
  table: string,
  age: { retentionMs: number; reachDays: number },
  before?: (client: PoolClient, name: string) => Promise<void>,
): Promise<Dropped> {
  const old = await withClient(context, (client) =>
    client.query<{ name: string }>(oldOf(table), [age.retentionMs, age.reachDays]),
  );
  const dropped: string[] = [];
  for (const { name } of old.rows) {
    const done = await inTransaction(context, async (client) => {
      await client.query(`SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`);
      try {
        await before?.(client, name);
        await client.query(`DROP TABLE ${name}`);
        return true;
      } catch (error) {
        if (isLocked(error)) return false;
        throw error;
      }
    });
    if (!done) return { dropped, locked: true };
    dropped.push(name);
  }
  return { dropped, locked: false };
}
