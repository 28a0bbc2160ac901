import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import pg from "pg";
import root, { type Test } from "tap";
import { canInstall, freePort, withApt } from "./programs.ts";

const run = promisify(execFile);
const OLDEST = 15;
/** With PostGIS, which takes a second to create and a tenth to copy. */
const TEMPLATE = "muster_template";
const START_MS = 60_000;
/** PostgreSQL does not run as root; these users are on most systems. */
const UNPRIVILEGED = ["postgres", "nobody"];
/** Ends the server when this process is gone, however it ended: then the shell's standard input is at its end. */
const GUARD = '"$@" & server=$!; cat > /dev/null; kill -INT $server 2> /dev/null; wait $server';

export interface TestDatabase {
  /** Of a superuser. Nothing is in the database but PostGIS. */
  url: string;
  /** Stops the server as an operator would: connections are ended. Rejects if TEST_DATABASE_URL names the server. */
  stop(): Promise<void>;
  /** Starts it again, on the same port, and waits until it answers. */
  start(): Promise<void>;
}

/**
 * A database for one test: on the server that TEST_DATABASE_URL names, else on one of installed programs, which are
 * installed first if this is root on Debian or Ubuntu. It is gone when the test ends.
 */
export async function testDatabase(t: Test): Promise<TestDatabase> {
  const given = process.env.TEST_DATABASE_URL;
  if (given === undefined) return stoppableDatabase();
  const name = newName();
  await execute(given, `CREATE DATABASE ${name}`);
  t.teardown(() => execute(given, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`));
  const url = new URL(given);
  url.pathname = `/${name}`;
  await execute(url.href, "CREATE EXTENSION postgis");
  const refuse = () => Promise.reject(new Error("the server of TEST_DATABASE_URL is not ours to stop"));
  return { url: url.href, stop: refuse, start: refuse };
}

/** A database on a server that this process started itself, whatever TEST_DATABASE_URL says: for tests that stop it. */
export async function stoppableDatabase(): Promise<TestDatabase> {
  const server = await ownServer();
  const name = newName();
  // It goes with the server.
  await execute(server.url("postgres"), `CREATE DATABASE ${name} TEMPLATE ${TEMPLATE}`);
  return { url: server.url(name), stop: () => server.stop(), start: () => server.start() };
}

function newName(): string {
  return `muster_test_${randomUUID().replaceAll("-", "")}`;
}

/** Runs statements on a connection of their own. @returns the rows of the last. */
export async function execute<R>(url: string, sql: string, values?: unknown[]): Promise<R[]> {
  const client = new pg.Client({ connectionString: url });
  // A server that is stopped says so on idle connections too.
  client.on("error", () => {});
  await client.connect();
  try {
    return (await client.query(sql, values)).rows as R[];
  } finally {
    await client.end();
  }
}

export class TestServer {
  readonly #bin: string;
  readonly #folder: string;
  readonly #port: number;
  readonly #user: { uid: number; gid: number } | undefined;
  #guard: ChildProcess | undefined;
  #output = "";

  constructor(bin: string, folder: string, port: number, user: { uid: number; gid: number } | undefined) {
    this.#bin = bin;
    this.#folder = folder;
    this.#port = port;
    this.#user = user;
  }

  url(database: string): string {
    return `postgresql://postgres@127.0.0.1:${this.#port}/${database}`;
  }

  async initialise(): Promise<void> {
    const args = ["-D", this.#data, "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C"];
    await run(join(this.#bin, "initdb"), args, { ...this.#user, cwd: this.#folder });
  }

  /** Starts it and waits until it answers. */
  async start(): Promise<void> {
    // Nothing here survives a loss of power; a killed client or server loses nothing without fsync either.
    const settings = ["fsync=off", "listen_addresses=127.0.0.1", `unix_socket_directories=${this.#folder}`];
    const options = settings.flatMap((setting) => ["-c", setting]);
    const command = [join(this.#bin, "postgres"), "-D", this.#data, "-p", String(this.#port), ...options];
    const guard = spawn("sh", ["-c", GUARD, "sh", ...command], {
      ...this.#user,
      cwd: this.#folder,
      stdio: ["pipe", "ignore", "pipe"],
    });
    guard.stderr.on("data", (chunk) => {
      this.#output += chunk;
    });
    this.#guard = guard;
    const end = Date.now() + START_MS;
    for (;;) {
      try {
        await execute(this.url("postgres"), "SELECT 1");
        return;
      } catch (error) {
        if (Date.now() > end) throw new Error(`PostgreSQL does not start: ${this.#output}`, { cause: error });
        await sleep(50);
      }
    }
  }

  /** Stops it as an operator would (fast: connections are ended). */
  async stop(): Promise<void> {
    const guard = this.#guard;
    if (guard === undefined) return;
    this.#guard = undefined;
    const exited = once(guard, "exit");
    guard.stdin?.end();
    await exited;
  }

  async dispose(): Promise<void> {
    await this.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  get #data(): string {
    return join(this.#folder, "data");
  }
}

let server: Promise<TestServer> | undefined;

/** One server for this process. */
function ownServer(): Promise<TestServer> {
  server ??= startServer();
  return server;
}

async function startServer(): Promise<TestServer> {
  const bin = findPrograms() ?? (await installPrograms());
  const folder = mkdtempSync(join(tmpdir(), "muster-test-postgres-"));
  const user = process.getuid?.() === 0 ? unprivilegedUser() : undefined;
  if (user !== undefined) chownSync(folder, user.uid, user.gid);
  const started = new TestServer(bin, folder, await freePort(), user);
  root.teardown(() => started.dispose());
  await started.initialise();
  await started.start();
  await execute(started.url("postgres"), `CREATE DATABASE ${TEMPLATE}`);
  await execute(started.url(TEMPLATE), "CREATE EXTENSION postgis");
  return started;
}

/** The folder of the newest installed PostgreSQL programs that have PostGIS. */
function findPrograms(): string | undefined {
  const places = (process.env.PATH ?? "").split(":");
  const debian = "/usr/lib/postgresql";
  if (existsSync(debian)) places.push(...readdirSync(debian).map((version) => join(debian, version, "bin")));
  const found = places
    .filter((place) => existsSync(join(place, "postgres")) && existsSync(join(place, "initdb")))
    .map((place) => ({ place, version: versionOf(place) }))
    .filter(({ place, version }) => version >= OLDEST && hasPostgis(place, version));
  return found.sort((a, b) => b.version - a.version)[0]?.place;
}

function versionOf(bin: string): number {
  const text = execFileSync(join(bin, "postgres"), ["--version"], { encoding: "utf8" });
  return Number(/\d+/.exec(text)?.[0] ?? 0);
}

function hasPostgis(bin: string, version: number): boolean {
  const shares = [`/usr/share/postgresql/${version}`];
  const config = join(bin, "pg_config");
  if (existsSync(config)) shares.push(execFileSync(config, ["--sharedir"], { encoding: "utf8" }).trim());
  return shares.some((share) => existsSync(join(share, "extension", "postgis.control")));
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
    const there = findPrograms();
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
    return findPrograms();
  });
  if (installed === undefined)
    throw new Error("PostgreSQL and PostGIS were installed with apt and are not found");
  return installed;
}

function unprivilegedUser(): { uid: number; gid: number } {
  for (const name of UNPRIVILEGED) {
    try {
      const id = (flag: string) =>
        Number(execFileSync("id", [flag, name], { encoding: "utf8", stdio: "pipe" }));
      return { uid: id("-u"), gid: id("-g") };
    } catch {
      // No such user here: the next.
    }
  }
  throw new Error(
    `PostgreSQL does not run as root, and there is no user ${UNPRIVILEGED.join(" or ")} to run it as`,
  );
}
