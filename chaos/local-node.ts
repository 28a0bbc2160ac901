import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { FaultyLink } from "./faulty-link.ts";

const MAIN = fileURLToPath(new URL("../src/main.ts", import.meta.url));
/** A first start makes a database: on a busy machine that takes a while. */
const START_MS = 90_000;
/** Longer than a node takes to stop in order, at worst. */
const STOP_MS = 40_000;
/**
 * Kills the node when this process is gone, however it ended: then the shell's standard input is at its end. Says the node's id first, and
 * keeps no hold of its output.
 */
const GUARD =
  'unset NODE_OPTIONS; "$@" & server=$!; echo $server; exec > /dev/null 2>&1; cat > /dev/null; kill -KILL $server 2> /dev/null; wait $server';

/** Between a node and what it needs; absent if it reaches them directly, or there is none. */
export interface NodeLinks {
  postgres?: FaultyLink;
  redis?: FaultyLink;
}

export interface LocalNodeOptions {
  name: string;
  port: number;
  /** Everything beside PATH and where compiled sources are kept. */
  env: Record<string, string>;
  links: NodeLinks;
  /** Another program that serves. */
  program?: string;
  /** For Node.js. */
  nodeFlags?: readonly string[];
  /** A line of its output. */
  onLine(line: string): void;
  /** It ended, and nobody had asked for it. */
  onDeath(): void;
}

/** `muster serve` as a process of its own, which may be started again and again. */
export class LocalNode {
  readonly name: string;
  readonly url: string;
  readonly links: NodeLinks;
  readonly #options: LocalNodeOptions;
  #guard: ChildProcess | undefined;
  #ended: Promise<void> = Promise.resolve();
  #pid = 0;
  #expected = false;
  #listening = false;

  constructor(options: LocalNodeOptions) {
    this.name = options.name;
    this.url = `http://127.0.0.1:${options.port}`;
    this.links = options.links;
    this.#options = options;
  }

  get running(): boolean {
    return this.#guard !== undefined;
  }

  /** It has said that it listens, and has not ended since. */
  get listening(): boolean {
    return this.#listening;
  }

  /** Starts it, and waits until it listens. Rejects if it ends before. */
  async start(): Promise<void> {
    const { env, onLine, onDeath, program = MAIN, nodeFlags = [] } = this.#options;
    const { PATH = "", NODE_COMPILE_CACHE } = process.env;
    const guard = spawn("sh", ["-c", GUARD, "sh", process.execPath, ...nodeFlags, program, "serve"], {
      env: { PATH, ...(NODE_COMPILE_CACHE !== undefined && { NODE_COMPILE_CACHE }), ...env },
      stdio: ["pipe", "pipe", "pipe"],
      // A Ctrl-C is for this process, which stops the nodes in order.
      detached: true,
    });
    this.#guard = guard;
    this.#expected = false;
    const lines = createInterface(guard.stdout);
    const exited = once(guard, "exit");
    const last: string[] = [];
    const take = (line: string) => {
      last.push(line);
      if (last.length > 5) last.shift();
      onLine(line);
    };
    createInterface(guard.stderr).on("line", take);
    const listening = Promise.withResolvers<void>();
    let first = true;
    lines.on("line", (line) => {
      if (first) {
        this.#pid = Number(line);
        first = false;
        return;
      }
      if (/Muster is at\s/.test(line)) {
        this.#listening = true;
        listening.resolve();
      }
      take(line);
    });
    this.#ended = once(lines, "close").then(async () => {
      this.#listening = false;
      guard.stdin.end();
      await exited;
      this.#guard = undefined;
      listening.reject(new Error(`${this.name} ended:\n${last.join("\n")}`));
      if (!this.#expected) onDeath();
    });
    const timer = setTimeout(() => listening.reject(new Error(`${this.name} does not start`)), START_MS);
    await listening.promise.finally(() => clearTimeout(timer));
  }

  /** Sends a signal; nothing happens if it does not run. */
  signal(signal: "SIGSTOP" | "SIGCONT" | "SIGTERM"): void {
    if (this.#guard === undefined) return;
    try {
      process.kill(this.#pid, signal);
    } catch (error) {
      // It has just ended, which is told by itself.
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }

  /** SIGKILL. Resolves when it is gone. */
  async kill(): Promise<void> {
    this.#expected = true;
    this.#guard?.stdin?.end();
    await this.#ended;
  }

  /** Asks it to stop in order, and waits; kills it if it takes too long. */
  async stop(): Promise<void> {
    this.#expected = true;
    this.signal("SIGCONT");
    this.signal("SIGTERM");
    const timer = setTimeout(() => this.#guard?.stdin?.end(), STOP_MS);
    await this.#ended.finally(() => clearTimeout(timer));
  }

  /** Whether it says that it can serve. */
  async ready(withinMs = 1_000): Promise<boolean> {
    try {
      const response = await fetch(`${this.url}/readyz`, { signal: AbortSignal.timeout(withinMs) });
      await response.body?.cancel();
      return response.ok;
    } catch {
      return false;
    }
  }

  /** Resolves when it says that it can serve. Rejects if it does not do so in time. */
  async becomesReady(withinMs: number): Promise<void> {
    const end = performance.now() + withinMs;
    while (!(await this.ready())) {
      if (performance.now() > end) throw new Error(`${this.name} is not ready after ${withinMs} ms`);
      await sleep(100);
    }
  }
}
