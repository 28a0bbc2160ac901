/** Brings a database to what this program needs, or says in a sentence why it cannot. */
import { DatabaseError, type Pool, type QueryResultRow } from "pg";
import { StoreAway } from "../actors/ports.ts";
import { SHARDS } from "../limits.ts";
import { checkRights } from "./check-rights.ts";
import { asStoreError, StoreStartError } from "./errors.ts";
import { migrate } from "./migrate.ts";
import { MIGRATIONS, type Orm } from "./orm.ts";
import { inTime, type StoreContext, withClient } from "./session.ts";
import type { StoreLog } from "./store.ts";

const OLDEST_SERVER = 150_000;
const OLDEST_POSTGIS = [3, 3] as const;
/** Names an advisory lock; chosen at random. */
const PREPARING = 7_262_901_137;
/** Whether the others are done. */
const LOOK_AGAIN_MS = 100;

/**
 * Everything but what is made once (the extension, the schema) has the deadline of the context; what is made may take as long as it needs.
 * @param databaseUrl of a server; absent = embedded. @throws StoreStartError, StoreAway
 */
export async function prepareDatabase(
  orm: Orm["orm"],
  context: StoreContext,
  databaseUrl: string | undefined,
  log: StoreLog,
): Promise<void> {
  const where = databaseUrl === undefined ? "the embedded database" : withoutPassword(databaseUrl);
  try {
    await prepare(orm, context, databaseUrl, where, log);
  } catch (error) {
    if (!(error instanceof DatabaseError)) throw error;
    throw new StoreStartError("cannot-open", `${where} cannot be used: ${error.message}`, { cause: error });
  }
}

async function prepare(
  orm: Orm["orm"],
  context: StoreContext,
  databaseUrl: string | undefined,
  where: string,
  log: StoreLog,
): Promise<void> {
  await checkServer(context, where);
  // The embedded database has one connection, and one process.
  await using _alone = databaseUrl === undefined ? undefined : await waitForTurn(context, where);
  if (!(await hasPostgis(context))) await makePostgis(context.pool, where);
  if (databaseUrl !== undefined) {
    await checkPostgisVersion(context, where);
    await withClient(context, (client) => checkRights(client, where));
  }
  const steps = await missingMigrations(context);
  if (steps > 0) {
    // A new one has nothing that could take long.
    if (steps < MIGRATIONS.length) log.info({ steps }, "the database is migrated first");
    try {
      // The embedded database has nobody else who could hold a lock.
      if (databaseUrl === undefined) await orm.migrator.up();
      else await migrate(orm, context, log);
    } catch (error) {
      if (error instanceof StoreAway) throw error;
      throw new StoreStartError("cannot-open", `${where} could not be migrated: ${reason(error as Error)}`, {
        cause: error,
      });
    }
  }
  await checkCluster(context);
}

async function checkServer(context: StoreContext, where: string): Promise<void> {
  const [server] = await select<{ number: number; readOnly: string }>(
    context,
    `SELECT current_setting('server_version_num')::int AS number, current_setting('transaction_read_only') AS "readOnly"`,
  ).catch((error: Error) => cannotConnect(where, error));
  const { number, readOnly } = server!;
  if (number < OLDEST_SERVER) {
    const found = Math.floor(number / 10_000);
    throw new StoreStartError(
      "version-too-old",
      `${where} runs PostgreSQL ${found}, Muster needs 15 or newer`,
    );
  }
  if (readOnly === "on") {
    throw new StoreStartError(
      "read-only",
      `${where} takes no changes: it is a standby, or set to read only. Give the URL of the one that does (with several hosts: a proxy that finds it)`,
    );
  }
}

/**
 * Nodes that start at once prepare the database one after the other: neither CREATE EXTENSION IF NOT EXISTS nor the migrator is safe against
 * itself. Who dies meanwhile loses the lock with its connection. It is asked for again and again, as a statement that waits for it cannot be told from
 * a server that is silent.
 */
