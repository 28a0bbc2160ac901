// Loaded before a program: weakens the fence of flushes in its source, for tests of the tests. The last argument names how.
import { registerHooks } from "node:module";

const MUTANTS: Record<string, [from: string, to: string]> = {
  "bare comparison": ["AND NOT down FOR SHARE", "AND NOT down"],
  "key share": ["FOR SHARE\n", "FOR KEY SHARE\n"],
  "no generation": ["AND gen = $2", "AND $2::int IS NOT NULL"],
};

const [from, to] = MUTANTS[process.argv.at(-1) ?? ""]!;

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context);
    if (!url.endsWith("/src/store/append-flush.ts")) return loaded;
    const source = String(loaded.source);
    if (!source.includes(from)) throw new Error(`the flush has no ${from} any more`);
    return { ...loaded, source: source.replace(from, to) };
  },
});
