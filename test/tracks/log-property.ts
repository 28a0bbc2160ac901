/** Whether tracks are what was reported, in a process in which something of the program is another: see `mutant.ts`. */
import { AssertionError } from "node:assert";
import type { Verdict } from "../support/mutant.ts";
import { fc } from "../support/seeded.ts";
import { busyStep, MANY, NUMBERS, Run, step } from "./log-run.ts";

const histories = fc.oneof(
  fc.record({ run: fc.constant(() => new Run(NUMBERS, 0)), steps: fc.array(step, { maxLength: 40 }) }),
  fc.record({
    run: fc.constant(() => new Run(MANY, 30)),
    steps: fc.array(busyStep, { minLength: 80, maxLength: 160 }),
  }),
);

export function judge(): Verdict {
  const tracks = fc.property(histories, ({ run: begin, steps }) => {
    const run = begin();
    for (const one of steps) run.run(one);
    run.check();
    run.run({ is: "crash" });
    run.check();
  });
  const {
    failed,
    numRuns: runs,
    errorInstance: error,
  } = fc.check(tracks, { numRuns: 60, endOnFailure: true });
  if (!failed) return { is: "survived", runs };
  if (error instanceof AssertionError) return { is: "killed", by: error.message.split("\n", 1)[0], runs };
  return { is: "broken", by: error instanceof Error ? (error.stack ?? "") : String(error) };
}
