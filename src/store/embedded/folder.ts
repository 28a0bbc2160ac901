/**
 * The folder of the embedded database: one process at a time, and only the version that made it. `lock` names the process, `format` what can
 * read the database, and `unfinished` is there until the first start has made the whole of it.
 */
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Clock } from "../../clock.ts";
import { asFolderError, StoreStartError } from "../errors.ts";
import { type HeldLock, isHere, takeLock } from "./lock-file.ts";

/** Changes with what reads the files: PGlite 0.5 is PostgreSQL 18. */
const FORMAT = "pglite 0.5, postgresql 18";

export interface LockedFolder {
  /** Where the database's files are. */
  database: string;
  /** For as long as it is held the database may be written. */
  lock: HeldLock;
  /** Calls `lost`, with a sentence, once another process has the folder. */
  onLost(lost: (why: string) => void): void;
  /** The database is there and migrated: from now on it has what others should not read. */
  complete(): void;
  release(): void;
}

/** Locks the folder, making it if it is missing. @throws StoreStartError `folder-in-use`, `folder-of-another-version`, `folder-unusable` */
export async function lockFolder(dataDir: string, clock: Clock): Promise<LockedFolder> {
  const folder = resolve(dataDir);
  try {
    return await lock(folder, clock);
  } catch (error) {
    throw asFolderError(folder, error);
  }
}

/** @throws StoreStartError `folder-unusable` */
export function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    throw asFolderError(folder, error);
  }
}

async function lock(folder: string, clock: Clock): Promise<LockedFolder> {
  mkdirSync(folder, { recursive: true });
  const taken = await takeLock(join(folder, "lock"), clock);
  if (taken.is === "held") {
    const where = isHere(taken.holder) ? "" : " of another container or machine";
    throw new StoreStartError(
      "folder-in-use",
      `the data folder ${folder} is in use by process ${taken.holder.pid}${where}: stop it, or set MUSTER_DATA_DIR to another folder`,
    );
  }
  try {
    const database = join(folder, "pg");
    checkFormat(folder, database);
    const unfinished = join(folder, "unfinished");
    // A first start that was killed: nothing was ever acknowledged.
    if (existsSync(unfinished)) rmSync(database, { recursive: true, force: true });
    if (!existsSync(database)) writeFileSync(unfinished, "");
    const { held, onLost, release } = taken;
    const complete = () => {
      closeToOthers(database);
      rmSync(unfinished, { force: true });
    };
    return { database, lock: held, onLost, complete, release };
  } catch (error) {
    taken.release();
    throw error;
  }
}

/** Files that were unpacked into it are readable by all, and become WAL. Where files have no modes, as on some shares, nobody can close it. */
function closeToOthers(database: string): void {
  try {
    chmodSync(database, 0o700);
  } catch (error) {
    if (!["EPERM", "ENOTSUP"].includes((error as NodeJS.ErrnoException).code!)) throw error;
  }
}

function checkFormat(folder: string, database: string): void {
  const file = join(folder, "format");
  if (!existsSync(file)) {
    if (existsSync(database)) {
      throw new StoreStartError(
        "folder-of-another-version",
        `the data folder ${folder} holds a database and no file "format" that says what made it`,
      );
    }
    writeFileSync(file, FORMAT);
    return;
  }
  const format = readFileSync(file, "utf8").trim();
  if (format === FORMAT) return;
  throw new StoreStartError(
    "folder-of-another-version",
    `the data folder ${folder} was made by "${format}", this program reads "${FORMAT}": use the version that made it`,
  );
}
