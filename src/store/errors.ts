/** What an error of `pg` means for who waits: the data is refused, the database is away, or the program is wrong. */
import { AssertionError } from "node:assert/strict";
import { DatabaseError } from "pg";
import { StoreAway } from "../actors/ports.ts";

/** Why a store could not be opened. `code` is stable, the message is a sentence for the operator. */
export class StoreStartError extends Error {
  override name = "StoreStartError";
  readonly code: StoreStartCode;

  constructor(code: StoreStartCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
export type StoreStartCode =
  | "folder-unusable"
  | "folder-in-use"
  | "folder-of-another-version"
  | "cannot-open"
  | "cannot-connect"
  | "version-too-old"
  | "read-only"
  | "no-postgis"
  | "not-owner"
  | "in-use-by-another-node"
  | "another-cluster"
  | "newer-schema";

const REASONS: Record<string, string> = {
  EACCES: "this user may not write there",
  EPERM: "this user may not write there",
  EROFS: "it is on a file system that is read only",
  EEXIST: "it is no folder",
  ENOTDIR: "it, or what it is in, is no folder",
  ENOSPC: "the disk has no room",
  EDQUOT: "the disk has no room for this user",
};

/** An error of the system about the data folder, as a sentence. Others stay what they are. */
export function asFolderError(folder: string, error: unknown): unknown {
  const { code, syscall, message } = error as NodeJS.ErrnoException;
  if (code === undefined || syscall === undefined) return error;
  const reason = REASONS[code] ?? message;
  return new StoreStartError("folder-unusable", `the data folder ${folder} cannot be used: ${reason}`, {
    cause: error,
  });
}

/** A statement with its parameters is larger than the embedded database takes: as PostgreSQL's own class 54. */
export class UnitTooLarge extends Error {
  override name = "UnitTooLarge";
}

/** Data exception, integrity constraint violation, program limit exceeded: the same data will be refused again. */
const POISON_CLASSES = new Set(["22", "23", "54"]);
/** Connection, insufficient resources, operator intervention, transaction rollback: the same statement may succeed later. */
const AWAY_CLASSES = new Set(["08", "53", "57", "40"]);
/** Lock not available, read-only transaction (a standby took over), idle-in-transaction time-out. */
const LOCKED = "55P03";
const AWAY_CODES = new Set([LOCKED, "25006", "25P03"]);
/** Refusals and mistakes of the program: trying again would go on for ever. */
const FAULTS = [StoreStartError, TypeError, RangeError, ReferenceError, SyntaxError, AssertionError];

/** Whether PostgreSQL refuses the data itself. */
export function isPoison(error: unknown): error is DatabaseError | UnitTooLarge {
  if (error instanceof UnitTooLarge) return true;
  return error instanceof DatabaseError && POISON_CLASSES.has(error.code?.slice(0, 2) ?? "");
}

/** Whether a lock that was wanted at once is held by someone else. */
export function isLocked(error: unknown): boolean {
  return error instanceof DatabaseError && error.code === LOCKED;
}

/**
 * An error of a connection that was to be made, as the actors know it. A login that is refused to a node that runs (a password is changed, a database swapped) says
 * nothing of what waits: whoever changed it may change it back.
 */
export function asConnectError(error: unknown): unknown {
  if (error instanceof DatabaseError) return new StoreAway(error.message, { cause: error });
  return asStoreError(error);
}

/**
 * An error as the actors know it: `StoreAway` if trying again may help, else the error as it is, which stops the node.
 * An error without SQLSTATE comes from the connection, so the outcome is unknown.
 */
export function asStoreError(error: unknown): unknown {
  if (error instanceof StoreAway || error instanceof UnitTooLarge) return error;
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof DatabaseError) {
    const { code = "" } = error;
    const away = AWAY_CLASSES.has(code.slice(0, 2)) || AWAY_CODES.has(code);
    return away ? new StoreAway(message, { cause: error }) : error;
  }
  if (FAULTS.some((fault) => error instanceof fault)) return error;
  return new StoreAway(message, { cause: error });
}
