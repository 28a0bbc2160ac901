/**
 * Mutants: copies of the program with one place of the source changed, which a property ought to notice. For what is inside of a method and
 * so cannot be replaced from outside. Each runs in a process of its own, the only one that sees the change.
 */
import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { FORK } from "./node-program.ts";

export interface Mutant {
  /** What is wrong with it. */
  readonly name: string;
  /** From the project's root. */
  readonly file: string;
  /** Occurs once in the file. */
  readonly from: string;
  readonly to: string;
}

/** What a property said of a mutant; a program that mutants are tried with exports `judge`, which gives one. */
export type Verdict =
  /** An assertion of the property failed, after so many runs. */
  | { is: "killed"; by: string; runs: number }
  | { is: "survived"; runs: number }
  /** Something else failed, which says nothing of the property. */
  | { is: "broken"; by: string };

const ROOT = new URL("../../", import.meta.url);
const PROCESS = new URL("mutant-process.ts", import.meta.url);
/** A mutant may not end by itself. */
const MAX_MS = 180_000;

/** The changed source of a mutant's file. */
export function mutate(source: string, { file, from, to, name }: Mutant): string {
  assert.equal(source.split(from).length - 1, 1, `${name}: what it changes occurs once in ${file}`);
  return source.replace(from, () => to);
}

/** Tries a mutant with a program, given as a path from the project's root. @param argument of its `judge`. */
export async function tryMutant(mutant: Mutant, program: string, argument?: string): Promise<Verdict> {
  const target = new URL(mutant.file, ROOT);
  const given: Given = {
    url: target.href,
    source: mutate(readFileSync(target, "utf8"), mutant),
    program: pathToFileURL(fileURLToPath(new URL(program, ROOT))).href,
    argument,
  };
  const child = fork(PROCESS, { ...FORK, stdio: ["ignore", "ignore", "pipe", "ipc"] });
  const timer = setTimeout(() => child.kill("SIGKILL"), MAX_MS);
  let output = "";
  child.stderr!.on("data", (chunk) => {
    output += chunk;
  });
  let verdict: Verdict | undefined;
  child.on("message", (message) => {
    verdict = message as Verdict;
  });
  child.send(given);
  const signal = await new Promise((resolve) => child.once("close", (_code, signal) => resolve(signal)));
  clearTimeout(timer);
  return verdict ?? { is: "broken", by: signal === null ? output : `${MAX_MS} ms were not enough` };
}

/** What the process is given. */
export interface Given {
  /** Of the changed file. */
  url: string;
  source: string;
  /** URL of the program. */
  program: string;
  argument: string | undefined;
}
