/**
 * Daily partitions, made ahead of time, because one that is missing would send its rows to the default one for ever, and dropped when they are
 * too old.
 */
import { DatabaseError, type PoolClient } from "pg";
import { StoreAway } from "../actors/ports.ts";
import { isLocked } from "./errors.ts";
import { inTransaction, type StoreContext, withClient } from "./session.ts";

const DAYS_AHEAD = 2;
/** The days, UTC, by the clock of the database. */
const missingOf = (table: string, daysBehind: number) => `
SELECT name, lower::text, upper::text, lower > (now() AT TIME ZONE 'UTC')::date + 1 AS ahead FROM (
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
const leftOf = (table: string) =>
  `SELECT conname AS name FROM pg_constraint WHERE conrelid = '${table}_default'::regclass AND conname ~ '^without_${table}_\\d{8}$'`;
const CHECK_VIOLATION = "23514";
/** A time-out of the statement. */
const CANCELED = "57014";
/** Another node made it between the look and the lock. */
const THERE = new Set(["42P07", "23505"]);
/** Making or dropping a partition locks the whole table. A backup may hold it for hours, and flushes must not queue up behind a lock that waits. */
const LOCK_TIMEOUT_MS = 100;
/** To make one PostgreSQL reads the whole default partition, and flushes wait meanwhile: a GB takes about a second. */
const MAKE_TIMEOUT_MS = 1_000;

/**
 * To prove that no row of the default partition is of a day. Flushes go on beside it, but it is a transaction, and until it ends no reader gets the
 * events that are committed after its begin.
 */
export const PROVE_TIMEOUT_MS = 15_000;

/** A table with a partition for each day, and how it is kept. */
export interface PartitionedTable {
  name: string;
  /** The column of its days; never null. */
  key: string;
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

/** Of who makes partitions that are ahead also if the default one is too large to be looked through while flushes wait. */
export interface Patience {
  /** How long a proof may take, and readers of events wait. */
  proveMs: number;
  /** Ends a proof that is under way. */
  until: AbortSignal;
}

type NotMade = "tooLate" | "locked" | "slow";

interface Partition {
  name: string;
  /** So far ahead that nothing can be of it for a day: `MUSTER_MAX_CLOCK_SKEW` is a day at most. */
  ahead: boolean;
  lower: string;
  upper: string;
}

/**
 * Makes the partitions of a table that are missing: of today, so many days before, and the next days.
 * @returns those that cannot be made any more because their rows are in the default partition, where they are found all the same; those
 * that cannot be made now because someone else holds the table; and those for which there is too much in the default partition.
 * The embedded database knows no time-out of a statement: there none is for too much, and flushes wait until it is looked through.
 * @param patience Those of them that are ahead are made all the same, if the proof ends in time.
 */
export async function makeDailyPartitions(
  context: StoreContext,
  table: Pick<PartitionedTable, "name" | "key" | "daysBehind">,
  patience?: Patience,
): Promise<Record<NotMade, string[]>> {
  const missing = await withClient(context, (client) =>
    client.query<Partition>(missingOf(table.name, table.daysBehind)),
  );
  const failed: Record<NotMade, string[]> = { tooLate: [], locked: [], slow: [] };
  failed.locked.push(...(await forgetConstraints(context, table.name)));
  for (const partition of missing.rows) {
    // What is too much for one of them is for the next.
    let outcome: "made" | NotMade = "slow";
    if (failed.slow.length === 0)
      outcome = await inTransaction(context, (client) => make(client, table.name, partition));
    if (outcome === "slow" && patience !== undefined && partition.ahead)
      outcome = await makeApart(context, table, partition, patience);
    if (outcome !== "made") failed[outcome].push(partition.name);
  }
  return failed;
}

/**
 * Makes a partition without reading the default one while flushes wait: a constraint that keeps the day out of it is proven beside them, and spares
 * PostgreSQL the look. Only readers of events wait. Meanwhile a row of that day would be refused, so it is for days that nothing can be of.
 */
async function makeApart(
  context: StoreContext,
  { name: table, key }: Pick<PartitionedTable, "name" | "key">,
  partition: Partition,
  { proveMs, until }: Patience,
): Promise<"made" | NotMade> {
  const { name, lower, upper } = partition;
  const alter = `ALTER TABLE ${table}_default`;
  const forget = `${alter} DROP CONSTRAINT IF EXISTS without_${name}`;
  const add = `ADD CONSTRAINT without_${name} CHECK (${key} < '${lower} 00:00+00' OR ${key} >= '${upper} 00:00+00') NOT VALID`;
  try {
    await atOnce(context, `${forget}, ${add}`);
    try {
      const deadlineMs = context.deadlineMs + proveMs;
      await inTransaction({ ...context, deadlineMs, until }, async (client) => {
        await client.query(`SET LOCAL statement_timeout = ${proveMs}`);
        await client.query(`${alter} VALIDATE CONSTRAINT without_${name}`);
      });
      return await inTransaction(context, (client) => make(client, table, partition));
    } finally {
      // Who stops waits for nothing: the next start forgets it.
      if (!until.aborted) await atOnce(context, forget);
    }
  } catch (error) {
    if (isHeld(error)) return "locked";
    if (isCanceled(error)) return "slow";
    if (error instanceof DatabaseError && error.code === CHECK_VIOLATION) return "tooLate";
    throw error;
  }
}

/** Those that a node left which died in the middle would refuse rows when their day comes. @returns what a lock keeps */
async function forgetConstraints(context: StoreContext, table: string): Promise<string[]> {
  const left = await withClient(context, (client) => client.query<{ name: string }>(leftOf(table)));
  const kept: string[] = [];
  for (const { name } of left.rows) {
    try {
      await atOnce(context, `ALTER TABLE ${table}_default DROP CONSTRAINT IF EXISTS ${name}`);
    } catch (error) {
      if (!isHeld(error)) throw error;
      kept.push(name);
    }
  }
  return kept;
}

function atOnce(context: StoreContext, sql: string): Promise<void> {
  return inTransaction(context, async (client) => {
    await client.query(`SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`);
    await client.query(sql);
  });
}

/** As `isLocked`, of what came out of a transaction. */
function isHeld(error: unknown): boolean {
  return error instanceof StoreAway && isLocked(error.cause);
}

/** As `isHeld`, of a time-out of the statement. */
function isCanceled(error: unknown): boolean {
  return error instanceof StoreAway && error.cause instanceof DatabaseError && error.cause.code === CANCELED;
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
