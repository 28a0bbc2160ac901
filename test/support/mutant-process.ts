/** The process of one mutant: loads a program with one file changed, and sends what it says. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { registerHooks } from "node:module";
import type { Given, Verdict } from "./mutant.ts";

const [{ url, source, program, argument }] = (await once(process, "message")) as [Given];
let changed = 0;
registerHooks({
  load(loaded, context, next) {
    const result = next(loaded, context);
    if (loaded !== url) return result;
    changed++;
    return { ...result, source };
  },
});
const { judge } = (await import(program)) as {
  judge(argument?: string): Verdict | Promise<Verdict>;
};
assert.equal(changed, 1, "the program uses the changed file");
const verdict = await judge(argument);
process.send!(verdict, () => process.disconnect());
