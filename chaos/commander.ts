import { setTimeout as sleep } from "node:timers/promises";
import { COMMAND_REFUSALS, type CommandResult } from "../src/actors/messages.ts";
import type { CommandWay } from "./command-ways.ts";
import type { HistoryWriter } from "./history-writer.ts";
import { between, pick, type Random } from "./random.ts";

/** Commands that are not answered for good, at most. */
const MAX_OPEN = 200;
const MOST_COPIES = 3;
/** Share of commands that are asked once more, long after they were answered. */
const LATE_SHARE = 0.3;
const TICK_MS = 50;
const RETRY_MS = 400;

interface Asked {
  entity: string;
  id: string;
  name: string;
  answered: boolean;
}

export interface CommanderOptions {
  ways: readonly CommandWay[];
  history: HistoryWriter;
  random: Random;
}

/** Asks entities to sign off, each time in several nodes under one id, until one says what became of it; and some of it once more, later. */
export class Commander {
  readonly #options: CommanderOptions;
  /** Entities of which a report was accepted. */
  readonly #there: string[] = [];
  readonly #known = new Set<string>();
  #made = 0;
  #asks = 0;
  #open = 0;
  #underWay = 0;
  #toComeAgain = 0;
  #ended = false;
  readonly stats = { made: 0, accepted: 0, refused: 0 };

  constructor(options: CommanderOptions) {
    this.#options = options;
  }

  /** From now on it may be commanded. */
  accepted(entity: string): void {
    if (this.#known.has(entity)) return;
    this.#known.add(entity);
    this.#there.push(entity);
  }

  /** Everything it has asked until now is answered for good. */
  get answered(): boolean {
    return this.#open === 0 && this.#underWay === 0;
  }

  /** And nothing will be asked once more. */
  get idle(): boolean {
    return this.answered && this.#toComeAgain === 0;
  }

  /** Makes so many commands a second until the signal comes; then only what is open is asked again. Resolves at `end`. */
  async run(perSecond: number, making: AbortSignal): Promise<void> {
    let due = 0;
    while (!this.#ended) {
      due += (perSecond * TICK_MS) / 1_000;
      for (; due >= 1; due--) if (!making.aborted && this.#open < MAX_OPEN) this.#make();
      await sleep(TICK_MS);
    }
  }

  /** What is open stays so. */
  end(): void {
    this.#ended = true;
    for (const way of this.#options.ways) way.close();
  }

  #make(): void {
    if (this.#there.length === 0) return;
    const { random } = this.#options;
    // One in five is something that no machine takes.
    const name = random() < 0.8 ? "sign-off" : "dance";
    const asked = { entity: pick(random, this.#there), id: `command-${++this.#made}`, name, answered: false };
    this.stats.made++;
    this.#open++;
    void this.#untilAnswered(asked);
    for (let copies = Math.ceil(random() * MOST_COPIES); copies > 1; copies--)
      void this.#later(asked, 0, 300);
  }

  async #untilAnswered(asked: Asked): Promise<void> {
    const { random } = this.#options;
    while (!asked.answered && !this.#ended) {
      await this.#ask(asked);
      if (!asked.answered) await sleep(between(random, RETRY_MS / 2, RETRY_MS));
    }
    if (random() < LATE_SHARE) await this.#later(asked, 2_000, 6_000);
  }

  async #later(asked: Asked, least: number, most: number): Promise<void> {
    this.#toComeAgain++;
    await sleep(between(this.#options.random, least, most));
    await this.#ask(asked);
    this.#toComeAgain--;
  }

  async #ask(asked: Asked): Promise<void> {
    if (this.#ended) return;
    const { ways, history, random } = this.#options;
    const way = pick(random, ways);
    const ask = ++this.#asks;
    const { entity, id, name } = asked;
    history.write({ is: "asked", at: Date.now(), ask, to: way.to, command: [entity, id], name });
    this.#underWay++;
    const result = await way.ask(entity, name, id).catch((error: unknown) => String(error));
    this.#underWay--;
    if (this.#ended) return;
    history.write({ is: "told", at: Date.now(), ask, ...told(result) });
    if (typeof result === "string" || isUnknown(result) || asked.answered) return;
    asked.answered = true;
    this.#open--;
    this.stats[result.accepted ? "accepted" : "refused"]++;
  }
}

function isUnknown(result: CommandResult): boolean {
  return !result.accepted && COMMAND_REFUSALS[result.type].retry;
}

function told(result: CommandResult | string) {
  if (typeof result === "string") return { result: "unknown", why: result } as const;
  if (result.accepted) return { result: "accepted", state: result.state } as const;
  return { result: isUnknown(result) ? "unknown" : "refused", why: result.type } as const;
}
