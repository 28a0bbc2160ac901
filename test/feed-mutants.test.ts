// What the model test is worth: rules of the feed, each broken in the source, and whether the model notices.
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import t from "tap";
import { MUTANTS } from "./feed/mutants.ts";
import { type Mutant, mutate, tryMutant } from "./support/mutant.ts";

const PROPERTY = "test/feed/model-property.ts";
const AT_ONCE = Math.min(2, availableParallelism());

t.setTimeout(300_000);

t.test("[F1] the model notices each rule that is broken inside of a method", async (t) => {
  const waiting = [...MUTANTS];
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
        const verdict = await tryMutant(mutant, PROPERTY, String(mutant.seed ?? 1));
        t.equal(verdict.is, "killed", mutant.name, verdict);
        if (verdict.is === "killed") t.comment(`${mutant.name}: after ${verdict.runs}, ${verdict.by}`);
      }
    }),
  );
});

t.test("[F1] a mutant that only throws is not noticed, nor one of which nobody can tell", async (t) => {
  const file = "src/picture/channel.ts";
  const from =
    "    const columns = this.#picture.columns;\n    if (columns.flags.of(slot) & HAS_PLACE)\n      return";
  const mutant = (name: string, to: string): Mutant => ({ name, file, from, to });
  const verdict = async (name: string, to: string) => (await tryMutant(mutant(name, to), PROPERTY)).is;
  t.equal(await verdict("throws", `    (undefined as never as object[])[0].toString();\n${from}`), "broken");
  t.equal(await verdict("is no program", `    }}}\n${from}`), "broken");
  const source = readFileSync(file, "utf8");
  t.throws(() => mutate(source, { ...mutant("is nowhere", ""), from: "no such line" }));
  t.throws(() => mutate(source, { ...mutant("is everywhere", ""), from: "slot" }));
});
