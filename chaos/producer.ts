import { setTimeout as sleep } from "node:timers/promises";
import type { Fleet, Reported } from "./fleet.ts";
import type { HistoryWriter } from "./history-writer.ts";
import { between, type Random } from "./random.ts";
import type { Sender } from "./senders.ts";

/** Numbers of one entity under way, at most: a node knows the last 8 again. */
const MAX_OPEN = 7;
const MAX_BATCH = 500;
/** Batches under way, at most. */
const MAX_BATCHES = 64;
const TICK_MS = 50;
const RETRY_MS = 400;

/** An entity, as its producer knows it. */
interface Tracked {
  index: number;
  /** Reports made: the number of the last one. */
  made: number;
  open: number;
}

/** A report that is not answered for good. */
export interface OpenReport {
  tracked: Tracked;
  number: number;
  report: Reported;
  /** When it was sent first, Unix ms. */
  since: number;
  /** Names of the nodes that it was sent to. */
  entries: Set<string>;
}

export interface ProducerOptions {
  fleet: Fleet;
  /** Entities that only this producer reports. */
  indices: readonly number[];
  sender: Sender;
  history: HistoryWriter;
  random: Random;
  /** Unique in the history. */
  nextBatch(): number;
  onAccepted(report: OpenReport): void;
}

/** Numbers what it reports of each of its entities, and reports it until it is answered for good. */
export class Producer {
  readonly #options: ProducerOptions;
  readonly #tracked: Tracked[];
  readonly #again: OpenReport[] = [];
  #at = 0;
  #batches = 0;
  #open = 0;
  #ended = false;
  readonly stats = { made: 0, accepted: 0, refused: 0, repeated: 0, heldBack: 0, batchesLost: 0 };

  constructor(options: ProducerOptions) {
    this.#options = options;
    this.#tracked = options.indices.map((index) => ({ index, made: 0, open: 0 }));
  }

  /** Reports that are not answered for good. */
  get open(): number {
    return this.#open;
  }

  /** Makes so many reports a second until the signal comes; then only what is open is sent again. Resolves at `end`. */
  async run(perSecond: number, making: AbortSignal): Promise<void> {
    let last = performance.now();
    let due = 0;
    while (!this.#ended) {
      const now = performance.now();
      due += ((now - last) / 1_000) * perSecond;
      last = now;
      while (this.#again.length > 0 && this.#batches < MAX_BATCHES)
        this.#send(this.#again.splice(0, MAX_BATCH), true);
      if (!making.aborted) due = this.#make(due);
      await sleep(TICK_MS);
    }
  }

  /** What is open stays so. */
  end(): void {
    this.#ended = true;
    this.#options.sender.close();
  }

  /** @returns how many are due and could not be made. */
  #make(due: number): number {
    let rest = Math.floor(due);
    let looked = 0;
    while (rest > 0 && this.#batches < MAX_BATCHES && looked < this.#tracked.length) {
      const batch: OpenReport[] = [];
      while (batch.length < Math.min(MAX_BATCH, rest) && looked < this.#tracked.length) {
        looked++;
        const tracked = this.#tracked[this.#at];
        this.#at = (this.#at + 1) % this.#tracked.length;
        if (tracked.open < MAX_OPEN) batch.push(this.#next(tracked));
      }
      rest -= batch.length;
      if (batch.length > 0) this.#send(batch, false);
    }
    this.stats.heldBack += rest;
    return due - Math.floor(due);
  }

  #next(tracked: Tracked): OpenReport {
    const { fleet, sender } = this.#options;
    const { index } = tracked;
    tracked.open++;
    this.#open++;
    this.stats.made++;
    const number = ++tracked.made;
    const since = Date.now();
    const t = new Date(since).toISOString();
    return {
      tracked,
      number,
      report: fleet.report(index, number, t, sender.whole),
      since,
      entries: new Set(),
    };
  }

  async #send(batch: readonly OpenReport[], repeated: boolean): Promise<void> {
    const { sender, history, nextBatch, random } = this.#options;
    const number = nextBatch();
    const to = sender.next();
    if (repeated) this.stats.repeated += batch.length;
    for (const { entries } of batch) entries.add(to);
    const reports = batch.map(({ report, number }): [string, number] => [report.id, number]);
    history.write({ is: "sent", at: Date.now(), batch: number, to, reports });
    this.#batches++;
    try {
      const refused = await sender.send(
        to,
        batch.map(({ report }) => report),
      );
      if (this.#ended) return;
      history.write({ is: "answered", at: Date.now(), batch: number, refused });
      const types = new Map(refused.map(([index, , again]) => [index, again]));
      const again = batch.filter((report, i) => !this.#close(report, types.get(i)));
      if (again.length === 0) return;
      await sleep(between(random, RETRY_MS / 2, RETRY_MS));
      this.#again.push(...again);
    } catch (error) {
      if (this.#ended) return;
      this.stats.batchesLost++;
      const why = error instanceof Error ? error.message : String(error);
      history.write({ is: "unanswered", at: Date.now(), batch: number, why });
      await sleep(between(random, RETRY_MS / 2, RETRY_MS));
      this.#again.push(...batch);
    } finally {
      this.#batches--;
    }
  }

  /** @param again undefined = it was accepted. @returns false if it is to be sent again. */
  #close(report: OpenReport, again: boolean | undefined): boolean {
    if (again === true) return false;
    if (again === undefined) {
      this.stats.accepted++;
      this.#options.onAccepted(report);
    } else this.stats.refused++;
    this.#open--;
    report.tracked.open--;
    return true;
  }
}
