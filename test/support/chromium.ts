/** The browser of the page's test. */
import { execFile } from "node:child_process";
import { accessSync, constants, existsSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { KEPT } from "./temporary.ts";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
/** A few hundred megabytes, on a slow line. */
const INSTALL_MS = 600_000;
const HINT =
  "install it (Debian: apt-get install chromium) or set CHROMIUM_PATH to the program of a Chromium or Chrome";

/**
 * For containers without a display or the internet: WebGL is drawn in software, the rest of the page without WebGL, which takes a third less, and there
 * is no traffic of the browser's own.
 */
export const CHROMIUM_FLAGS = [
  "--no-sandbox",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--use-angle=swiftshader",
  "--enable-unsafe-swiftshader",
  "--disable-gpu-compositing",
];

/**
 * Path of a Chromium: `CHROMIUM_PATH`, else one in `PATH`, else, for root on Debian or Ubuntu, one that is installed now.
 *
 * @throws {Error} a sentence that says what to install
 */
export async function findChromium(): Promise<string> {
  const given = process.env.CHROMIUM_PATH;
  if (given !== undefined && given !== "") {
    if (!isProgram(given)) throw new Error(`CHROMIUM_PATH is ${given}, which is not a program: ${HINT}`);
    return given;
  }
  const found = inPath();
  if (found !== undefined) return found;
  if (process.getuid?.() !== 0 || !hasApt()) throw new Error(`the page's test needs Chromium: ${HINT}`);
  await install();
  const installed = inPath();
  if (installed === undefined) throw new Error(`apt-get has installed no Chromium: ${HINT}`);
  return installed;
}

function inPath(): string | undefined {
  const folders = (process.env.PATH ?? "").split(delimiter);
  // A PATH that was cut down for a test still finds what the system has.
  return [...folders, "/usr/bin"]
    .flatMap((folder) => NAMES.map((name) => join(folder, name)))
    .find((path) => isProgram(path));
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function hasApt(): boolean {
  if (!existsSync("/usr/bin/apt-get") || !existsSync("/etc/os-release")) return false;
  return /^ID(_LIKE)?=.*\b(debian|ubuntu)\b/m.test(readFileSync("/etc/os-release", "utf8"));
}

/** One at a time on a machine: apt refuses to run twice. */
async function install(): Promise<void> {
  const apt = "apt-get update -q && apt-get install -y -q --no-install-recommends chromium";
  const lock = join(KEPT, "muster-test-apt.lock");
  try {
    await promisify(execFile)("flock", [lock, "sh", "-c", apt], {
      timeout: INSTALL_MS,
      maxBuffer: 64 * 2 ** 20,
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    });
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    throw new Error(`Chromium cannot be installed: ${HINT}. ${detail}`, { cause: error });
  }
}
