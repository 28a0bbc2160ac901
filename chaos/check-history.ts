/** `node chaos/check-history.ts FILE`: whether a history (see `history.ts`) is right. */
import { judgeFile, type Verdict } from "./judge.ts";
import { verdictLines } from "./verdict-lines.ts";

/** Exit codes: 0 right, 1 violated, 2 called wrongly. */
const MISUSED = 2;

async function main(args: string[]): Promise<number> {
  const [file, ...more] = args;
  if (file === undefined || more.length > 0) {
    console.error("usage: node chaos/check-history.ts FILE");
    return MISUSED;
  }
  let verdict: Verdict;
  try {
    verdict = await judgeFile(file);
  } catch (error) {
    console.error(`check-history: ${error instanceof Error ? error.message : error}`);
    return MISUSED;
  }
  for (const line of verdictLines(verdict)) console.log(line);
  return verdict.violations.length > 0 ? 1 : 0;
}

process.exitCode = await main(process.argv.slice(2));
