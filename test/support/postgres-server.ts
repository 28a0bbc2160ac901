/** A PostgreSQL server of one's own, of installed programs. */
import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import pg from "pg";

const run = promisify(execFile);
export const OLDEST = 15;
const START_MS = 60_000;
/** PostgreSQL does not run as root; these users are on most systems. */
const UNPRIVILEGED = ["postgres", "nobody"];
/** Ends the server when this process is gone, however it ended: then the shell's standard input is at its end. */
const GUARD = '"$@" & server=$!; cat > /dev/null; kill -INT $server 2> /dev/null; wait $server';

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
  /** Folder of its programs. */
  readonly bin: string;
  readonly #folder: string;
  readonly #port: number;
  readonly #user: { uid: number; gid: number } | undefined;
  #guard: ChildProcess | undefined;
  #output = "";

  constructor(bin: string, folder: string, port: number, user: { uid: number; gid: number } | undefined) {
    this.bin = bin;
    this.#folder = folder;
    this.#port = port;
    this.#user = user;
  }

  /** All that it wrote to its log so far. */
  get output(): string {
    return this.#output;
  }

  url(database: string): string {
    return `postgresql://postgres@127.0.0.1:${this.#port}/${database}`;
  }

  /** Makes a new server's files, if the folder has none. */
  async initialise(): Promise<void> {
    if (existsSync(join(this.#data, "PG_VERSION"))) return;
    const args = ["-D", this.#data, "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C"];
    await run(join(this.bin, "initdb"), args, { ...this.#user, cwd: this.#folder });
  }

  /** Starts it and waits until it answers. */
  async start(): Promise<void> {
    // Nothing here survives a loss of power; a killed client or server loses nothing without fsync either.
    const settings = ["fsync=off", "listen_addresses=127.0.0.1", `unix_socket_directories=${this.#folder}`];
    const options = settings.flatMap((setting) => ["-c", setting]);
    const command = [join(this.bin, "postgres"), "-D", this.#data, "-p", String(this.#port), ...options];
    const guard = spawn("sh", ["-c", GUARD, "sh", ...command], {
      ...this.#user,
      cwd: this.#folder,
      stdio: ["pipe", "ignore", "pipe"],
      // A Ctrl-C is for this process, which may still need the server.
      detached: true,
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

  /** Ends it at once, as a crash would: the next start recovers from the WAL. */
  async crash(): Promise<void> {
    const [id] = readFileSync(join(this.#data, "postmaster.pid"), "utf8").split("\n");
    process.kill(Number(id), "SIGQUIT");
    await this.stop();
  }

  async dispose(): Promise<void> {
    await this.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  get #data(): string {
    return join(this.#folder, "data");
  }
}

/** The folder of the newest installed PostgreSQL programs that have PostGIS. */
export function findPostgres(): string | undefined {
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
  return postgisControl(bin, version) !== undefined;
}

function postgisControl(bin: string, version: number): string | undefined {
  const shares = [`/usr/share/postgresql/${version}`];
  const config = join(bin, "pg_config");
  if (existsSync(config)) shares.push(execFileSync(config, ["--sharedir"], { encoding: "utf8" }).trim());
  return shares.map((share) => join(share, "extension", "postgis.control")).find((path) => existsSync(path));
}

/** Changes with the versions of the programs and of PostGIS. */
export function fingerprint(bin: string): string {
  const version = execFileSync(join(bin, "postgres"), ["--version"], { encoding: "utf8" });
  const control = postgisControl(bin, versionOf(bin));
  const hash = createHash("sha256").update(version);
  if (control !== undefined) hash.update(readFileSync(control));
  return hash.digest("hex").slice(0, 16);
}

export function unprivilegedUser(): { uid: number; gid: number } {
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
