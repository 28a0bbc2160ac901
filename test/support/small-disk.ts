import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, statfsSync } from "node:fs";
import { join } from "node:path";
import type { Test } from "tap";
import { temporaryFolder } from "./serve.ts";

/** What a full disk has left. */
const LEFT_BYTES = 256 * 1_024;

/** A disk in memory that can be made full, and large again. */
export class SmallDisk {
  readonly folder: string;
  readonly #sizeBytes: number;

  private constructor(folder: string, sizeBytes: number) {
    this.folder = folder;
    this.#sizeBytes = sizeBytes;
  }

  /** @returns nothing if there can be none here: then the test says that it is skipped. Gone with the test. */
  static async mount(t: Test, sizeBytes: number): Promise<SmallDisk | undefined> {
    const disk = await SmallDisk.#mounted(t, sizeBytes);
    if (typeof disk !== "string") return disk;
    t.comment(`NOT TESTED: ${disk}`);
    t.skip(disk, async () => {});
    return undefined;
  }

  /** @returns why there can be none. */
  static async #mounted(t: Test, sizeBytes: number): Promise<SmallDisk | string> {
    if (process.getuid?.() !== 0) return "only root may mount a disk in memory";
    const outer = await temporaryFolder(t);
    // Others than root must get to what is theirs in there.
    chmodSync(outer, 0o711);
    const folder = join(outer, "disk");
    mkdirSync(folder);
    const disk = new SmallDisk(folder, sizeBytes);
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", `size=${sizeBytes},mode=0711`, "muster-test", folder], {
        stdio: "pipe",
      });
    } catch (error) {
      return `this machine does not let root mount a disk in memory: ${(error as Error).message}`;
    }
    t.teardown(() => execFileSync("umount", [folder]));
    return disk;
  }

  /** Leaves room for next to nothing. */
  fill(): void {
    const { bsize, blocks, bfree } = statfsSync(this.folder);
    this.#resize((blocks - bfree) * bsize + LEFT_BYTES);
  }

  /** Makes it as large as it was. */
  enlarge(): void {
    this.#resize(this.#sizeBytes);
  }

  #resize(bytes: number): void {
    execFileSync("mount", ["-o", `remount,size=${bytes}`, this.folder]);
  }
}
