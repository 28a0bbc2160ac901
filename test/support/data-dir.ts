import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Test } from "tap";
import { systemClock } from "../../src/clock.ts";
import { openStore } from "../../src/store/store.ts";
import { temporaryFolder } from "./serve.ts";

const quiet = { info() {}, warn() {}, error() {} };
const WAIT_MS = 200;
const WAITS = 600;

/**
 * A data folder of an embedded database that was opened and closed once: making one takes seconds of processor time, copying it does not.
 * The original is made by the store itself, once for each state of the migrations, and kept between runs.
 */
export async function madeDataDir(t: Test): Promise<string> {
  const original = await originalFolder();
  const folder = join(await temporaryFolder(t), "data");
  cpSync(original, folder, { recursive: true });
  return folder;
}

async function originalFolder(): Promise<string> {
  const folder = join(tmpdir(), `muster-test-database-${fingerprint()}`);
  for (let wait = 0; wait < WAITS && !existsSync(folder); wait++) {
    const making = `${folder}.making`;
    if (claimed(making)) {
      try {
        const store = await openStore({
          dataDir: join(making, "data"),
          url: "http://127.0.0.1",
          clock: systemClock,
          log: quiet,
        });
        await store.close();
        renameSync(join(making, "data"), folder);
      } finally {
        rmSync(making, { recursive: true, force: true });
      }
    } else await sleep(WAIT_MS);
  }
  if (!existsSync(folder)) throw new Error(`${folder} was not made by another test: remove ${folder}.making`);
  return folder;
}

function claimed(making: string): boolean {
  try {
    mkdirSync(making);
    return true;
  } catch {
    return false;
  }
}

/** Changes with everything that decides what a fresh database looks like. */
function fingerprint(): string {
  const hash = createHash("sha256");
  const migrations = new URL("../../migrations/", import.meta.url);
  for (const name of readdirSync(migrations).sort())
    hash.update(name).update(readFileSync(new URL(name, migrations)));
  hash.update(readFileSync(new URL("../../package-lock.json", import.meta.url)));
  return hash.digest("hex").slice(0, 16);
}
