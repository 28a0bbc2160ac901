// The style of the code, as checks: what each looks for is in test/tidy/, what is allowed where is here.
import { existsSync, readFileSync } from "node:fs";
import { join, matchesGlob } from "node:path";
import t from "tap";
import { describeConfig, type Variable } from "../src/config.ts";
import { ARROWS } from "./tidy/arrows.ts";
import * as bans from "./tidy/bans.ts";
import * as documents from "./tidy/documents.ts";
import { checkArrows, checkDeadFiles, checkPackages } from "./tidy/imports.ts";
import { listFiles, type ParsedSource, parse, readSource } from "./tidy/source.ts";

const ROOT = join(import.meta.dirname, "..");
const MAX_LINES = 400;

/** The adapters: where time and chance come in. */
const READS_TIME = [
  "src/clock.ts",
  "src/store/embedded",
  // The incarnation of a node is a random id.
  "src/store/membership.ts",
  "src/transport/server",
  "client",
  "web",
  "bench",
  "chaos",
  "test",
];
/** What people or the shell read directly. */
const WRITES_CONSOLE = ["src/main.ts", "src/uws-relink.ts", "web", "bench", "chaos", "test"];
const READS_ENVIRONMENT = [
  "src/main.ts",
  "src/config.ts",
  // Writes what a library can be told in no other way.
  "src/transport/server/load-uws.ts",
  "web/build.ts",
  "bench",
  "chaos",
  "test",
];
/** What runs without being imported. */
const ENTRIES = [
  "src/main.ts",
  "src/uws-relink.ts",
  "web/build.ts",
  "web/vite.config.ts",
  "web/main.ts",
  "bench/main.ts",
  "chaos/check-history.ts",
  "chaos/cluster-command.ts",
  "chaos/main.ts",
  "test/docker/dry-run.ts",
  "test/sim/main.ts",
];
/** Programs among the tests that give parts of the product a use: the local bus is that of simulated clusters. */
const PROGRAMS = ["test/sim/main.ts"];
/** Packages that are used without an import. */
const NOT_IMPORTED = [
  "node",
  "typescript",
  "@biomejs/biome",
  "@types/node",
  "@types/pg",
  "@types/ws",
  // Data.
  "world-atlas",
  // Peers that must be there in the version of those who name them.
  "@deck.gl/core",
  "@luma.gl/core",
  "@mikro-orm/sql",
];

const under = (path: string, places: readonly string[]) =>
  places.some((place) => path === place || path.startsWith(`${place}/`));
const files = listFiles(ROOT);
const sources = files
  .filter(
    (path) =>
      /^(src|client|web|migrations|bench|chaos|test)\//.test(path) &&
      path.endsWith(".ts") &&
      !path.endsWith(".d.ts"),
  )
  .map((path) => parse(readSource(ROOT, path)));
const text = (path: string) => (existsSync(join(ROOT, path)) ? readFileSync(join(ROOT, path), "utf8") : "");
const manifest = JSON.parse(text("package.json"));
const dependencies = Object.keys(manifest.dependencies);
const devDependencies = Object.keys(manifest.devDependencies);
const sample = (path: string, code: string): ParsedSource => parse({ path, text: code });
const outside = (places: readonly string[]) => sources.filter(({ path }) => !under(path, places));

t.test("[Y1] imports point the way the folders allow", async (t) => {
  t.same(checkArrows(sources, ARROWS), []);
  const wrong = (path: string, code: string) => checkArrows([sample(path, code)], ARROWS).length;
  t.equal(wrong("src/actors/a.ts", 'import { x } from "../store/b.ts";'), 1);
  t.equal(wrong("src/actors/a.ts", 'import type { X } from "../transport/b.ts";'), 1, "types too");
  t.equal(wrong("src/actors/a.ts", 'import fs from "node:fs";'), 1, "no I/O");
  t.equal(wrong("src/picture/a.ts", 'export { x } from "../transport/b.ts";'), 1);
  t.equal(wrong("src/transport/http/a.ts", 'const x = await import("../../store/b.ts");'), 1);
  t.equal(wrong("client/a.ts", 'import { x } from "../src/limits.ts";'), 1);
  t.equal(wrong("client/a.ts", 'import { type X, type Y } from "../src/limits.ts";'), 0);
  t.equal(wrong("src/new/a.ts", ""), 1, "a folder that the table does not know");
});

t.test("[Y2] a file has one purpose, a name that says it, and at most 400 lines", async (t) => {
  t.same(
    sources.flatMap((source) => bans.checkShape(source, MAX_LINES)),
    [],
  );
  t.equal(bans.checkShape({ path: "src/a.ts", text: "x;\n".repeat(401) }, MAX_LINES).length, 1);
  t.equal(bans.checkShape({ path: "src/a.ts", text: "x;\n".repeat(400) }, MAX_LINES).length, 0);
  for (const path of ["src/utils.ts", "client/index.ts", "src/http/helpers.ts", "src/myFile.ts"]) {
    t.equal(bans.checkShape({ path, text: "" }, MAX_LINES).length, 1, path);
  }
});

