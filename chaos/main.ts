/** `npm run chaos`: see `USAGE`. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type EmbeddedOptions, runEmbedded } from "./embedded.ts";
import { FAULTS } from "./faults.ts";
import { ProgramsMissing } from "./local-cluster.ts";
import { type ChaosOptions, type Outcome, runChaos } from "./run.ts";
import { verdictLines } from "./verdict-lines.ts";

const USAGE = `usage: npm run chaos -- --minutes N [--rate N] [--nodes N] [--seed N] [--history FILE] [--only FAULT]… [--logs]
       npm run chaos -- --embedded [--kills N] [--rate N] [--seed N] [--history FILE] [--logs]

  Loads a cluster of this machine, breaks it again and again, and judges what producers and viewers saw. Exits with 1 if anything that was
  acknowledged is lost, doubled or out of order, if a viewer saw something go back or has another picture than REST, or if two nodes owned a shard.

  --minutes N     of faults
  --rate N        reports a second, and entities (default 20000)
  --nodes N       default 3; with 1 there is no Redis
  --seed N        chooses faults, whom they hit and for how long; default: another each time, which is printed
  --history FILE  keep what happened there (without it, in a temporary file if anything is wrong); node chaos/check-history.ts FILE judges it again
  --only FAULT    only faults of this name, as often as wanted: ${FAULTS.map(({ name }) => name).join(", ")}
  --logs          print what the nodes log
  --embedded      a node on the embedded database instead, which is killed at random moments, also while it starts
  --kills N       so often (default 50); reports a second are 1000 there

But for --embedded it needs PostgreSQL 15+ with PostGIS 3.3+ and Redis 7+ (or Valkey) installed, not running.`;

const MISUSED = 2;
const MAX_SPREAD_MS = 30_000;

interface Parsed {
  kept: boolean;
  options: { cluster: ChaosOptions } | { embedded: EmbeddedOptions };
}

function parse(args: string[]): Parsed | undefined {
  const { values } = parseArgs({
    args,
    options: {
      minutes: { type: "string" },
      rate: { type: "string" },
      embedded: { type: "boolean", default: false },
      kills: { type: "string", default: "50" },
      nodes: { type: "string", default: "3" },
      seed: { type: "string", default: String(Date.now() % 1_000_000) },
      history: { type: "string" },
      only: { type: "string", multiple: true },
      logs: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return undefined;
  if (values.minutes === undefined && !values.embedded) throw new Error("--minutes is missing");
  values.rate ??= values.embedded ? "1000" : "20000";
  const number = (
    name: "minutes" | "rate" | "nodes" | "seed" | "kills",
    low: number,
    high: number,
    whole = true,
  ) => {
    const value = Number(values[name]);
    if (!(value >= low && value <= high && (!whole || Number.isInteger(value))))
      throw new Error(`--${name} is a number from ${low} to ${high}`);
    return value;
  };
  for (const name of values.only ?? [])
    if (!FAULTS.some((fault) => fault.name === name)) throw new Error(`there is no fault ${name}`);
  const folder = mkdtempSync(join(tmpdir(), "muster-chaos-"));
  const kept = values.history !== undefined;
  const common = {
    ...{ rate: number("rate", 100, 200_000), seed: number("seed", 0, 2 ** 32 - 1) },
    history: values.history ?? join(folder, "history.ndjson"),
    say: (text: string) => console.log(`${new Date().toISOString().slice(11, 23)} ${text}`),
  };
  if (values.embedded) {
    const onLine = values.logs ? (line: string) => console.log(line) : undefined;
    const dataDir = join(folder, "data");
    return {
      kept,
      options: { embedded: { ...common, kills: number("kills", 1, 100_000), dataDir, onLine } },
    };
  }
  const nodes = number("nodes", 1, 20);
  const cluster = {
    ...common,
    ...{ seconds: number("minutes", 0.05, 10_000, false) * 60, nodes },
    ...{ spreadMs: MAX_SPREAD_MS, redis: nodes > 1, only: values.only },
    onLine: values.logs ? (node: string, line: string) => console.log(`${node} | ${line}`) : undefined,
  };
  return { kept, options: { cluster } };
}

async function main(args: string[]): Promise<number> {
  let parsed: Parsed | undefined;
  try {
    parsed = parse(args);
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${USAGE}`);
    return MISUSED;
  }
  if (parsed === undefined) {
    console.log(USAGE);
    return 0;
  }
  const { options, kept } = parsed;
  const { seed, history } = "embedded" in options ? options.embedded : options.cluster;
  console.log(`seed ${seed}, history in ${history}`);
  let verdict: Outcome["verdict"];
  try {
    if ("embedded" in options) {
      const { embedded } = options;
      const outcome = await runEmbedded(embedded);
      verdict = outcome.verdict;
      const { accepted, refused, repeated, kills, early, settledMs } = outcome;
      console.log(
        `\n${kills} kills, ${early} of them in a start; ${accepted} reports accepted, ${refused} refused for good, ${repeated} sent again; settled ${settledMs} ms after the last start`,
      );
      for (const line of verdictLines(verdict)) console.log(line);
    } else {
      const outcome = await runChaos(options.cluster);
      verdict = outcome.verdict;
      for (const line of summary(outcome)) console.log(line);
    }
  } catch (error) {
    if (!(error instanceof ProgramsMissing)) throw error;
    console.error(`muster: ${error.message}`);
    return MISUSED;
  }
  const isWrong = verdict.violations.length > 0;
  if (!kept && !isWrong) rmSync(history);
  if ("embedded" in options) rmSync(options.embedded.dataDir, { recursive: true, force: true });
  return isWrong ? 1 : 0;
}

function summary({ verdict, waits, settledMs, ...numbers }: Outcome): string[] {
  const { accepted, refused, repeated, heldBack, faults, deaths, commands } = numbers;
  const settled = settledMs === undefined ? "never settled" : `settled ${settledMs} ms after the last fault`;
  const widest = Math.max(...waits.map(({ fault }) => fault.length));
  return [
    "",
    `${accepted} reports accepted, ${refused} refused for good, ${repeated} sent again, ${heldBack} not made because too many were open`,
    `${commands.made} commands, ${commands.accepted} accepted and ${commands.refused} refused, each asked several times`,
    `${faults} faults, ${deaths} nodes ended by themselves, ${settled}`,
    "longest wait of a report, ms:",
    `  ${"fault".padEnd(widest)}  times  shards of the node hit  other shards  sent to the node hit`,
    ...waits.map(({ fault, count, hitMs, otherMs, enteredMs }) =>
      [
        `  ${fault.padEnd(widest)}`,
        `${count}`.padStart(5),
        `${hitMs}`.padStart(22),
        `${otherMs}`.padStart(12),
        `${enteredMs}`.padStart(20),
      ].join("  "),
    ),
    "",
    ...verdictLines(verdict),
  ];
}

process.exitCode = await main(process.argv.slice(2));
