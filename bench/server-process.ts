/** The server under test: a process of its own, with a data folder of its own, read through `/metrics`. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ServerName } from "./result.ts";
import { usedDatabase } from "./used-database.ts";

/** A first start makes a database. */
const START_MS = 120_000;
/** A profile is written at a stop in order, which may take so long. */
const STOP_MS = 30_000;
const TOKEN = "a-token-for-benchmarks-only";

/** Entries of servers, from this folder. */
export const NODE = "../src/main.ts";
export const FEED_SERVER = "feed-server.ts";
export const WS_PEER = "peers/ws-server.ts";
export const SOCKETIO_PEER = "peers/socketio-server.ts";

export interface StartOptions {
  entry: typeof NODE | typeof FEED_SERVER | typeof WS_PEER | typeof SOCKETIO_PEER;
  args: string[];
  /** A PostgreSQL server; absent = the embedded one. */
  databaseUrl?: string;
  /** A data folder to start from, which is copied; absent = a new database. */
  dataDir?: string;
  /** Options for Node itself, as `--cpu-prof`. */
  nodeFlags: readonly string[];
  server: ServerName;
}

export class BenchServer implements AsyncDisposable {
  readonly url: string;
  readonly token = TOKEN;
  readonly #child: ChildProcess;
  readonly #folder: string;
  readonly #stopsInOrder: boolean;

  private constructor(url: string, child: ChildProcess, folder: string, stopsInOrder: boolean) {
    this.url = url;
    this.#child = child;
    this.#folder = folder;
    this.#stopsInOrder = stopsInOrder;
  }

  /** Resolves when it serves. @throws with what it wrote, if it ends before. */
  static async start(options: StartOptions): Promise<BenchServer> {
    const { entry, args, databaseUrl, dataDir, nodeFlags, server } = options;
    const used = databaseUrl === undefined ? undefined : await usedDatabase(databaseUrl);
    if (used !== undefined) console.log(used);
    const folder = await mkdtemp(join(tmpdir(), "muster-bench-"));
    if (dataDir !== undefined) await cp(dataDir, folder, { recursive: true });
    const path = fileURLToPath(new URL(entry, import.meta.url));
    const child = spawn(process.execPath, [...nodeFlags, path, ...args], {
      env: {
        PATH: process.env.PATH,
        NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
        PORT: "0",
        MUSTER_DATA_DIR: folder,
        MUSTER_ADMIN_TOKEN: TOKEN,
        LOG_LEVEL: "warn",
        MUSTER_SERVER: server,
        ...(databaseUrl === undefined ? {} : { DATABASE_URL: databaseUrl }),
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    const url = await new Promise<string>((resolve, reject) => {
      const fail = (why: string) => reject(new Error(`the server under test ${why}:\n${output}`));
      const timer = setTimeout(() => fail(`did not start within ${START_MS} ms`), START_MS);
      const look = (chunk: Buffer) => {
        output += chunk;
        const found = / is at\s+(http:\/\/[^/\s]+)\//.exec(output)?.[1];
        if (found === undefined) return;
        clearTimeout(timer);
        resolve(found);
      };
      child.stdout.on("data", look);
      child.stderr.on("data", look);
      child.once("exit", (code) => {
        clearTimeout(timer);
        fail(`ended with ${code}`);
      });
    }).catch(async (error) => {
      child.kill("SIGKILL");
      await rm(folder, { recursive: true, force: true });
      throw error;
    });
    // What it says from now on is a warning or worse.
    for (const stream of [child.stdout, child.stderr]) {
      stream.removeAllListeners("data");
      stream.on("data", (chunk: Buffer) => process.stderr.write(chunk));
    }
    return new BenchServer(url, child, folder, nodeFlags.length > 0);
  }

  /** The figures of `/metrics` that have no labels, by name. */
  async metrics(): Promise<Metrics> {
    return new Metrics(await this.get("/metrics"));
  }

  /** The body of a page. */
  async get(path: string): Promise<string> {
    const response = await fetch(`${this.url}${path}`, { headers: { authorization: `Bearer ${TOKEN}` } });
    const text = await response.text();
    if (!response.ok) throw new Error(`${path} answered ${response.status}: ${text}`);
    return text;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const child = this.#child;
    if (child.exitCode === null && child.signalCode === null) {
      const exited = once(child, "exit");
      // Its data are thrown away, so there is nothing to stop in order for.
      child.kill(this.#stopsInOrder ? "SIGTERM" : "SIGKILL");
      const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
      await exited;
      clearTimeout(timer);
    }
    await rm(this.#folder, { recursive: true, force: true });
  }
}

export class Metrics {
  readonly #values = new Map<string, number>();

  /** @param text Prometheus's text format. */
  constructor(text: string) {
    for (const [, name, value] of text.matchAll(/^([a-z0-9_]+) (\S+)$/gm))
      this.#values.set(name, Number(value));
  }

  /** @throws if there is no such figure. */
  get(name: string): number {
    const value = this.#values.get(name);
    if (value === undefined) throw new Error(`/metrics has no ${name}`);
    return value;
  }

  /** CPU seconds of the whole process, the thread of the embedded database included. */
  get cpuS(): number {
    return this.get("process_cpu_seconds_total");
  }

  get rssMb(): number {
    return this.rssBytes / 1e6;
  }

  get rssBytes(): number {
    return this.get("process_resident_memory_bytes");
  }
}
