/** Builds the map page if it is missing or older than what it is made of. `node web/build.ts`; prints one line. */
import { readdirSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

/** What the page is made of, relative to the project. */
const SOURCES = ["web", "client", "src/transport/feed", "src/picture/dead-reckoning.ts", "package-lock.json"];

/** Why the page must be built, in words, or undefined if `web/dist` is newer than all that it is made of. */
export function whyBuild(project: string): string | undefined {
  const built = statSync(join(project, "web/dist/index.html"), { throwIfNoEntry: false })?.mtimeMs;
  if (built === undefined) return "web/dist is missing";
  const newer = SOURCES.flatMap((source) => filesUnder(join(project, source))).find(
    (file) => statSync(file).mtimeMs > built,
  );
  return newer === undefined ? undefined : `${relative(project, newer)} is newer than web/dist`;
}

function filesUnder(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path)
    .filter((name) => name !== "dist" && !name.startsWith("."))
    .flatMap((name) => filesUnder(join(path, name)));
}

async function buildIfNeeded(): Promise<void> {
  const why = whyBuild(fileURLToPath(new URL("..", import.meta.url)));
  if (why === undefined) {
    console.log("web: up to date");
    return;
  }
  const started = performance.now();
  // Loaded only now: most starts need no build, and should not wait for the tools of one.
  const { build } = await import("vite");
  await build({ root: fileURLToPath(new URL(".", import.meta.url)), logLevel: "warn" });
  console.log(`web: built in ${((performance.now() - started) / 1_000).toFixed(1)} s, because ${why}`);
}

if (import.meta.main) await buildIfNeeded();
