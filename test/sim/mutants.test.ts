// What the simulation is worth: what keeps the data whole, each taken out, and whether a seed notices.
import { availableParallelism } from "node:os";
import t from "tap";
import { type Mutant, tryMutant } from "../support/mutant.ts";
import { HARDSHIPS, MUTANTS } from "./mutants.ts";
import { MUTANT_STEPS, type Tried } from "./sim-property.ts";
import { simulate } from "./simulation.ts";

const PROGRAM = "test/sim/sim-property.ts";
const AT_ONCE = Math.min(2, availableParallelism());

t.setTimeout(600_000);

async function tryAll<Some extends Mutant>(
  mutants: readonly Some[],
  tried: (mutant: Some) => Promise<void>,
): Promise<void> {
  const waiting = [...mutants];
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) await tried(mutant);
    }),
  );
}

t.test("a cluster that lacks what keeps its data whole fails in a simulation", async (t) => {
  await tryAll(MUTANTS, async (mutant) => {
    const { kind, seed = 1 } = mutant;
    const verdict = await tryMutant(mutant, PROGRAM, JSON.stringify({ kind, seed } satisfies Tried));
    t.equal(verdict.is, "killed", mutant.name, verdict);
    if (verdict.is !== "killed") return;
    t.comment(`${mutant.name}: after ${verdict.runs}, ${verdict.by}`);
    const noticed = seed + verdict.runs - 1;
    const { failure } = await simulate({ seed: noticed, steps: MUTANT_STEPS, kind });
    t.equal(failure, undefined, `${mutant.name}: seed ${noticed} fails with the mutant only`);
  });
});

t.test("a cluster that only has a hard time does not", async (t) => {
  await tryAll(HARDSHIPS, async (mutant) => {
    const verdict = await tryMutant(mutant, PROGRAM, JSON.stringify({ kind: "few" } satisfies Tried));
    t.equal(verdict.is, "survived", mutant.name, verdict);
  });
});
