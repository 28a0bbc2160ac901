/** Where tests put files. */
import { statfsSync } from "node:fs";
import { freemem, tmpdir } from "node:os";

const MEMORY = "/dev/shm";
/** Four test files at once fill less than half a GB. */
const ROOM_BYTES = 4 * 2 ** 30;

/** For what is kept between runs. */
export const KEPT = tmpdir();

// In memory, where there is room, also what other programs write meanwhile: to make the thousand files of a database takes a tenth of the processor
// time that it takes on a disk.
if (process.env.TMPDIR === undefined && hasRoom()) process.env.TMPDIR = MEMORY;

/** For what goes with the test. From here on it is what `tmpdir()` says, too. */
export const TEMPORARY = tmpdir();

function hasRoom(): boolean {
  if (process.platform !== "linux" || freemem() < ROOM_BYTES) return false;
  try {
    const { bavail, bsize } = statfsSync(MEMORY);
    return bavail * bsize >= ROOM_BYTES;
  } catch {
    return false;
  }
}
