/**
 * Group commit and output gate: the facts of all actors go to the journal in batches, and what waits for them leaves only
 * after their commit. One flush is in flight; the next accumulates meanwhile.
 *
 * A batch is open (facts are added) → sealed (waits its turn) → in flight → committed, or torn apart: a part that the store can
 * never take is bisected down to the entity at fault; its shard, and every shard that is fenced, is lost. What was decided for
 * a lost shard and is not committed is refused `retry`, in later batches too, because it was decided on a state that is not so.
 */
import assert from "node:assert/strict";
import type { Clock } from "../clock.ts";
import {
  BUSY_FLUSH_BYTES,
  BUSY_FLUSH_INTERVAL_MS,
  MAX_BACKLOG_BYTES,
  MAX_FLUSH_BYTES,
  MAX_FLUSH_EVENTS,
  MIN_FLUSH_INTERVAL_MS,
} from "../limits.ts";
import type { TakenTail } from "../tracks/taken-tail.ts";
import { type Bisection, bisect } from "./bisection.ts";
import type { Fact } from "./facts.ts";
import type { EventFact, RefusalType } from "./messages.ts";
import { OpenSections } from "./open-sections.ts";
import {
  ALWAYS_OPEN,
  type AppendOutcome,
  type Gate,
  type Journal,
  type Section,
  StoreAway,
} from "./ports.ts";
import type { FactSink } from "./receive.ts";
import type { Shard } from "./shard.ts";

/** What became of a batch, for those who wait: the refusal of what `id` in `shard` was decided, or none if it is durable. */
export interface Verdict {
  refusal(shard: number, id: string): RefusalType | undefined;
}
export type Waiter = (verdict: Verdict | "committed") => void;

/** An event and the entity it is about. */
export interface ShardEvent {
  shard: number;
  number: number;
  event: EventFact;
}

/** A checkpoint taken when a batch was sealed: it may be written once that batch is committed. */
export interface TakenCheckpoint {
  shard: number;
  epoch: number;
  /** Overwritten by the next one: who is told that it is durable copies what he needs. */
  body: Uint8Array;
  tail: TakenTail;
}

export interface CommitHooks {
  /** Called when a batch is sealed: its state includes all facts decided so far, and no others. */
  takeCheckpoint(): TakenCheckpoint | undefined;
  /** The checkpoint's batch is committed up to journal row `mark`. */
  checkpointDurable(checkpoint: TakenCheckpoint, mark: number): void;
  /** Its batch was not committed as it was. */
  checkpointVoid(checkpoint: TakenCheckpoint): void;
  /** Forget these shards now; the promise is done when they are claimed and loaded again. */
  lost(shards: readonly number[]): Promise<void>;
  /** Name of an entity in memory, by its number. */
  idOf(shard: number, number: number): string;
  /** The store stopped answering, or answers again. */
  away(away: boolean): void;
  /** An error that is none of the store's: the node must stop. */
  fatal(error: unknown): void;
}

interface Sealed {
  sections: Section[];
  events: ShardEvent[];
  waiters: Waiter[];
  tMin: number;
  tMax: number;
  bytes: number;
  checkpoint: TakenCheckpoint | undefined;
  lost: Set<number>;
}

const RETRY_FIRST_MS = 50;
const RETRY_LONGEST_MS = 1_000;
const EVENT_BYTES = 256;

export class GroupCommit implements FactSink {
  readonly #journal: Journal;
  readonly #clock: Clock;
  readonly #hooks: CommitHooks;
  readonly #epochs: (shard: number) => number;
  readonly #gate: Gate;
  readonly #open = new OpenSections();
  #openEvents: ShardEvent[] = [];
  #openWaiters: Waiter[] = [];
  #openBytes = 0;
  #openedAt = 0;
  #tMin = Infinity;
  #tMax = -Infinity;
  #openLost = new Set<number>();
  #sealed: Sealed[] = [];
  #inFlight: Sealed | undefined;
  #waitingBytes = 0;
  #flushNo = 0;
  #running = false;
  #stopped = false;
  #idle: (() => void)[] = [];
  /** Waits for a moment without a flush in flight. */
  #exclusive: (() => Promise<void>)[] = [];
  /** Newest journal row known to be durable. */
  lastJournalId = 0;
  #away = false;
  /** When a batch was last done with, or there began to be one, on the monotonic clock. */
  #progressAt = 0;
  readonly stats = { flushes: 0, bytes: 0, events: 0, retries: 0, lostShards: 0 };

  /** @param epochs the epoch of an owned shard. */
  constructor(
    journal: Journal,
    clock: Clock,
    hooks: CommitHooks,
    epochs: (shard: number) => number,
    gate: Gate = ALWAYS_OPEN,
  ) {
    this.#journal = journal;
    this.#clock = clock;
    this.#hooks = hooks;
    this.#epochs = epochs;
    this.#gate = gate;
  }

