/**
 * Migrates a server beside who uses it. A statement that waits for a lock makes everybody else's queue up behind it, and a backup may hold one for hours: so
 * a migration waits for moments only, and is tried again, whole, until it gets all locks.
 */
import { DriverException } from "@mikro-orm/postgresql";
import type { Orm } from "./orm.ts";
import { type StoreContext, withClient } from "./session.ts";
import type { StoreLog } from "./store.ts";

const LOCK_TIMEOUT_MS = 100;
/** PostgreSQL ends an autovacuum for who has waited for `deadlock_timeout`, 1 s, and for nobody else: each tenth try is one that does. Below the deadline of a flush. */
const PATIENT_LOCK_TIMEOUT_MS = 1_500;
const PATIENT_EACH = 10;
const TRY_AGAIN_MS = 1_000;
const TELL_AGAIN_MS = 10_000;
/** Lock not available, deadlock. */
const HELD = new Set(["55P03", "40P01"]);

const MAX_NAMED = 3;
/** Who has had locks on tables for as long as was waited for one: the oldest. A role without `pg_read_all_stats` does not see for how long others have. */
const HOLDERS = `
SELECT coalesce(format('process %s of %s (%s)', pid, usename, application_name)
  || coalesce(format(' for %s s', extract(epoch FROM clock_timestamp() - xact_start)::int), ''), 'a prepared transaction') AS who
FROM (
  SELECT DISTINCT pid FROM pg_locks JOIN pg_class c ON c.oid = relation
  WHERE locktype = 'relation' AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND relnamespace = current_schema()::regnamespace
) AS holder LEFT JOIN pg_stat_activity USING (pid)
WHERE pid IS DISTINCT FROM pg_backend_pid()
  AND (xact_start IS NULL OR xact_start <= clock_timestamp() - interval '${LOCK_TIMEOUT_MS} ms')
ORDER BY xact_start LIMIT ${MAX_NAMED}`;

/** Runs all migrations that are missing, in one transaction. */
export async function migrate(orm: Orm["orm"], context: StoreContext, log: StoreLog): Promise<void> {
  const { clock } = context;
  let tellAt = -Infinity;
  for (let tries = 1; !(await tryOnce(orm, tries % PATIENT_EACH === 0)); tries++) {
    const now = clock.monotonic();
    if (now >= tellAt) {
      tellAt = now + TELL_AGAIN_MS;
      const { rows } = await withClient(context, (client) => client.query<{ who: string }>(HOLDERS));
      log.warn(
        { holders: rows.map(({ who }) => who) },
        "the database is to be migrated, and someone holds a lock on its tables: the start waits, and tries again each second",
      );
    }
    await new Promise<void>((resolve) => clock.schedule(TRY_AGAIN_MS, resolve));
  }
}

/** @returns false if someone else holds a lock: then nothing is changed. */
async function tryOnce(orm: Orm["orm"], patient: boolean): Promise<boolean> {
  const connection = orm.em.getConnection();
  const limit = patient ? PATIENT_LOCK_TIMEOUT_MS : LOCK_TIMEOUT_MS;
  try {
    await connection.transactional(async (transaction) => {
      await connection.execute(`SET LOCAL lock_timeout = ${limit}`, [], "run", transaction);
      await orm.migrator.up({ transaction });
    });
    return true;
  } catch (error) {
    if (error instanceof DriverException && HELD.has(error.code ?? "")) return false;
    throw error;
  }
}
