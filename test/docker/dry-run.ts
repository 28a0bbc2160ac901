/**
 * Builds and starts the image without Docker: runs the Dockerfile's own lines, in order, each stage in an empty folder of its own
 * that stands for its file system. Then the health check must succeed, and SIGTERM must end the node with exit code 0.
 * What this cannot tell: whether the base image has what the commands want.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, relative, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../support/programs.ts";
import {
  isIgnored,
  parseCommand,
  parseCopy,
  parseDockerfile,
  parseEnvironment,
  type Stage,
} from "./dockerfile.ts";

const CONTEXT = join(import.meta.dirname, "../..");
const START_MS = 60_000;
const STOP_MS = 30_000;
/** The user of the image has no rights on files; on a machine of one's own, `nobody` has none. */
const NOBODY = 65_534;

const dockerignore = readFileSync(join(CONTEXT, ".dockerignore"), "utf8");
const scratch = mkdtempSync(join(tmpdir(), "muster-docker-"));
chmodSync(scratch, 0o755);
const tools = join(scratch, "bin");
mkdirSync(tools);
cpSync(process.execPath, join(tools, "node"));
for (const tool of ["sh", "env", "install"]) symlinkSync(locate(tool), join(tools, tool));
// With the Node it belongs to: npm finds the machine's settings (registry, certificates) beside that.
const npm = `#!/bin/sh\nexec ${locate("node")} ${locate("npm")} "$@"\n`;
writeFileSync(join(tools, "npm"), npm, { mode: 0o755 });

function locate(tool: string): string {
  const found = (process.env.PATH ?? "")
    .split(":")
    .filter((folder) => !folder.includes("node_modules"))
    .map((folder) => join(folder, tool))
    .find((path) => existsSync(path));
  assert.ok(found, `${tool} is not installed`);
  return found;
}

/** What a stage has become: where its `/` is, its environment, its working folder. */
interface Built {
  root: string;
  workdir: string;
  env: Record<string, string>;
  user?: string;
  health?: string[];
  command?: string[];
}

const inside = (root: string, workdir: string, path: string) => join(root, resolve(workdir, path));

function copy(built: Built, source: string, target: string, filter: (path: string) => boolean): void {
  const isFolder = statSync(source).isDirectory();
  const intoFolder = target.endsWith("/") || target === ".";
  const to = inside(built.root, built.workdir, target);
  cpSync(source, isFolder || !intoFolder ? to : join(to, basename(source)), {
    recursive: true,
    verbatimSymlinks: true,
    filter,
  });
}

function run(built: Built, text: string): void {
  // Absolute paths and the image's users do not exist here.
  const command = text.replace(/ --(?:owner|group)=\S+/g, "").replace(/(?<=\s)\/(?=\w)/g, `${built.root}/`);
  const { status } = spawnSync("sh", ["-c", command], {
    cwd: join(built.root, built.workdir),
    env: { PATH: `${tools}:/usr/bin:/bin`, HOME: process.env.HOME, ...built.env },
    stdio: "inherit",
  });
  assert.equal(status, 0, `RUN ${text}`);
}

function build(stage: Stage, done: ReadonlyMap<string, Built>): Built {
  const built: Built = { root: join(scratch, `stage-${stage.name}`), workdir: "/", env: {} };
  mkdirSync(built.root);
  for (const instruction of stage.instructions) {
    const { name, text } = instruction;
    console.log(`${stage.name}: ${name} ${text}`);
    if (name === "WORKDIR") {
      built.workdir = resolve(built.workdir, text);
      mkdirSync(join(built.root, built.workdir), { recursive: true });
    } else if (name === "COPY") {
      const { from, sources, target } = parseCopy(instruction);
      for (const source of sources) {
        if (from === undefined) {
          copy(
            built,
            join(CONTEXT, source),
            target,
            (path) => !isIgnored(dockerignore, relative(CONTEXT, path)),
          );
        } else {
          copy(built, join(done.get(from)!.root, source), target, () => true);
        }
      }
    } else if (name === "RUN") run(built, text);
    else if (name === "ENV") Object.assign(built.env, Object.fromEntries(parseEnvironment(text)));
    else if (name === "USER") built.user = text;
    else if (name === "HEALTHCHECK") built.health = parseCommand(text);
    else if (name === "CMD") built.command = parseCommand(text);
    else assert.ok(["VOLUME", "EXPOSE"].includes(name), `this dry run does not know ${name}`);
  }
  return built;
}

async function start(built: Built): Promise<void> {
  assert.ok(built.command && built.health && built.user && built.user !== "root");
  const data = join(built.root, built.env.MUSTER_DATA_DIR);
  assert.ok(existsSync(data), "the data folder is in the image");
  const asRoot = process.getuid?.() === 0;
  if (asRoot) chownSync(data, NOBODY, NOBODY);
  const options = {
    cwd: join(built.root, built.workdir),
    env: {
      PATH: tools,
      ...built.env,
      MUSTER_DATA_DIR: data,
      // The image listens everywhere; a test does not.
      HOST: "127.0.0.1",
      PORT: String(await freePort()),
      MUSTER_ADMIN_TOKEN: "dry-run-dry-run-dry-run-dry-run-dry-run",
    },
    stdio: "inherit" as const,
    ...(asRoot ? { uid: NOBODY, gid: NOBODY } : {}),
  };
  const [program, ...args] = built.command;
  const node: ChildProcess = spawn(join(tools, program), args, options);
  const exit = once(node, "exit");
  try {
    const [probe, ...probeArgs] = built.health;
    const deadline = performance.now() + START_MS;
    while (spawnSync(join(tools, probe), probeArgs, options).status !== 0) {
      assert.equal(node.exitCode, null, "the node ended before it was healthy");
      assert.ok(performance.now() < deadline, "the node was not healthy in time");
      await sleep(500);
    }
    console.log("healthy");
    node.kill("SIGTERM");
    const [code] = (await Promise.race([exit, sleep(STOP_MS, ["it did not end in time"])])) as [unknown];
    assert.equal(code, 0, "SIGTERM drains and ends with 0");
    console.log("stopped with exit code 0");
  } finally {
    node.kill("SIGKILL");
  }
}

try {
  const done = new Map<string, Built>();
  for (const stage of parseDockerfile(readFileSync(join(CONTEXT, "Dockerfile"), "utf8"))) {
    done.set(stage.name, build(stage, done));
  }
  await start([...done.values()].at(-1)!);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