async function waitForTurn(context: StoreContext, where: string): Promise<AsyncDisposable> {
  const { pool, clock } = context;
  const client = await pool.connect().catch((error: Error) => cannotConnect(where, error));
  // The connection is ended, not given back: that lets go of the lock whatever happened on it.
  const turn = { [Symbol.asyncDispose]: async () => client.release(true) };
  try {
    for (;;) {
      const asked = client.query<{ mine: boolean }>("SELECT pg_try_advisory_lock($1) AS mine", [PREPARING]);
      const { rows } = await inTime(context, asked);
      if (rows[0]!.mine) return turn;
      await new Promise<void>((resolve) => clock.schedule(LOOK_AGAIN_MS, resolve));
    }
  } catch (error) {
    client.release(true);
    return cannotConnect(where, error as Error);
  }
}

function cannotConnect(where: string, error: Error): never {
  const cause = error instanceof StoreAway && error.cause instanceof Error ? error.cause : error;
  throw new StoreStartError("cannot-connect", `cannot connect to ${where}: ${reason(cause)}`, { cause });
}

/** What the nodes of a database agree on must be what this program does. */
async function checkCluster(context: StoreContext): Promise<void> {
  const [cluster] = await select<{ shards: number; hash: string; protocol: number }>(
    context,
    "SELECT * FROM cluster WHERE name = 'muster'",
  );
  if (cluster?.shards === SHARDS && cluster.hash === "fnv-1a-32" && cluster.protocol === 1) return;
  throw new StoreStartError(
    "another-cluster",
    `the database belongs to a cluster with ${JSON.stringify(cluster)}`,
  );
}

async function hasPostgis(context: StoreContext): Promise<boolean> {
  return (await select(context, "SELECT FROM pg_extension WHERE extname = 'postgis'")).length > 0;
}

async function makePostgis(pool: Pool, where: string): Promise<void> {
  try {
    await pool.query("CREATE EXTENSION IF NOT EXISTS postgis");
  } catch (error) {
    const known = asStoreError(error);
    if (known instanceof StoreAway) throw known;
    const detail = error instanceof DatabaseError ? error.message : String(error);
    throw new StoreStartError(
      "no-postgis",
      `${where} has no PostGIS (${detail}): install it (Debian: postgresql-NN-postgis-3) and let a superuser run CREATE EXTENSION postgis`,
      { cause: error },
    );
  }
}

/** The embedded database's comes with this program; to ask for it would load the library before anything needs it. */
async function checkPostgisVersion(context: StoreContext, where: string): Promise<void> {
  const [{ version } = { version: "" }] = await select<{ version: string }>(
    context,
    "SELECT postgis_lib_version() AS version",
  );
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major < OLDEST_POSTGIS[0] || (major === OLDEST_POSTGIS[0] && minor < OLDEST_POSTGIS[1])) {
    throw new StoreStartError(
      "version-too-old",
      `${where} has PostGIS ${version}, Muster needs 3.3 or newer`,
    );
  }
}

/** How many migrations are missing. A schema that a newer program made must not be touched by an older one. */
async function missingMigrations(context: StoreContext): Promise<number> {
  const [table] = await select<{ there: boolean }>(
    context,
    "SELECT to_regclass('mikro_orm_migrations') IS NOT NULL AS there",
  );
  if (!table!.there) return MIGRATIONS.length;
  const rows = await select<{ name: string }>(context, "SELECT name FROM mikro_orm_migrations ORDER BY id");
  const known = new Set(MIGRATIONS.map((migration) => migration.migrationName));
  const unknown = rows.find((row) => !known.has(row.name));
  if (unknown !== undefined) {
    throw new StoreStartError(
      "newer-schema",
      `the database was migrated by a newer Muster (${unknown.name}): use that one`,
    );
  }
  return MIGRATIONS.length - rows.length;
}

async function select<R extends QueryResultRow>(context: StoreContext, sql: string): Promise<R[]> {
  const { rows } = await withClient(context, (client) => client.query<R>(sql));
  return rows;
}

/** A password may also be a parameter, as may that of a key. */
function withoutPassword(databaseUrl: string): string {
  const url = new URL(databaseUrl);
  if (url.password !== "") url.password = "***";
  for (const name of [...url.searchParams.keys()]) {
    if (/password/i.test(name)) url.searchParams.set(name, "***");
  }
  return url.href;
}

function reason(error: Error): string {
  if (error instanceof AggregateError) return error.errors.map((one: Error) => one.message).join("; ");
  return error.message;
}
