import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { chownSync, mkdtempSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import root, { type Test } from "tap";
import { systemClock } from "../../src/clock.ts";
import { migrateServer, type StoreLog } from "../../src/store/store.ts";
import { madeOnce } from "./made-once.ts";
import {
  execute,
  findPostgres,
  fingerprint,
  OLDEST,
  TestServer,
  unprivilegedUser,
} from "./postgres-server.ts";
import { canInstall, freePort, withApt } from "./programs.ts";
import { schemaFingerprint } from "./schema-fingerprint.ts";
import { TEMPORARY } from "./temporary.ts";

const run = promisify(execFile);
/** With PostGIS, which takes a second to create and a tenth to copy; and of that one with all tables too. */
const WITH_POSTGIS = "muster_postgis";
const MIGRATED = "muster_migrated";

const SILENT: StoreLog = { info() {}, warn() {}, error() {} };

export interface TestDatabase {
  /** Of a superuser. */
  url: string;
  /** Stops the server as an operator would: connections are ended. Rejects if TEST_DATABASE_URL names the server. */
  stop(): Promise<void>;
  /** Ends it at once, as a crash would. */
  crash(): Promise<void>;
  /** Starts it again, on the same port, and waits until it answers. */
  start(): Promise<void>;
}

/**
 * A database for one test, that nobody has used: on the server that TEST_DATABASE_URL names, else on one of installed programs, which are
 * installed first if this is root on Debian or Ubuntu. It is gone when the test ends.
 */
export async function testDatabase(t: Test): Promise<TestDatabase> {
  return database(t, MIGRATED);
}

/** As `testDatabase`, with PostGIS and nothing else in it. */
export async function emptyDatabase(t: Test): Promise<TestDatabase> {
  return database(t, WITH_POSTGIS);
}

async function database(t: Test, template: string): Promise<TestDatabase> {
  const given = process.env.TEST_DATABASE_URL;
  if (given === undefined) return ownDatabase(template);
  const name = newName();
  await execute(given, `CREATE DATABASE ${name}`);
  t.teardown(() => execute(given, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`));
  const url = new URL(given);
  url.pathname = `/${name}`;
  await execute(url.href, "CREATE EXTENSION postgis");
  const refuse = () => Promise.reject(new Error("the server of TEST_DATABASE_URL is not ours to stop"));
  return { url: url.href, stop: refuse, crash: refuse, start: refuse };
}

/** A database on a server that this process started itself, whatever TEST_DATABASE_URL says: for tests that stop it. */
export async function stoppableDatabase(): Promise<TestDatabase> {
  return ownDatabase(MIGRATED);
}

async function ownDatabase(template: string): Promise<TestDatabase> {
  return databaseOn(await ownServer(), template);
}

/** It goes with the server. */
async function databaseOn(server: TestServer, template: string): Promise<TestDatabase> {
  const name = newName();
  await execute(server.url("postgres"), `CREATE DATABASE ${name} TEMPLATE ${template}`);
  return {
    url: server.url(name),
    stop: () => server.stop(),
    crash: () => server.crash(),
    start: () => server.start(),
  };
}

/** An empty database on a server of its own, beside the one of the other tests: where something is moved to. */
export async function otherServerDatabase(): Promise<TestDatabase & { bin: string }> {
  const server = await startServer(true);
  const name = newName();
  await execute(server.url("postgres"), `CREATE DATABASE ${name}`);
  // Who puts links to some of the programs elsewhere need not have put all there.
  const bin = dirname(realpathSync(join(server.bin, "postgres")));
  return {
    url: server.url(name),
    bin,
    stop: () => server.stop(),
    crash: () => server.crash(),
    start: () => server.start(),
  };
}

export interface OwnDatabase extends TestDatabase {
  /** Ends the server at once. */
  crash(): Promise<void>;
  /** What the server has written to its log. */
  log(): string;
}

/** A database on a server of its own, with all its files in a folder. It is stopped when the test ends. */
export async function databaseIn(t: Test, parent: string): Promise<OwnDatabase> {
  const server = await startServer(false, parent, t);
  return {
    ...(await databaseOn(server, MIGRATED)),
    crash: () => server.crash(),
    log: () => server.output,
  };
}

function newName(): string {
  return `muster_test_${randomUUID().replaceAll("-", "")}`;
}

let server: Promise<TestServer> | undefined;

/** One server for this process. */
function ownServer(): Promise<TestServer> {
  server ??= startServer();
  return server;
}

/** @param parent where its folder is made. @param test with which it ends. @param own whether its files are made anew: copied ones have the same system identifier, by which servers are told apart. */
async function startServer(own = false, parent = TEMPORARY, test: Test = root): Promise<TestServer> {
  const bin = findPostgres() ?? (await installPrograms());
  const folder = mkdtempSync(join(parent, "muster-test-postgres-"));
  const user = process.getuid?.() === 0 ? unprivilegedUser() : undefined;
  if (user !== undefined) chownSync(folder, user.uid, user.gid);
  const started = new TestServer(bin, folder, await freePort(), user);
  test.teardown(() => started.dispose());
  if (own) await started.initialise();
  else await run("cp", ["-a", join(await original(bin, user), "data"), folder]);
  await started.start();
  return started;
}

/** The files of a server with the templates. */
async function original(bin: string, user: { uid: number; gid: number } | undefined): Promise<string> {
  return madeOnce(`postgresql-${fingerprint(bin)}-${schemaFingerprint()}`, async (folder) => {
    if (user !== undefined) chownSync(folder, user.uid, user.gid);
    const server = new TestServer(bin, folder, await freePort(), user);
    await server.initialise();
    await server.start();
    try {
      await execute(server.url("postgres"), `CREATE DATABASE ${WITH_POSTGIS}`);
      await execute(server.url(WITH_POSTGIS), "CREATE EXTENSION postgis");
      await execute(server.url("postgres"), `CREATE DATABASE ${MIGRATED} TEMPLATE ${WITH_POSTGIS}`);
      await migrateServer(server.url(MIGRATED), systemClock, SILENT);
    } finally {
      await server.stop();
    }
  });
}

/** Installs the programs with apt. */
async function installPrograms(): Promise<string> {
  if (!canInstall()) {
    throw new Error(
      "this test needs PostgreSQL 15 or newer with PostGIS 3.3 or newer: install them (Debian 12: apt-get install " +
        "postgresql postgresql-15-postgis-3), or set TEST_DATABASE_URL to a database where its user is a superuser",
    );
  }
  const installed = await withApt(async (aptGet) => {
    const there = findPostgres();
    if (there !== undefined) return there;
    await aptGet("update", "-q");
    const { stdout } = await run("apt-cache", ["search", "--names-only", "^postgresql-[0-9]+-postgis-3$"]);
    const versions = [...stdout.matchAll(/^postgresql-(\d+)-postgis-3 /gm)].map(([, version]) =>
      Number(version),
    );
    const version = Math.max(...versions);
    if (!(version >= OLDEST)) throw new Error("apt offers no postgresql-NN-postgis-3 of 15 or newer");
    const packages = [`postgresql-${version}`, `postgresql-${version}-postgis-3`];
    await aptGet("install", "-q", "-y", "--no-install-recommends", ...packages);
    return findPostgres();
  });
  if (installed === undefined)
    throw new Error("PostgreSQL and PostGIS were installed with apt and are not found");
  return installed;
}
