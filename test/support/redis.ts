import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import type { Test } from "tap";
import { canInstall, freePort, withApt } from "./programs.ts";
import { TEMPORARY } from "./temporary.ts";

const OLDEST = 7;
const START_MS = 20_000;
/** Kills the server when this process is gone, however it ended: then the shell's standard input is at its end. Says the server's id. */
const GUARD =
  '"$@" & server=$!; echo $server; cat > /dev/null; kill -KILL $server 2> /dev/null; wait $server';

/** The address of a Redis: what TEST_REDIS_URL names, else of one that is started for this test. It may be shared: use channels of your own. */
export async function testRedis(t: Test): Promise<string> {
  return process.env.TEST_REDIS_URL ?? (await ownRedis(t)).url;
}

/** A Redis of this test's own, whatever TEST_REDIS_URL says: for tests that stop it. It keeps nothing. */
export async function ownRedis(t: Test, ...settings: string[]): Promise<TestRedis> {
  const program = findRedis() ?? (await installProgram());
  const redis = new TestRedis(
    program,
    mkdtempSync(join(TEMPORARY, "muster-test-redis-")),
    await freePort(),
    settings,
  );
  t.teardown(() => redis.dispose());
  await redis.start();
  return redis;
}

export class TestRedis {
  readonly #program: string;
  readonly #folder: string;
  readonly #port: number;
  readonly #settings: readonly string[];
  #guard: ChildProcess | undefined;
  #id = 0;

  constructor(program: string, folder: string, port: number, settings: readonly string[]) {
    this.#program = program;
    this.#folder = folder;
    this.#port = port;
    this.#settings = settings;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.#port}`;
  }

  /** Starts it, also again on the same port, and waits until it takes connections. */
  async start(): Promise<void> {
    const log = join(this.#folder, "log");
    const place = [
      "--bind",
      "127.0.0.1",
      "--port",
      String(this.#port),
      "--dir",
      this.#folder,
      "--logfile",
      log,
    ];
    const command = [this.#program, ...place, "--save", "", "--appendonly", "no", ...this.#settings];
    const guard = spawn("sh", ["-c", GUARD, "sh", ...command], {
      cwd: this.#folder,
      stdio: ["pipe", "pipe", "ignore"],
      // A Ctrl-C is for this process, which may still need the server.
      detached: true,
    });
    this.#guard = guard;
    const [id] = await once(createInterface(guard.stdout), "line");
    this.#id = Number(id);
    const end = Date.now() + START_MS;
    while (!(await this.#answers())) {
      if (Date.now() > end)
        throw new Error(
          `Redis does not start: ${existsSync(log) ? readFileSync(log, "utf8") : this.#program}`,
        );
      await sleep(20);
    }
  }

  /** Kills it: connections are cut. */
  async stop(): Promise<void> {
    const guard = this.#guard;
    if (guard === undefined) return;
    this.#guard = undefined;
    const exited = once(guard, "exit");
    guard.stdin?.end();
    await exited;
  }

  /** It keeps its connections and its port, and answers nothing. */
  pause(): void {
    process.kill(this.#id, "SIGSTOP");
  }

  resume(): void {
    process.kill(this.#id, "SIGCONT");
  }

  /** Pauses it for so long, also if this process stands still meanwhile. */
  pauseFor(seconds: number): void {
    this.pause();
    spawn("sh", ["-c", `sleep ${seconds}; kill -CONT ${this.#id}`], { stdio: "ignore" });
  }

  async dispose(): Promise<void> {
    await this.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #answers(): Promise<boolean> {
    return new Promise((resolve) => {
      const probe = connect(this.#port, "127.0.0.1", () => {
        probe.destroy();
        resolve(true);
      });
      probe.on("error", () => resolve(false));
    });
  }
}

/** The newest enough program that is installed. */
export function findRedis(): string | undefined {
  const places = (process.env.PATH ?? "").split(":").concat("/usr/bin", "/usr/local/bin");
  return ["redis-server", "valkey-server"]
    .flatMap((name) => places.map((place) => join(place, name)))
    .find((path) => existsSync(path) && versionOf(path) >= OLDEST);
}

function versionOf(program: string): number {
  const text = execFileSync(program, ["--version"], { encoding: "utf8" });
  return Number(/ v=(\d+)/.exec(text)?.[1] ?? 0);
}

async function installProgram(): Promise<string> {
  if (!canInstall())
    throw new Error(
      "this test needs Redis 7 or newer, or Valkey: install it (Debian, Ubuntu: apt-get install redis-server)",
    );
  const installed = await withApt(async (aptGet) => {
    const there = findRedis();
    if (there !== undefined) return there;
    await aptGet("update", "-q");
    await aptGet("install", "-q", "-y", "--no-install-recommends", "redis-server");
    return findRedis();
  });
  if (installed === undefined) throw new Error(`apt has no Redis ${OLDEST} or newer: install one, or Valkey`);
  return installed;
}
