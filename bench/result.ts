/** What a run says at its end: on the screen, and as JSON for those who compare. */
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import type { Protocol } from "./viewers.ts";

export type ServerName = "uws" | "ws";

/** What a run measured on. */
export interface Machine {
  cpu: string;
  cores: number;
  /** Version of Node.js. */
  node: string;
  store: "embedded" | "postgresql";
  /** Web server of Muster. */
  server: ServerName;
}

export interface Result {
  scenario: string;
  size: "full" | "small";
  /** Short hash, `-dirty` if the work tree differs from it; `unknown` outside a repository. */
  commit: string;
  machine: Machine;
  /** Equal for equal work. */
  workload_hash: string;
  /** By name, which ends in its unit or says what it counts. */
  figures: Record<string, number>;
}

/** What the command line says to a scenario. */
export interface Options {
  size: Result["size"];
  /** A PostgreSQL server; absent = the embedded one. */
  databaseUrl?: string;
  /** A data folder to start from, which is copied. */
  dataDir?: string;
  /** Options for the server's Node.js. */
  nodeFlags: readonly string[];
  /** Web server of Muster. */
  server: ServerName;
  /** What to measure, for scenarios that can be run with either; absent = both. */
  protocol?: Protocol;
}

/** What a scenario brings; the rest is of the run. */
export type Measured = Pick<Result, "workload_hash" | "figures">;

export function machine({ databaseUrl, server }: Options): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    node: process.versions.node,
    store: databaseUrl === undefined ? "embedded" : "postgresql",
    server,
  };
}

export function commit(): string {
  const git = (...args: string[]) =>
    execFileSync("git", args, {
      cwd: import.meta.dirname,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
  try {
    const dirty = git("status", "--porcelain", "--untracked-files=no").trim() !== "";
    return git("rev-parse", "--short", "HEAD").trim() + (dirty ? "-dirty" : "");
  } catch {
    // Not a repository, or no git: a source archive.
    return "unknown";
  }
}

export function print({ scenario, size, commit, machine, workload_hash, figures }: Result): void {
  const { cpu, cores, node, store, server } = machine;
  console.log(`${scenario} (${size}), commit ${commit}, workload ${workload_hash}`);
  console.log(`${cores} × ${cpu}, Node.js ${node}, ${store} store, ${server} server\n`);
  const width = Math.max(...Object.keys(figures).map((name) => name.length));
  for (const [name, value] of Object.entries(figures)) {
    const text = value.toLocaleString("en", { maximumFractionDigits: Math.abs(value) < 100 ? 2 : 0 });
    console.log(`  ${name.padEnd(width)}  ${text.padStart(14)}`);
  }
}

/** Rounds figures to what is worth reading, and writes the whole as JSON. */
export function save(result: Result, path: string): void {
  writeFileSync(path, `${JSON.stringify(result, null, 2)}\n`);
}
