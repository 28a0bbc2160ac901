import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";

/** Changes with everything that decides what a fresh database looks like. */
export function schemaFingerprint(): string {
  const hash = createHash("sha256");
  const migrations = new URL("../../migrations/", import.meta.url);
  for (const name of readdirSync(migrations).sort())
    hash.update(name).update(readFileSync(new URL(name, migrations)));
  for (const path of ["../../package-lock.json", "../../src/store/era.ts"])
    hash.update(readFileSync(new URL(path, import.meta.url)));
  return hash.digest("hex").slice(0, 16);
}