t.test("[Y3] time and chance come in as values", async (t) => {
  t.same(outside(READS_TIME).flatMap(bans.checkTimeAndChance), []);
  for (const code of [
    "Date.now();",
    "new Date();",
    "performance.now();",
    "const { a = Math.random() } = x;",
    "setTimeout(f, 1);",
    "globalThis.setTimeout(f, 1);",
    "const later = setImmediate;",
    'import { setTimeout as sleep } from "node:timers/promises";',
    'import { randomUUID } from "node:crypto";',
    "crypto.randomUUID();",
    "const x = { setInterval };",
  ]) {
    t.not(bans.checkTimeAndChance(sample("src/a.ts", code)).length, 0, code);
  }
  for (const code of [
    "new Date(5);",
    "clock.now();",
    "t.setTimeout(5);",
    "const x = { setTimeout: 1 };",
    "// Date.now()",
  ]) {
    t.same(bans.checkTimeAndChance(sample("src/a.ts", code)), [], code);
  }
});

t.test(
  "[Y4] only the command line and tools write to the console, only the configuration reads the environment",
  async (t) => {
    t.same(outside(WRITES_CONSOLE).flatMap(bans.checkConsole), []);
    t.same(outside(READS_ENVIRONMENT).flatMap(bans.checkEnvironmentAccess), []);
    t.equal(bans.checkConsole(sample("src/a.ts", "if (x) console.warn(1);")).length, 1);
    t.equal(bans.checkEnvironmentAccess(sample("src/a.ts", "const { HOME } = process.env;")).length, 1);
    t.equal(bans.checkEnvironmentAccess(sample("src/a.ts", "f(process.env.HOME);")).length, 1);
  },
);

t.test("[Y5] syntax is what Node runs, and names come from the file that has them", async (t) => {
  // Vite asks for a default export.
  t.same(outside(["web/vite.config.ts"]).flatMap(bans.checkSyntax), []);
  for (const code of [
    "enum E { A }",
    "class C { constructor(private x: number) {} }",
    "namespace N { export const a = 1; }",
    "export default 1;",
    'export * from "./b.ts";',
  ]) {
    t.equal(bans.checkSyntax(sample("src/a.ts", code)).length, 1, code);
  }
  t.same(bans.checkSyntax(sample("src/a.ts", 'declare module "x" {}\ndeclare global {}\nexport {};')), []);
});

t.test("[Y6] no notes to oneself, no paths of one machine", async (t) => {
  t.same(sources.flatMap(bans.checkComments), []);
  const texts = files.filter((path) =>
    /\.(ts|json|md|ya?ml|html|css|sql)$|^(Dockerfile|\.ci\/run|\.[a-z]+rc)$/.test(path),
  );
  t.same(
    texts
      .filter((path) => path !== "package-lock.json")
      .flatMap((path) => bans.checkMachinePaths(readSource(ROOT, path))),
    [],
  );
  t.equal(bans.checkComments(sample("src/a.ts", `// ${"TO"}DO later`)).length, 1);
  t.same(bans.checkComments(sample("src/a.ts", `const ${"TO"}DO = 1;`)), [], "a name is no note");
  const path = (...parts: string[]) => parts.join("/");
  t.equal(bans.checkMachinePaths({ path: "a.md", text: `see ${path("", "work", "x")}` }).length, 1);
  t.equal(bans.checkMachinePaths({ path: "a.md", text: `"${path("", "home", "me")}"` }).length, 1);
  t.same(
    bans.checkMachinePaths({ path: "a.md", text: "a network/tmp/x and https://example.org/home/me" }),
    [],
  );
});

t.test("[Y7] every file is used", async (t) => {
  const tests = sources.map(({ path }) => path).filter((path) => path.endsWith(".test.ts"));
  const inProduct = ENTRIES.filter((path) => !path.startsWith("test/") || PROGRAMS.includes(path));
  t.same(
    checkDeadFiles(sources, inProduct).filter((complaint) => !complaint.startsWith("test/")),
    [],
  );
  t.same(checkDeadFiles(sources, [...ENTRIES, ...tests]), []);
  const a = sample(
    "src/a.ts",
    'import "./b.ts"; new Worker(new URL("./c.ts", import.meta.url)); spawn("src/d.ts");',
  );
  const others = ["src/b.ts", "src/c.ts", "src/d.ts"].map((path) => sample(path, ""));
  t.same(checkDeadFiles([a, ...others], ["src/a.ts"]), []);
  t.equal(checkDeadFiles([a, ...others, sample("src/e.ts", 'import "./a.ts";')], ["src/a.ts"]).length, 1);
  t.equal(checkDeadFiles([a, ...others], ["src/a.ts", "src/gone.ts"]).length, 1);
});

