/** The model test as a property of the feed, and what it says of a feed that is broken on purpose. */
import { AssertionError } from "node:assert/strict";
import { Picture } from "../../src/picture/picture.ts";
import type { Verdict } from "../support/mutant.ts";
import { fc } from "../support/seeded.ts";
import { History } from "./model.ts";
import { type AccessStep, accessSteps } from "./model-access.ts";
import { crowdSteps, heldSteps, type Step, slowSteps, steps } from "./model-steps.ts";

/** Of all histories, one after the other: to make one takes longer than a history. */
export let picture = new Picture();

/** A mutant that survives so many is not noticed; each is within a hundred. */
const HISTORIES = 8_000;

const arbitraries = [
  fc.oneof(
    { weight: 4, arbitrary: steps },
    { weight: 1, arbitrary: slowSteps },
    { weight: 1, arbitrary: heldSteps },
    { weight: 1, arbitrary: crowdSteps },
  ),
  fc.constantFrom(1, 2, 512),
  fc.constantFrom<number | undefined>(undefined, undefined, 300),
  fc.constantFrom(0, 4),
  fc.constantFrom<number | undefined>(undefined, undefined, undefined, 500),
  fc.constantFrom<number | undefined>(undefined, undefined, undefined, 300, 800),
] as const;

function tryHistory(
  steps: readonly (Step | AccessStep)[],
  isGuarded: boolean,
  partRecords: number,
  partBytes: number | undefined,
  privateViews: number,
  snapshotBytesPerTick?: number,
  maxDeltaBytes?: number,
): void {
  const run = new History(picture, {
    partRecords,
    partBytes,
    privateViews,
    snapshotBytesPerTick,
    maxDeltaBytes,
    isGuarded,
  });
  try {
    run.run(steps);
  } finally {
    run.end();
  }
  run.checkEnd();
}

const [live, ...limits] = arbitraries;
export const histories = fc.property(live, ...limits, (steps, ...options) =>
  tryHistory(steps, false, ...options),
);
/** Of clients who may not see all. */
export const guardedHistories = fc.property(accessSteps, ...limits, (steps, ...options) =>
  tryHistory(steps, true, ...options),
);

/** A mutant that throws so often in other ways does nothing else. */
const MAX_STRAYS = 50;

/**
 * Whether the model notices what is broken, by what it asserts itself: that something else throws says nothing.
 * @param seed of the histories: what was noticed once is noticed each time. @param isGuarded of clients who may not see all
 */
export function judge(seed = "1", isGuarded = false): Verdict {
  let strays = 0;
  const histories: fc.Arbitrary<(Step | AccessStep)[]> = isGuarded ? accessSteps : live;
  const noticed = fc.property(histories, ...limits, (steps, ...options) => {
    try {
      tryHistory(steps, isGuarded, ...options);
    } catch (error) {
      // Nobody knows what is left of the one before.
      picture = new Picture();
      if (isOwn(error) || ++strays > MAX_STRAYS) throw error;
    }
  });
  const details = fc.check(noticed, { seed: Number(seed), numRuns: HISTORIES, endOnFailure: true });
  const { numRuns: runs, errorInstance: error } = details;
  if (isOwn(error)) return { is: "killed", by: error.message.split("\n", 1)[0], runs };
  if (details.failed)
    return { is: "broken", by: error instanceof Error ? (error.stack ?? "") : String(error) };
  return { is: "survived", runs };
}

/** Whether an assertion of the model or its clients failed. */
function isOwn(error: unknown): error is AssertionError {
  if (!(error instanceof AssertionError)) return false;
  const thrower = /^\s+at .*$/m.exec(error.stack ?? "")?.[0];
  return thrower?.includes("/test/feed/") === true;
}
