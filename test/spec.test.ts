// The specification and the tests, held together by rule numbers.
import { join } from "node:path";
import t from "tap";
import { checkRules, quotesOf, rulesOf } from "./tidy/rules.ts";
import { listFiles, parse, readSource } from "./tidy/source.ts";

const ROOT = join(import.meta.dirname, "..");
const files = listFiles(ROOT);
const documents = files
  .filter((path) => path === "docs/SPEC.md" || /^docs\/spec\/.*\.md$/.test(path))
  .map((path) => readSource(ROOT, path));
const tests = files
  .filter((path) => path.startsWith("test/") && path.endsWith(".ts"))
  .map((path) => parse(readSource(ROOT, path)));

t.test("[Y11] each rule is quoted by a test title, and each quote is of a rule", async (t) => {
  t.ok(files.includes("docs/SPEC.md"), "docs/SPEC.md is there");
  t.not(documents.flatMap(rulesOf).length, 0, "there are rules");
  t.same(checkRules(documents, tests), []);
});

t.test(
  "[Y11] a rule without a test, a quote without a rule and a number given twice are noticed",
  async (t) => {
    const spec = (text: string) => ({ path: "SPEC.md", text });
    const test = (text: string) => parse({ path: "a.test.ts", text });
    const complaints = (rules: string, code: string) => checkRules([spec(rules)], [test(code)]).length;
    t.equal(complaints("**F1** One.\n- **F2** Two.", 't.test("[F1] a", f); t.test(`[F2] b`, f);'), 0);
    t.equal(complaints("**F1** One.\n**F2** Two.", 't.test("[F1, F2] both", f);'), 0);
    t.equal(complaints("**F1** One.\n**F2** Two.", 't.test("[F1] a", f);'), 1, "F2 is not quoted");
    t.equal(complaints("**F1** One.", 't.test("[F1] a", f); t.test("[F9] a", f);'), 1, "F9 is no rule");
    t.equal(complaints("**F1** One.\n**F1** Again.", 't.test("[F1] a", f);'), 1, "F1 twice");
    t.equal(complaints("**F1** One.", "// [F1] in a comment is no title"), 1);
    t.same(rulesOf(spec("see **F1** below\n**Note** F2")), [], "a rule stands at the start of its line");
    t.same(quotesOf(test('const list = "an [F1] inside";')), [], "a quote stands at the start of its title");
  },
);
