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

/**
 * The token of a data folder: `given` if there is one (it is not written down), else the one in `<dataDir>/admin-token`, else a new one of
 * 32 random bytes, written there for its owner only. The folder is made if it is missing.
 * @throws if the file cannot be read or written, or holds no token.
 */
export function openAdminToken(options: { dataDir: string; given?: string }): AdminToken {
  if (options.given !== undefined) return { token: options.given, created: false };
  const file = join(options.dataDir, FILE);
  const token = randomBytes(TOKEN_BYTES).toString("base64url");
  mkdirSync(options.dataDir, { recursive: true });
  try {
    // Exclusively: of two first starts at once, both must end up with one token.
    writeFileSync(file, `${token}\n`, { mode: 0o600, flag: "wx" });
    return { token, created: true };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  const kept = readFileSync(file, "utf8").trim();
  if (kept.length < MIN_TOKEN_LENGTH)
    throw new Error(`${file} holds no token. Delete it, and the next start makes a new one.`);
  return { token: kept, created: false };
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
