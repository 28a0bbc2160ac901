import { spawn } from "node:child_process";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import t, { type Test } from "tap";
import { NODE } from "../support/node-program.ts";
import { testDatabase } from "../support/postgres.ts";
import { temporaryFolder } from "../support/serve.ts";

const STRESS_MS = 3_000;
/** They lose something within one or two seconds. */
const MUTANT_MS = 20_000;
const PROGRAM = join(import.meta.dirname, "fence-stress.ts");
const LOADER = join(import.meta.dirname, "fence-mutant.ts");

interface Result {
  lost: number;
  flushes: number;
  claims: number;
  releases: number;
  evictions: number;
  fenced: number;
  checkpoints: number;
}

t.test(
  "[D32] six nodes under stress lose nothing that was acknowledged, and with a weaker fence they do",
  async (t) => {
    const mutants = ["bare comparison", "key share", "no generation"];
    const weaker = await Promise.all(mutants.map((mutant) => stress(t, mutant)));
    const sound = await stress(t);
    t.comment(JSON.stringify(sound));
    t.equal(sound.lost, 0);
    for (const name of ["flushes", "claims", "releases", "evictions", "fenced", "checkpoints"] as const) {
      t.ok(sound[name] > 3, `${sound[name]} ${name}`);
    }
    weaker.forEach((result, i) => {
      t.ok(result.lost > 0, `${mutants[i]}: ${JSON.stringify(result)}`);
    });
  },
);

/** Runs it in a process of its own until something is lost, or the time is over. */
async function stress(t: Test, mutant?: string): Promise<Result> {
  const { url } = await testDatabase(t);
  const folder = await temporaryFolder(t);
  const args =
    mutant === undefined
      ? [PROGRAM, url, folder, String(STRESS_MS)]
      : ["--import", LOADER, PROGRAM, url, folder, String(MUTANT_MS), mutant];
  const [command, ...before] = NODE;
  const child = spawn(command, [...before, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  t.teardown(() => void child.kill("SIGKILL"));
  const output = await text(child.stdout);
  return JSON.parse(output.trim().split("\n").at(-1)!);
}
