/** The command line of the benchmarks, as a program. */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Test } from "tap";
import type { Result } from "../../bench/result.ts";
import { madeDataDir } from "./data-dir.ts";
import { NODE, NODE_FLAGS } from "./node-program.ts";
import { testDatabase } from "./postgres.ts";
import { temporaryFolder } from "./serve.ts";

const MAIN = fileURLToPath(new URL("../../bench/main.ts", import.meta.url));

/** Units, and what is counted. */
const UNIT =
  /(^|_)(s|ms|us|mb|cores|updates?|reports?|frames|viewers?|connections?|publications|ratio|percent|shards|entities|acked)$/;

/** Runs the command line. Resolves to its exit code and all that it wrote. @param databaseUrl without one it is the embedded database. */
export function run(
  t: Test,
  args: string[],
  databaseUrl?: string,
): Promise<{ code: number | null; output: string }> {
  const env = { ...process.env, DATABASE_URL: databaseUrl };
  const [command, ...before] = NODE;
  const child = spawn(command, [...before, MAIN, ...args], { env, stdio: ["ignore", "pipe", "pipe"] });
  t.teardown(() => child.kill("SIGKILL"));
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += chunk));
  return new Promise((resolve) => child.once("close", (code) => resolve({ code, output })));
}

export interface Run {
  scenario: string;
  code: number | null;
  output: string;
  file: string;
}

/** Runs a scenario in its small size, on PostgreSQL. */
export async function small(t: Test, scenario: string, ...more: string[]): Promise<Run> {
  const file = join(await temporaryFolder(t), "result.json");
  const { url } = await testDatabase(t);
  return { scenario, file, ...(await run(t, [scenario, "--small", "--json", file, ...more], url)) };
}

/** As `small`, on the embedded database, which takes longer. */
export async function smallEmbedded(t: Test, scenario: string): Promise<Run> {
  const file = join(await temporaryFolder(t), "result.json");
  const more = ["--data-dir", await madeDataDir(t), `--node-flags=${NODE_FLAGS.join(" ")}`];
  return { scenario, file, ...(await run(t, [scenario, "--small", "--json", file, ...more])) };
}

/** Looks at what every result must have. @returns its figures. */
export function looksRight(
  t: Test,
  { scenario, code, output, file }: Run,
  store: Result["machine"]["store"] = "postgresql",
): Result["figures"] {
  t.equal(code, 0, output);
  const result = JSON.parse(readFileSync(file, "utf8")) as Result;
  t.match(result, {
    scenario,
    size: "small",
    commit: /^([0-9a-f]{7,}(-dirty)?|unknown)$/,
    machine: { cpu: /./, cores: Number, node: process.versions.node, store },
    workload_hash: /^[0-9a-f]{12}$/,
  });
  for (const [name, value] of Object.entries(result.figures)) {
    t.ok(Number.isFinite(value), `${name} is a number`);
    t.match(name, UNIT);
    t.ok(output.includes(name), `${name} is printed`);
  }
  return result.figures;
}
