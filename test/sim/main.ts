/**
 * Simulates clusters: `npm run sim -- --seeds N [--from S] [--steps N] [--kind …]`. A seed that fails is printed with what happened last, and
 * repeats exactly.
 */
import { parseArgs } from "node:util";
import { KINDS, type Kind } from "./scenario.ts";
import { DEFAULT_STEPS, simulate } from "./simulation.ts";

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "200" },
    from: { type: "string", default: "1" },
    steps: { type: "string", default: String(DEFAULT_STEPS) },
    kind: { type: "string" },
    /** Each run, with its hash. */
    verbose: { type: "boolean", default: false },
  },
});
const kind = values.kind as Kind | undefined;
if (kind !== undefined && !KINDS.includes(kind)) throw new Error(`--kind takes one of ${KINDS.join(", ")}`);
const from = Number(values.from);
const count = Number(values.seeds);
const began = performance.now();
let time = 0;
let failed = 0;
for (let seed = from; seed < from + count; seed++) {
  const outcome = await simulate({ seed, steps: Number(values.steps), kind });
  time += outcome.time;
  if (values.verbose) {
    const { last: _, failure, ...rest } = outcome;
    console.log(JSON.stringify({ ...rest, failure: failure === undefined ? undefined : String(failure) }));
  }
  if (outcome.failure === undefined) continue;
  failed += 1;
  const { failure } = outcome;
  console.log(outcome.last.join("\n"));
  console.log(failure instanceof Error ? failure.stack : failure);
  console.log(`seed ${seed} (${outcome.kind}) failed\n`);
}
const seconds = (performance.now() - began) / 1_000;
console.log(
  `${count} seeds, ${failed} failed; ${(time / 1_000).toFixed(0)} s of virtual time in ${seconds.toFixed(1)} s, ${(count / seconds).toFixed(1)} seeds/s`,
);
process.exitCode = failed === 0 ? 0 : 1;
