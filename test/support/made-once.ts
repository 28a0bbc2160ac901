import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { KEPT } from "./temporary.ts";

const WAIT_MS = 200;
const WAITS = 600;

/**
 * A folder that takes long to make: made by the test that wants it first, for which the others wait, and kept between runs. It must not be
 * changed by those who use it; copying it does not take long.
 * @param name says all that decides what is in it.
 * @param make fills a folder.
 */
export async function madeOnce(name: string, make: (folder: string) => Promise<void>): Promise<string> {
  const folder = join(KEPT, `muster-test-${name}`);
  for (let wait = 0; wait < WAITS && !existsSync(folder); wait++) {
    const making = `${folder}.making`;
    if (claimed(making)) {
      try {
        await make(making);
        renameSync(making, folder);
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