t.test("[Y8] the README's table of configuration is what the code reads", async (t) => {
  const shown = ({ name, default: preset, unit }: Variable) =>
    `${name} = ${`${preset} ${unit}`.trim() || "none"}`;
  const rows = documents.tableRows(text("README.md"), "Configuration");
  const documented = rows.map(([name, preset]) => `${name} = ${preset}`);
  t.same(documents.checkSame("variable", describeConfig().map(shown), documented), []);
  const elsewhere = [...describeConfig().map(({ name }) => name), "PATH", "HOME"];
  const read = sources
    .filter(({ path }) => under(path, ["test", "bench", "chaos"]))
    .flatMap((source) => documents.environmentNames(source.text));
  const script = documents.shellNames(text(".ci/run")).filter((name) => /^(TEST|MUSTER)_/.test(name));
  const contributing = documents.tableRows(text("CONTRIBUTING.md"), "Variables").map(([name]) => name);
  const inTests = [...new Set([...read, ...script])].filter((name) => !elsewhere.includes(name));
  t.same(documents.checkSame("variable", inTests, contributing), []);
  const env = `process.${"env"}`;
  t.same(documents.environmentNames(`${env}.A_1 ?? ${env}["B"]; const { C } = ${env};`), ["A_1", "B"]);
  t.same(documents.shellNames(`[ -z "$${"{A_B:-}"}" ] && echo $C $d`), ["A_B", "C"]);
  t.equal(documents.checkSame("variable", ["A"], []).length, 1);
  t.equal(documents.checkSame("variable", [], ["B"]).length, 1);
  t.equal(shown({ name: "A", default: "5", unit: "s", text: "" }), "A = 5 s");
  const table = "## Configuration\n\n| a | b |\n|---|---|\n| `X` | `1 s` or so |\n\n## Next\n| `Z` |";
  t.same(documents.tableRows(table, "Configuration"), [["X", "1 s or so"]]);
  t.same(documents.tableRows(table, "Missing"), []);
});

t.test("[Y9] each dependency has a version, a sentence and a user", async (t) => {
  const documented = documents.tableRows(text("README.md"), "Dependencies").map(([name]) => name);
  t.same(documents.checkSame("dependency", [...dependencies, ...devDependencies], documented), []);
  t.same(documents.checkVersions({ ...manifest.dependencies, ...manifest.devDependencies }), []);
  t.same(checkPackages(sources, { dependencies, devDependencies }, NOT_IMPORTED), []);
  t.equal(documents.checkVersions({ a: "^1.0.0", b: "latest", c: "1.0.0", d: "npm:@x/y@1.2.3" }).length, 2);
  const declared = { dependencies: ["a"], devDependencies: ["b"] };
  const wrong = (path: string, code: string) =>
    checkPackages([sample(path, code)], declared, ["a", "b"]).length;
  t.equal(wrong("src/a.ts", 'import "a/sub"; import type { T } from "b";'), 0);
  t.equal(wrong("src/a.ts", 'import "b";'), 1, "the server uses a dev dependency");
  t.equal(wrong("src/a.ts", 'import "c";'), 1, "undeclared");
  t.equal(wrong("client/a.ts", 'import "a";'), 1, "the SDK has none");
  t.equal(checkPackages([], declared, ["a"]).length, 1, "unused");
});

t.test("[Y10] package-lock.json works on every machine", async (t) => {
  t.same(documents.checkLock(JSON.parse(text("package-lock.json"))), []);
  const lock = (entry: object) =>
    documents.checkLock({ packages: { "": {}, "node_modules/a": entry } }).length;
  const good = { version: "1.0.0", integrity: "sha512-x" };
  t.equal(lock(good), 0);
  t.equal(lock({ ...good, resolved: "https://registry.npmjs.org/a/-/a-1.0.0.tgz" }), 0);
  t.equal(lock({ ...good, resolved: "https://packages.example.com/a.tgz" }), 1);
  t.equal(lock({ version: "1.0.0" }), 1);
  t.equal(lock({ ...good, optionalDependencies: { b: "1.0.0" } }), 1);
});

t.test("[Y13] links in the documentation lead somewhere", async (t) => {
  const pages = files.filter((path) => path.endsWith(".md"));
  t.ok(pages.includes("README.md"));
  t.same(
    pages.flatMap((path) => documents.checkLinks(readSource(ROOT, path), files)),
    [],
  );
  const wrong = (markdown: string) =>
    documents.checkLinks({ path: "docs/a.md", text: markdown }, ["docs/b.md"]).length;
  t.equal(wrong("[b](b.md), [b](../docs/b.md#part), [web](https://example.org), [docs](../docs/)"), 0);
  t.equal(wrong("[c](c.md)"), 1);
});

t.test("[Y15] every test file is run, by itself or with those of its folder", async (t) => {
  const patterns = [...text(".taprc").matchAll(/^ {2}- "([^"!]+)"$/gm)].map(([, pattern]) => pattern);
  const runs = (path: string) => patterns.some((pattern) => matchesGlob(path, pattern));
  const together = files.flatMap((path) =>
    runs(path) ? [...text(path).matchAll(/^await together\("(\w+)"\);$/gm)].map(([, folder]) => folder) : [],
  );
  t.ok(together.length > 5);
  for (const path of files.filter((path) => path.endsWith(".test.ts"))) {
    const isOfFolder = together.includes(path.split("/").at(-2)!) && path.split("/").length === 3;
    if (runs(path) === isOfFolder) t.fail(`${path} is run ${isOfFolder ? "twice" : "never"}`);
  }
});
