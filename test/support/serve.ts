import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Test } from "tap";
import { loadOrRelinkUws } from "../../src/transport/server/load-uws.ts";
import { NODE } from "./node-program.ts";
import { testDatabase } from "./postgres.ts";
import { TEMPORARY } from "./temporary.ts";

const MAIN = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
export const TOKEN = "a-token-for-tests-only";
/** A first start makes a database: on a busy machine that takes a while. */
const START_MS = 90_000;

export interface Serving {
  url: string;
  child: ChildProcess;
  /** All that it wrote to standard output and error so far. */
  output(): string;
  headers: Record<string, string>;
  /** Ends it with a signal. Resolves to its exit code, or the signal that it died of. */
  end(signal: NodeJS.Signals): Promise<number | NodeJS.Signals | null>;
}

/** A folder for one test, removed afterwards. */
export async function temporaryFolder(t: Test): Promise<string> {
  const folder = await mkdtemp(join(TEMPORARY, "muster-test-"));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/**
 * Starts `muster serve` as a process of its own on a free port, and waits until it is ready. It is killed at the end of the test.
 * It is served by uWebSockets.js where that can be made to load.
 */
export async function serve(
  t: Test,
  options: { dataDir: string; args?: string[]; env?: Record<string, string>; program?: string },
): Promise<Serving> {
  loadOrRelinkUws();
  const env = {
    PORT: "0",
    MUSTER_DATA_DIR: options.dataDir,
    MUSTER_ADMIN_TOKEN: TOKEN,
    LOG_LEVEL: "warn",
    ...options.env,
  };
  const { child, output } = run(t, ["serve", ...(options.args ?? [])], env, options.program);
  const url = await new Promise<string>((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`no start within ${START_MS} ms:\n${output()}`)),
      START_MS,
    );
    const look = () => {
      const found = /Muster is at\s+(http:\/\/[^/\s]+)\//.exec(output());
      if (found === null) return;
      clearTimeout(timer);
      resolve(found[1]!);
    };
    child.stdout?.on("data", look);
    child.once("exit", (code) => {
      clearTimeout(timer);
      reject(new Error(`serve ended with ${code}:\n${output()}`));
    });
  });
  return {
    url,
    child,
    output,
    headers: { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" },
    async end(signal) {
      if (child.exitCode !== null) return child.exitCode;
      const exited = once(child, "exit");
      child.kill(signal);
      const [code, died] = await exited;
      return code ?? died;
    },
  };
}

/** As `serve`, on a PostgreSQL: it starts in a quarter of the time that the embedded database takes. */
export async function serveOnPostgres(t: Test, env: Record<string, string> = {}): Promise<Serving> {
  const { url } = await testDatabase(t);
  return serve(t, { dataDir: await temporaryFolder(t), env: { DATABASE_URL: url, ...env } });
}

/** Runs the command line, or another program that takes the same. */
export function run(t: Test, args: string[], env: Record<string, string> = {}, program = MAIN) {
  const [command, ...before] = NODE;
  const child = spawn(command, [...before, program, ...args], {
    env: { PATH: process.env.PATH ?? "", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (text += chunk));
  t.teardown(() => {
    child.kill("SIGKILL");
  });
  return {
    child,
    output: () => text,
    /** Resolves to the exit code once the process and its output have ended. */
    ended: new Promise<number | null>((resolve) => child.once("close", resolve)),
  };
}
