/** The simulation as a program that mutants are tried with: what it says of a cluster that is broken on purpose. */
import { AssertionError } from "node:assert/strict";
import type { Verdict } from "../support/mutant.ts";
import { KINDS, type Kind } from "./scenario.ts";
import { simulate, TEST_STEPS } from "./simulation.ts";
import { Violation } from "./violation.ts";

const MUTANT_SEEDS = 200;
/** Of a run that looks for a mutant. */
export const MUTANT_STEPS = 14;

export interface Tried {
  /** Of the faults that show best what is broken; `few` = a few seeds of each kind. */
  kind: Kind | "few";
  /** The first seed. */
  seed?: number;
}

/** The seeds in their order, so that what was noticed once is noticed each time. @param argument a `Tried`, as JSON. */
export async function judge(argument: string): Promise<Verdict> {
  const { kind, seed: first = 1 } = JSON.parse(argument) as Tried;
  const most = kind === "few" ? 2 * KINDS.length : MUTANT_SEEDS;
  for (let runs = 1; runs <= most; runs++) {
    const seed = first + runs - 1;
    const options = kind === "few" ? { steps: TEST_STEPS } : { steps: MUTANT_STEPS, kind };
    const outcome = await simulate({ seed, ...options });
    const { failure } = outcome;
    if (failure === undefined) continue;
    const by = failure instanceof Error ? (failure.stack ?? failure.message) : String(failure);
    return isNoticed(failure)
      ? { is: "killed", by: `${outcome.kind}: ${by.split("\n", 1)[0]}`, runs }
      : { is: "broken", by };
  }
  return { is: "survived", runs: most };
}

/** Whether a check of the simulation failed, or one that nodes make of themselves: that something else throws says nothing. */
function isNoticed(failure: unknown): boolean {
  if (failure instanceof Violation || failure instanceof AssertionError) return true;
  return failure instanceof Error && failure.constructor === Error;
}
