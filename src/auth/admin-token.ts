/** The admin token: made on the first start of a data folder, kept there, compared in constant time. */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Shorter tokens are refused: they can be guessed. */
export const MIN_TOKEN_LENGTH = 16;
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
    const kept = created ? token : readFileSync(file, "utf8").trim();
    if (kept.length >= MIN_TOKEN_LENGTH) return { token: kept, created };
  } catch (error) {
    throw new DataFolderError(
      `the data folder ${options.dataDir} cannot be used: ${(error as Error).message}`,
      {
        cause: error,
      },
    );
  }
  throw new DataFolderError(`${file} holds no token. Delete it, and the next start makes a new one.`);
}

/** @returns whether an offered token is the one, in a time that does not tell how much of it is right. */
export function createTokenCheck(token: string): (offered: string) => boolean {
  const expected = digest(token);
  return (offered) => timingSafeEqual(digest(offered), expected);
}

/** Of equal length whatever the text, as the comparison needs. */
function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
