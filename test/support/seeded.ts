/**
 * fast-check with one seed for all properties: `npm test` tries the same cases each time, so what it finds is what a change broke.
 * `TEST_SEED=random` looks for what nobody broke yet; the seed is printed with a failure, and as a number it repeats the run.
 */
import fc from "fast-check";

const wanted = process.env.TEST_SEED;
export const SEED = wanted === "random" ? Date.now() % 2 ** 31 : Number(wanted ?? 20_261_125);
if (!Number.isInteger(SEED)) throw new Error("TEST_SEED must be an integer, or random");
fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: SEED });

/** How many cases a property tries. @param count as `npm test` does; `TEST_RUNS` multiplies it. */
export const runs = (count: number): number => Math.ceil(count * Number(process.env.TEST_RUNS ?? 1));

export { fc };
