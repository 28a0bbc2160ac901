/** The admin token: made on the first start of a data folder, kept there, compared in constant time. */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ADMIN, type Identify } from "../access/ports.ts";

/** Shorter tokens are refused: they can be guessed. */
export const MIN_TOKEN_LENGTH = 16;
export const MAX_TOKEN_LENGTH = 512;
/** What can stand in a header: of printable ASCII, without spaces. */
export const TOKEN_TEXT = /^[\x21-\x7e]*$/;
const TOKEN_BYTES = 32;
const FILE = "admin-token";

export interface AdminToken {
  token: string;
  /** It was made now: this is a fresh data folder. */
  created: boolean;
}

/** Says all that there is to know. */
export class DataFolderError extends Error {
  override readonly name = "DataFolderError";
}

/** Exclusively: of two first starts at once, both must end up with one token. @returns whether there was none */
function write(file: string, token: string): boolean {
  try {
    writeFileSync(file, `${token}\n`, { mode: 0o600, flag: "wx" });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

/**
 * The token of a data folder: `given` if there is one (it is not written down), else the one in `<dataDir>/admin-token`, else a new one of
 * 32 random bytes, written there for its owner only. The folder is made if it is missing.
 * @throws DataFolderError if the folder cannot be made, or the file not be read or written, or if it holds no token.
 */
export function openAdminToken(options: { dataDir: string; given?: string }): AdminToken {
  if (options.given !== undefined) return { token: options.given, created: false };
  const file = join(options.dataDir, FILE);
  const token = randomBytes(TOKEN_BYTES).toString("base64url");
  try {
    mkdirSync(options.dataDir, { recursive: true });
    const created = write(file, token);
    return { token: created ? token : readKept(file), created };
  } catch (error) {
    throw unusable(options.dataDir, error);
  }
}

/**
 * The token of a data folder in which a node was started before: `given` if there is one, else the one in `<dataDir>/admin-token`.
 * @throws DataFolderError if there is none, or it cannot be read.
 */
export function readAdminToken({ dataDir, given }: { dataDir: string; given?: string }): string {
  if (given !== undefined) return given;
  try {
    return readKept(join(dataDir, FILE));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT")
      throw new DataFolderError(
        `there is no token in ${dataDir}, for no node was started with this data folder (MUSTER_DATA_DIR) yet`,
      );
    throw unusable(dataDir, error);
  }
}

function readKept(file: string): string {
  const token = readFileSync(file, "utf8").trim();
  if (token.length >= MIN_TOKEN_LENGTH && token.length <= MAX_TOKEN_LENGTH && TOKEN_TEXT.test(token))
    return token;
  throw new DataFolderError(
    `${file} holds no token, which is ${MIN_TOKEN_LENGTH} to ${MAX_TOKEN_LENGTH} printable ASCII characters without spaces. Delete it, and the next start makes a new one.`,
  );
}

function unusable(dataDir: string, error: unknown): DataFolderError {
  if (error instanceof DataFolderError) return error;
  const said = `the data folder ${dataDir} cannot be used: ${(error as Error).message}`;
  return new DataFolderError(said, { cause: error });
}

/** @returns who an offered token is of, in a time that does not tell how much of it is right. */
export function identifyAdmin(token: string): Identify {
  const expected = digest(token);
  return (offered) => (timingSafeEqual(digest(offered), expected) ? ADMIN : undefined);
}

/** What is kept of a key: SHA-256, in hexadecimal digits. */
export function tokenHash(token: string): string {
  return digest(token).toString("hex");
}

/** Of equal length whatever the text, as the comparison needs. */
function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
