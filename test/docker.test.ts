// The Dockerfile, by reading it. `npm run docker:dry` runs the Dockerfile's lines.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import {
  isIgnored,
  parseCommand,
  parseCopy,
  parseDockerfile,
  parseEnvironment,
} from "./docker/dockerfile.ts";
import { importsOf } from "./tidy/imports.ts";
import { listFiles, parse, readSource } from "./tidy/source.ts";

const ROOT = join(import.meta.dirname, "..");
const text = (path: string) => readFileSync(join(ROOT, path), "utf8");
const stages = parseDockerfile(text("Dockerfile"));
const image = stages.at(-1)!;
const dockerignore = text(".dockerignore");
const copies = (stage: (typeof stages)[number]) =>
  stage.instructions.filter(({ name }) => name === "COPY").map(parseCopy);
const only = (name: string) => {
  const found = image.instructions.filter((instruction) => instruction.name === name);
  t.equal(found.length, 1, `one ${name}`);
  return found[0].text;
};

t.test("[Y12] all that the Dockerfile copies is there and not ignored", async (t) => {
  for (const stage of stages) {
    for (const { from, sources } of copies(stage)) {
      if (from !== undefined) {
        t.ok(
          stages.slice(0, stages.indexOf(stage)).some(({ name }) => name === from),
          `stage ${from} comes before`,
        );
        continue;
      }
      for (const source of sources) {
        t.ok(existsSync(join(ROOT, source)), `${source} exists`);
        t.not(isIgnored(dockerignore, source), true, `${source} is not ignored`);
      }
    }
  }
  for (const path of [
    "node_modules/ws/index.js",
    ".git/config",
    ".muster/token",
    "web/dist/index.html",
    ".env",
    "test/a.ts",
  ]) {
    t.ok(isIgnored(dockerignore, path), `${path} stays out`);
  }
});

t.test("[Y12] the image holds every file that the server imports", async (t) => {
  const inImage = copies(image).flatMap(({ sources }) => sources);
  const files = listFiles(ROOT).filter((path) => /^(src|client|migrations)\/.*\.ts$/.test(path));
  const needed = files
    .flatMap((path) => importsOf(parse(readSource(ROOT, path))))
    .filter(({ to, typeOnly }) => to.endsWith(".ts") && !typeOnly);
  t.not(needed.length, 0);
  for (const folder of new Set(needed.map(({ to }) => to.split("/")[0])))
    t.ok(inImage.includes(folder), folder);
  t.ok(inImage.includes("data"), "the recording of --demo");
});

t.test("[Y12] the image runs as a user without rights, keeps its data, and says how it is", async (t) => {
  for (const { base } of stages) t.equal(base, "node:24-trixie-slim");
  t.not(only("USER"), "root");
  const environment = Object.fromEntries(parseEnvironment(only("ENV")));
  t.equal(environment.HOST, "0.0.0.0");
  t.equal(environment.MUSTER_DATA_DIR, only("VOLUME"));
  t.equal(environment.PORT, only("EXPOSE"));
  t.notOk(text("Dockerfile").includes("MUSTER_ADMIN_TOKEN="), "no token is built in");
  t.match(parseCommand(only("HEALTHCHECK")).at(-1), "/healthz");
  const [program, file, command] = parseCommand(only("CMD"));
  t.equal(program, "node");
  t.ok(existsSync(join(ROOT, file)), `${file} exists`);
  t.equal(command, "serve");
  const dependencies = stages.find(({ name }) => name === "dependencies");
  const commands = dependencies?.instructions.filter(({ name }) => name === "RUN").map(({ text }) => text);
  t.equal(commands?.[0], "npm ci --omit=dev");
  t.match(commands?.[1], /^find node_modules\/uWebSockets\.js .* -delete$/, "one binary of many stays");
});

t.test("[Y12] the reader of Dockerfiles notices what it does not understand", async (t) => {
  t.throws(() => parseDockerfile("COPY a b"), /FROM comes first/);
  t.throws(() => parseDockerfile("FROM a\nnonsense"), /not an instruction/);
  t.throws(() => parseCommand("node src/main.ts"), /exec form/);
  t.throws(() => isIgnored("**/*.log", "a"), /does not know/);
  t.same(parseDockerfile("FROM a AS b\n# no\nRUN x \\\n  y")[0], {
    name: "b",
    base: "a",
    instructions: [{ name: "RUN", text: "x    y" }],
  });
  t.same(parseCopy({ name: "COPY", text: "--from=web /a /b ./c/" }), {
    from: "web",
    sources: ["/a", "/b"],
    target: "./c/",
  });
  t.equal(isIgnored("*\n!web\nweb/dist", "web/dist/a"), true);
  t.equal(isIgnored("*\n!web\nweb/dist", "web/a"), false);
  t.equal(isIgnored("*\n!web\nweb/dist", "website"), true);
});