  /** Bytes decided and not committed. */
  get backlogBytes(): number {
    return this.#openBytes + this.#waitingBytes;
  }

  /** For how long nothing was committed although something waits, ms. */
  get stalledMs(): number {
    return this.backlogBytes === 0 ? 0 : this.#clock.monotonic() - this.#progressAt;
  }

  /** The backlog has reached its bound: take no new work. */
  get overloaded(): boolean {
    return this.backlogBytes >= MAX_BACKLOG_BYTES;
  }

  /** The open batch has reached its bound: `join` and `seal` before the next message. */
  get full(): boolean {
    return this.#openBytes >= MAX_FLUSH_BYTES || this.#openEvents.length >= MAX_FLUSH_EVENTS;
  }

  /** The store does not answer: decided work waits. */
  get away(): boolean {
    return this.#away;
  }

  /** Nothing is decided that is not committed. */
  get idle(): boolean {
    return !this.#running && this.#open.isEmpty;
  }

  record(shard: Shard, fact: Fact): void {
    if (this.#open.isEmpty) this.#opened();
    this.#openBytes += this.#open.add(shard.index, fact);
    if (shard.factsSinceCheckpoint++ === 0) shard.dirtySince = this.#clock.monotonic();
    if (fact.is === "reported") {
      if (fact.t < this.#tMin) this.#tMin = fact.t;
      if (fact.t > this.#tMax) this.#tMax = fact.t;
    }
  }

  emit(shard: Shard, number: number, event: EventFact): void {
    this.#openEvents.push({ shard: shard.index, number, event });
    this.#openBytes += EVENT_BYTES;
  }

  /** Calls `waiter` once all that was decided until now is committed, or not. */
  join(waiter: Waiter): void {
    if (!this.#open.isEmpty) this.#openWaiters.push(waiter);
    else {
      const last = this.#sealed.at(-1) ?? this.#inFlight;
      if (last === undefined) waiter("committed");
      else last.waiters.push(waiter);
    }
  }

  /** Closes the open batch. No-op if it is empty. */
  seal(): void {
    if (this.#open.isEmpty) return;
    this.#sealed.push({
      sections: this.#open.take(this.#epochs),
      events: this.#openEvents,
      waiters: this.#openWaiters,
      tMin: this.#tMin,
      tMax: this.#tMax,
      bytes: this.#openBytes,
      checkpoint: this.#hooks.takeCheckpoint(),
      lost: this.#openLost,
    });
    this.#waitingBytes += this.#openBytes;
    this.#resetOpen();
  }

  /** Resolves when all that was decided until now is committed or refused. */
  drained(): Promise<void> {
    return this.idle ? Promise.resolve() : new Promise((resolve) => this.#idle.push(resolve));
  }

  /** Runs `work` while no flush is in flight; those that are sealed wait until it is done. */
  exclusive<T>(work: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#exclusive.push(() => work().then(resolve, reject));
      this.#startRunning(0);
    });
  }

  /** Gives up retrying; what waits is refused `retry`. Nothing may be recorded afterwards. */
  stop(): void {
    this.#stopped = true;
  }

  #opened(): void {
    this.#openedAt = this.#clock.monotonic();
    if (this.#waitingBytes === 0) this.#progressAt = this.#openedAt;
    this.#startRunning(MIN_FLUSH_INTERVAL_MS);
  }

  #startRunning(delay: number): void {
    if (this.#running) return;
    this.#running = true;
    this.#clock.schedule(delay, () => void this.#run().catch((error) => this.#hooks.fatal(error)));
  }

  async #run(): Promise<void> {
    while (this.#sealed.length > 0 || !this.#open.isEmpty || this.#exclusive.length > 0) {
      for (let work = this.#exclusive.shift(); work !== undefined; work = this.#exclusive.shift())
        await work();
      if (this.#sealed.length === 0 && this.#open.isEmpty) break;
      if (this.#sealed.length === 0) {
        await this.#fill(MIN_FLUSH_INTERVAL_MS);
        if (this.#openBytes >= BUSY_FLUSH_BYTES) await this.#fill(BUSY_FLUSH_INTERVAL_MS);
        this.seal();
      }
      const batch = this.#sealed.shift();
      if (batch === undefined) continue;
      this.#inFlight = batch;
      await this.#flush(batch);
      this.#waitingBytes -= batch.bytes;
      this.#progressAt = this.#clock.monotonic();
    }
    this.#running = false;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** Lets the open batch be `ms` old at least. */
  async #fill(ms: number): Promise<void> {
    const age = this.#clock.monotonic() - this.#openedAt;
    if (age < ms) await this.#pause(ms - age);
  }

  async #flush(batch: Sealed): Promise<void> {
    const outcome = await bisect({ sections: batch.sections, events: batch.events }, (sections, events) =>
      this.#append(batch, sections, events),
    );
    this.stats.flushes += 1;
    this.stats.bytes += batch.bytes;
    this.stats.events += batch.events.length;
    this.lastJournalId = Math.max(this.lastJournalId, outcome.journalId);
    const lost = [...new Set([...outcome.fenced, ...outcome.poisoned.keys()])];
    const { checkpoint } = batch;
    if (checkpoint !== undefined) {
      if (lost.length === 0 && batch.lost.size === 0)
        this.#hooks.checkpointDurable(checkpoint, outcome.journalId);
      else this.#hooks.checkpointVoid(checkpoint);
    }
    const verdict = lost.length === 0 && batch.lost.size === 0 ? "committed" : this.#verdict(batch, outcome);
    if (lost.length > 0) this.#purge(lost);
    const reloaded = lost.length > 0 ? this.#hooks.lost(lost) : undefined;
    if (!this.#gate.open) await this.#gate.passed();
    // From here on nobody may join it: those who do while lost shards are loaded again would wait for ever.
    this.#inFlight = undefined;
    for (const waiter of batch.waiters) waiter(verdict);
    if (reloaded !== undefined) {
      this.stats.lostShards += lost.length;
      await reloaded;
    }
  }

  #verdict(batch: Sealed, outcome: Bisection): Verdict {
    const poisoned = new Map<number, Set<string>>();
    for (const [shard, numbers] of outcome.poisoned) {
      poisoned.set(shard, new Set(Array.from(numbers, (number) => this.#hooks.idOf(shard, number))));
    }
    return {
      refusal(shard, id) {
        if (batch.lost.has(shard) || outcome.fenced.has(shard)) return "retry";
        return poisoned.get(shard)?.has(id) ? "not-storable" : undefined;
      },
    };
  }

  async #append(batch: Sealed, sections: Section[], events: ShardEvent[]): Promise<AppendOutcome> {
    if (sections.length === 0) return { status: "committed", journalId: this.lastJournalId };
    this.#flushNo += 1;
    const part = {
      flushNo: this.#flushNo,
      sections,
      tMin: batch.tMin,
      tMax: batch.tMax,
      events: events.map(({ shard, event }) => ({ ...event, shard })),
    };
    let wait = RETRY_FIRST_MS;
    for (let attempt = 1; ; attempt++) {
      if (!this.#gate.open) await this.#gate.passed();
      if (this.#stopped) return { status: "fenced" };
      try {
        const outcome = await this.#journal.append(part, attempt);
        this.#setAway(false);
        return outcome;
      } catch (error) {
        if (!(error instanceof StoreAway)) throw error;
        this.#setAway(true);
        this.stats.retries += 1;
        await this.#pause(wait);
        wait = Math.min(wait * 2, RETRY_LONGEST_MS);
      }
    }
  }

  #setAway(away: boolean): void {
    if (this.#away === away) return;
    this.#away = away;
    this.#hooks.away(away);
  }

  /** Takes lost shards out of what is not in flight yet; those who wait for it are told when its turn comes. */
  #purge(lost: readonly number[]): void {
    const gone = new Set(lost);
    for (const batch of this.#sealed) {
      batch.sections = batch.sections.filter((section) => !gone.has(section.shard));
      batch.events = batch.events.filter((entry) => !gone.has(entry.shard));
      for (const shard of gone) batch.lost.add(shard);
    }
    if (this.#open.isEmpty) return;
    for (const shard of gone) this.#openLost.add(shard);
    this.#open.drop(gone);
    this.#openEvents = this.#openEvents.filter((entry) => !gone.has(entry.shard));
    if (this.#open.isEmpty) this.#settleEmptied();
  }

  /** The open batch held lost shards only: nothing is left to commit, so its waiters are told now. */
  #settleEmptied(): void {
    const lost = this.#openLost;
    const waiters = this.#openWaiters;
    assert.equal(this.#openEvents.length, 0, "an event is emitted by an entity of a shard that has facts");
    this.#resetOpen();
    for (const waiter of waiters) waiter({ refusal: (shard) => (lost.has(shard) ? "retry" : undefined) });
  }

  #resetOpen(): void {
    this.#openEvents = [];
    this.#openWaiters = [];
    this.#openLost = new Set();
    this.#openBytes = 0;
    this.#tMin = Infinity;
    this.#tMax = -Infinity;
  }

  #pause(delay: number): Promise<void> {
    return new Promise((resolve) => this.#clock.schedule(delay, resolve));
  }
}
