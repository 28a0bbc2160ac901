/** Puts a history before all rules. */
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import type { HistoryEvent, Report, Rule, Violation } from "./history.ts";
import { CommandsRule } from "./rules/commands.ts";
import { OwnersRule } from "./rules/owners.ts";
import { RecordsRule } from "./rules/records.ts";
import { ReportsRule } from "./rules/reports.ts";
import { SettlingRule } from "./rules/settling.ts";
import { ViewersRule } from "./rules/viewers.ts";

const KINDS: Record<HistoryEvent["is"], true> = {
  ...{ sent: true, answered: true, unanswered: true, seen: true, owners: true, fault: true, quiet: true },
  ...{ settled: true, final: true, stored: true, picture: true, answer: true, recorded: true },
  ...{ asked: true, told: true, decided: true },
};
/** Violations kept of one kind; the rest is counted. A single fault may show in every entity. */
const MAX_KEPT = 20;

/** What the judgement of a history is made of. */
export interface Verdict {
  events: number;
  /** At most 20 of each rule. */
  violations: Violation[];
  /** All of them, by rule. */
  counts: Map<string, number>;
}

export class Judge {
  readonly #rules: Rule[];
  readonly #violations: Violation[] = [];
  readonly #counts = new Map<string, number>();
  readonly #report: Report = (rule, text, events) => {
    const count = (this.#counts.get(rule) ?? 0) + 1;
    this.#counts.set(rule, count);
    if (count <= MAX_KEPT) this.#violations.push({ rule, text, events });
  };
  #number = 0;

  constructor() {
    const report = this.#report;
    this.#rules = [
      new ReportsRule(report),
      new ViewersRule(report),
      new OwnersRule(report),
      new RecordsRule(report),
      new SettlingRule(report),
      new CommandsRule(report),
    ];
  }

  take(event: HistoryEvent): void {
    if (!Object.hasOwn(KINDS, event.is)) {
      this.takeBroken(`there are no events that are ${event.is}`);
      return;
    }
    this.#number++;
    for (const rule of this.#rules) rule.take(event, this.#number);
  }

  /** A line that is no event. */
  takeBroken(why: string): void {
    this.#number++;
    this.#report("malformed", why, [this.#number]);
  }

  end(): Verdict {
    for (const rule of this.#rules) rule.end();
    return { events: this.#number, violations: this.#violations, counts: this.#counts };
  }
}

/** Judges a history that is in memory. */
export function judge(history: Iterable<HistoryEvent>): Verdict {
  const judge = new Judge();
  for (const event of history) judge.take(event);
  return judge.end();
}

/** Reads and judges a file. Rejects if it cannot be read. */
export async function judgeFile(file: string): Promise<Verdict> {
  const judge = new Judge();
  for await (const line of createInterface({ input: createReadStream(file), crlfDelay: Infinity })) {
    let event: HistoryEvent;
    try {
      event = JSON.parse(line);
    } catch {
      judge.takeBroken("the line is not JSON");
      continue;
    }
    judge.take(event);
  }
  return judge.end();
}
