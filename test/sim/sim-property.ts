/** The simulation as a program that mutants are tried with: what it says of a cluster that is broken on purpose. */
import { AssertionError } from "node:assert/strict";
import type { Verdict } from "../support/mutant.ts";
import { simulate, TEST_STEPS } from "./simulation.ts";
import { Violation } from "./violation.ts";

export const MUTANT_SEEDS = 200;

/** The seeds in their order, so that what was noticed once is noticed each time. */
export async function judgeSeeds(count: number): Promise<Verdict> {
  for (let seed = 1; seed <= count; seed++) {
    const { failure, kind } = await simulate({ seed, steps: TEST_STEPS });
    if (failure === undefined) continue;
    const by = failure instanceof Error ? (failure.stack ?? failure.message) : String(failure);
    return isNoticed(failure)
      ? { is: "killed", by: `${kind}: ${by.split("\n", 1)[0]}`, runs: seed }
      : { is: "broken", by };
  }
  return { is: "survived", runs: count };
}

export const judge = () => judgeSeeds(MUTANT_SEEDS);

/** Whether a check of the simulation failed, or one that nodes make of themselves: that something else throws says nothing. */
function isNoticed(failure: unknown): boolean {
  if (failure instanceof Violation || failure instanceof AssertionError) return true;
  return failure instanceof Error && failure.constructor === Error;
}
