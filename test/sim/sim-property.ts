/** The simulation as a program that mutants are tried with: what it says of a cluster that is broken on purpose. */
import { AssertionError } from "node:assert/strict";
import type { Verdict } from "../support/mutant.ts";
import { KINDS, type Kind } from "./scenario.ts";
import { simulate } from "./simulation.ts";
import { Violation } from "./violation.ts";

const MUTANT_SEEDS = 200;
const STEPS = 14;

/**
 * The seeds in their order, so that what was noticed once is noticed each time.
 * @param kind of the faults that show best what is broken; `few` = a few seeds of each kind.
 */
export async function judge(kind: Kind | "few"): Promise<Verdict> {
  const runs = kind === "few" ? 2 * KINDS.length : MUTANT_SEEDS;
  for (let seed = 1; seed <= runs; seed++) {
    const outcome = await simulate({ seed, steps: STEPS, kind: kind === "few" ? undefined : kind });
    const { failure } = outcome;
    if (failure === undefined) continue;
    const by = failure instanceof Error ? (failure.stack ?? failure.message) : String(failure);
    return isNoticed(failure)
      ? { is: "killed", by: `${outcome.kind}: ${by.split("\n", 1)[0]}`, runs: seed }
      : { is: "broken", by };
  }
  return { is: "survived", runs };
}

/** Whether a check of the simulation failed, or one that nodes make of themselves: that something else throws says nothing. */
function isNoticed(failure: unknown): boolean {
  if (failure instanceof Violation || failure instanceof AssertionError) return true;
  return failure instanceof Error && failure.constructor === Error;
}
