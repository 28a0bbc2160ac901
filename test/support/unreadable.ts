import { linkSync, renameSync, symlinkSync } from "node:fs";
import { basename } from "node:path";

/** Makes a file one that is there and cannot be read, also by root, without a moment in which it is gone. @returns what undoes it, as much so */
export function makeUnreadable(path: string): () => void {
  linkSync(path, `${path}.kept`);
  // A link to itself.
  symlinkSync(basename(path), `${path}.loop`);
  renameSync(`${path}.loop`, path);
  return () => renameSync(`${path}.kept`, path);
}
