import { readdirSync } from "node:fs";
import t from "tap";

/** As `.taprc` gives each file. */
const MAX_MS = 300_000;

/**
 * Runs the test files of a folder in this process: to start one for each takes longer than most of them. Each still runs by itself too.
 * @param folder below `test`.
 */
export async function together(folder: string): Promise<void> {
  t.setTimeout(MAX_MS);
  const directory = new URL(`../${folder}/`, import.meta.url);
  const files = readdirSync(directory).filter((name) => name.endsWith(".test.ts"));
  for (const name of files.sort()) await import(new URL(name, directory).href);
}
