/** Brings a database to what this program needs, or says in a sentence why it cannot. */
import { DatabaseError } from "pg";
import { SHARDS } from "../limits.ts";
import { StoreStartError } from "./errors.ts";
import { Cluster } from "./model/cluster.ts";
import { MIGRATIONS, type Orm } from "./orm.ts";

const OLDEST_SERVER = 150_000;
const OLDEST_POSTGIS = [3, 3] as const;
/** Names an advisory lock; chosen at random. */
const PREPARING = 7_262_901_137;

/** @param databaseUrl of a server; absent = embedded. @throws StoreStartError */
export async function prepareDatabase({ orm, pool }: Orm, databaseUrl: string | undefined): Promise<void> {
  const where = databaseUrl === undefined ? "the embedded database" : withoutPassword(databaseUrl);
  const version = await pool
    .query<{ number: number }>("SELECT current_setting('server_version_num')::int AS number")
    .catch((error: Error) => {
      throw new StoreStartError("cannot-connect", `cannot connect to ${where}: ${reason(error)}`, {
        cause: error,
      });
    });
  const { number } = version.rows[0]!;
  if (number < OLDEST_SERVER) {
    const found = Math.floor(number / 10_000);
    throw new StoreStartError(
      "version-too-old",
      `${where} runs PostgreSQL ${found}, Muster needs 15 or newer`,
    );
  }
  // The embedded database has one connection, and one process.
  await using _alone = databaseUrl === undefined ? undefined : await waitForTurn(pool, where);
  await makePostgis(pool, where);
  if (databaseUrl !== undefined) await checkPostgisVersion(pool, where);
  await checkSchema(pool);
  try {
    await orm.migrator.up();
  } catch (error) {
    throw new StoreStartError("cannot-open", `${where} could not be migrated: ${reason(error as Error)}`, {
      cause: error,
    });
  }
  await checkCluster(orm);
}

/**
 * Nodes that start at once prepare the database one after the other: neither CREATE EXTENSION IF NOT EXISTS nor the migrator is safe against
 * itself. Who dies meanwhile loses the lock with its connection.
 */
async function waitForTurn(pool: Orm["pool"], where: string): Promise<AsyncDisposable> {
  try {
    const client = await pool.connect();
    try {
      await client.query("SELECT pg_advisory_lock($1)", [PREPARING]);
    } catch (error) {
      client.release(true);
      throw error;
    }
    // The connection is ended, not given back: that lets go of the lock whatever happened on it.
    return { [Symbol.asyncDispose]: async () => client.release(true) };
  } catch (error) {
    throw new StoreStartError("cannot-connect", `cannot connect to ${where}: ${reason(error as Error)}`, {
      cause: error,
    });
  }
}

/** What the nodes of a database agree on must be what this program does. */
async function checkCluster(orm: Orm["orm"]): Promise<void> {
  const cluster = await orm.em.fork().findOne(Cluster, { name: "muster" });
  if (cluster?.shards === SHARDS && cluster.hash === "fnv-1a-32" && cluster.protocol === 1) return;
  throw new StoreStartError(
    "another-cluster",
    `the database belongs to a cluster with ${JSON.stringify(cluster)}`,
  );
}

async function makePostgis(pool: Orm["pool"], where: string): Promise<void> {
  try {
    await pool.query("CREATE EXTENSION IF NOT EXISTS postgis");
  } catch (error) {
    const detail = error instanceof DatabaseError ? error.message : String(error);
    throw new StoreStartError(
      "no-postgis",
      `${where} has no PostGIS (${detail}): install it (Debian: postgresql-NN-postgis-3) and let a superuser run CREATE EXTENSION postgis`,
      { cause: error },
    );
  }
}

/** The embedded database's comes with this program; to ask for it would load the library before anything needs it. */
async function checkPostgisVersion(pool: Orm["pool"], where: string): Promise<void> {
  const { rows } = await pool.query<{ version: string }>("SELECT postgis_lib_version() AS version");
  const [major = 0, minor = 0] = rows[0]!.version.split(".").map(Number);
  if (major < OLDEST_POSTGIS[0] || (major === OLDEST_POSTGIS[0] && minor < OLDEST_POSTGIS[1])) {
    throw new StoreStartError(
      "version-too-old",
      `${where} has PostGIS ${rows[0]!.version}, Muster needs 3.3 or newer`,
    );
  }
}

/** A schema that a newer program made must not be touched by an older one. */
async function checkSchema(pool: Orm["pool"]): Promise<void> {
  const table = await pool.query<{ there: boolean }>(
    "SELECT to_regclass('mikro_orm_migrations') IS NOT NULL AS there",
  );
  if (!table.rows[0]!.there) return;
  const { rows } = await pool.query<{ name: string }>("SELECT name FROM mikro_orm_migrations ORDER BY id");
  const known = new Set(MIGRATIONS.map((migration) => migration.migrationName));
  const unknown = rows.find((row) => !known.has(row.name));
  if (unknown !== undefined) {
    throw new StoreStartError(
      "newer-schema",
      `the database was migrated by a newer Muster (${unknown.name}): use that one`,
    );
  }
}

function withoutPassword(databaseUrl: string): string {
  const url = new URL(databaseUrl);
  if (url.password !== "") url.password = "***";
  return url.href;
}

function reason(error: Error): string {
  if (error instanceof AggregateError) return error.errors.map((one: Error) => one.message).join("; ");
  return error.message;
}
