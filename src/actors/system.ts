/**
 * The actors of one node, put together: reports in, decisions to the journal, answers out after the commit. It knows no transport and no
 * database, only the ports, so that a test runs it whole on a clock moved by hand.
 *
 * States: made → started (all given shards are open) → stopping (takes nothing new, commits what it has) → stopped.
 */
import assert from "node:assert/strict";
import type { Clock } from "../clock.ts";
import { SHARDS } from "../limits.ts";
import { Picture } from "../picture/picture.ts";
import { Checkpointer } from "./checkpointer.ts";
import { EntityTable } from "./entity-table.ts";
import { FenceCatalogue } from "./fences/catalogue.ts";
import { GroupCommit, type TakenCheckpoint } from "./group-commit.ts";
import { MachineCatalogue } from "./machine/catalogue.ts";
import type { Machine } from "./machine/compile.ts";
import { type Mirroring, Ownership } from "./ownership.ts";
import {
  ALWAYS_OPEN,
  type CheckpointStore,
  type Gate,
  type Journal,
  NO_TRACES,
  type ShardStore,
  type Traces,
} from "./ports.ts";
import { Actors, type ReceiveOptions } from "./receive.ts";
import type { Recovered } from "./recovery.ts";
import { Removals } from "./removals.ts";
import { Router } from "./router.ts";
import type { Shard } from "./shard.ts";
import { TimingWheel } from "./timing-wheel.ts";

/** How often timers are looked at. */
const TIMER_MS = 100;
/** Between two looks whether all that was taken is decided. Not at each turn of the loop: while the gate is closed that may take seconds. */
const SETTLE_LOOK_MS = 2;
/** Timers fired before other work has its turn. */
const TIMERS_PER_SLICE = 500;

export interface SystemOptions {
  receive: ReceiveOptions;
  /** The built-in one: of kinds for which no other is defined. */
  machine: Machine;
  /** Resolves when `machines` has all definitions that were committed before the call. Default: there are none. @throws StoreAway */
  readMachines?(): Promise<void>;
  /** As `readMachines`, of `fences`. */
  readFences?(): Promise<void>;
  store: Journal & CheckpointStore & ShardStore;
  /** What a deletion takes away beside facts and checkpoints. Default: there is nothing. */
  traces?: Traces;
  clock: Clock;
  /** Closed while this node may not decide. Default: it may always. */
  gate?: Gate;
  /** In a cluster: what the picture shows beside this node's own shards. */
  mirroring?: Mirroring;
  /** Claims and opens shards again that were lost. Default: by the store's `claim`, until it succeeds. */
  reopen?(shards: readonly number[]): Promise<Recovered | undefined>;
  /** How long a shard that changes goes without a checkpoint; default `CHECKPOINT_INTERVAL_MS`. */
  checkpointIntervalMs?: number;
  /** A checkpoint is durable. */
  onCheckpoint(checkpoint: TakenCheckpoint): void;
  /** Shards were lost and are loaded again. */
  onLost(shards: readonly number[], recovered: Recovered | undefined): void;
  /** The store stopped answering, or answers again. */
  onAway(away: boolean): void;
  /** The node cannot go on. */
  onFatal(error: unknown): void;
}

export class ActorSystem {
  readonly picture = new Picture();
  readonly table: EntityTable;
  readonly commit: GroupCommit;
  readonly checkpointer: Checkpointer;
  readonly router: Router;
  readonly ownership: Ownership;
  readonly removals: Removals;
  /** What entities of each kind run. */
  readonly machines: MachineCatalogue;
  readonly fences: FenceCatalogue;
  readonly #gate: Gate;
  readonly #actors: Actors;
  readonly #wheel: TimingWheel;
  readonly #clock: Clock;
  #cancelTimer: () => void = () => {};
  #cancelCheckpoint: () => void = () => {};
  #stopped = false;
  #abandoned = false;
  /** Of the shards, whose commands are looked at next. */
  #nextToForget = 0;

  constructor(options: SystemOptions) {
    const { clock, store, gate = ALWAYS_OPEN } = options;
    this.#clock = clock;
    this.#gate = gate;
    const reopen = options.reopen ?? ((shards: readonly number[]) => this.ownership.reopen(shards));
    this.table = new EntityTable(this.picture, options.receive.staleAfter);
    this.#wheel = new TimingWheel(clock.now());
    const hooks = {
      written: (checkpoint: TakenCheckpoint) => {
        options.onCheckpoint(checkpoint);
        this.#checkpointNext();
      },
      fatal: (error: unknown) => options.onFatal(error),
    };
    this.checkpointer = new Checkpointer(this.table, store, clock, hooks, options.checkpointIntervalMs);
    const { checkpointer } = this;
    this.commit = new GroupCommit(
      store,
      clock,
      {
        takeCheckpoint: () => checkpointer.take(),
        checkpointDurable: (checkpoint, mark) => void checkpointer.write(checkpoint, mark),
        checkpointVoid: (checkpoint) => checkpointer.discard(checkpoint),
        lost: async (shards) => options.onLost(shards, await reopen(shards)),
        away: (away) => options.onAway(away),
        idOf: (shard, number) => this.#idOf(shard, number),
        fatal: (error) => options.onFatal(error),
      },
      (shard) => this.table.shards[shard].epoch,
      gate,
    );
    this.machines = new MachineCatalogue(
      options.machine,
      this.picture.columns.kinds,
      this.table.machines,
      () => this.#actors.catchUp.begin(),
    );
    this.fences = new FenceCatalogue(() => this.#actors.catchUp.begin());
    const { receive } = options;
    this.#actors = new Actors(this.table, receive, this.commit, this.#wheel, this.machines, this.fences);
    const fatal = (error: unknown) => options.onFatal(error);
    this.removals = new Removals(
      this.table,
      options.traces ?? NO_TRACES,
      this.commit,
      checkpointer,
      clock,
      gate,
      fatal,
    );
    this.ownership = new Ownership(
      this.table,
      store,
      this.commit,
      this.#actors,
      this.#wheel,
      clock,
      options.mirroring,
      (checkpoint) => options.onCheckpoint(checkpoint),
      (shard, journalId) => this.removals.resume(shard, journalId),
      async () => {
        await options.readMachines?.();
        await options.readFences?.();
      },
    );
    this.router = new Router(this.#actors, this.commit, this.removals, clock, fatal, gate);
  }

  /** Claims and loads all shards. @throws StoreAway */
  async start(): Promise<Recovered> {
    const all = Array.from({ length: SHARDS }, (_, index) => index);
    const recovered = await this.ownership.open(all);
    this.commit.lastJournalId = Math.max(this.commit.lastJournalId, recovered.journalId);
    this.startTimers();
    return recovered;
  }

  /** Starts without shards: they come by `load`. */
  startTimers(): void {
    this.#scheduleTimers(TIMER_MS);
  }

  /** Loads and opens shards that were claimed. @throws StoreAway; they are closed then. */
  async load(epochs: ReadonlyMap<number, number>): Promise<Recovered> {
    const recovered = await this.ownership.load(epochs);
    // A checkpoint of what was loaded includes all rows that were: with an older mark the store would not take it.
    this.commit.lastJournalId = Math.max(this.commit.lastJournalId, recovered.journalId);
    for (const index of epochs.keys()) this.#checkpointOnce(this.table.shards[index]);
    return recovered;
  }

  /** A shard that nobody changes any more may have rows of `entity` that its owner of before did not get to write: they follow a checkpoint. */
  #checkpointOnce(shard: Shard): void {
    if (shard.status !== "open" || shard.nextNumber === 0 || shard.factsSinceCheckpoint > 0) return;
    shard.factsSinceCheckpoint = 1;
    shard.dirtySince = this.#clock.monotonic();
  }

  /** Takes nothing new and fires no timers; resolves when all that was taken is decided, and committed or refused. */
  async settle(): Promise<void> {
    this.router.close();
    this.removals.stop();
    this.#stopTimers();
    while (!this.router.idle && !this.#abandoned)
      await new Promise<void>((resolve) => this.#clock.schedule(SETTLE_LOOK_MS, resolve));
    await this.commit.drained();
  }

  /** Settles, and writes checkpoints, so that the next start replays nothing. */
  async stop(): Promise<void> {
    await this.settle();
    await this.checkpointer.settled();
    while (!this.#abandoned) {
      const checkpoint = this.commit.away ? undefined : this.checkpointer.take(true);
      if (checkpoint === undefined) break;
      const before = this.checkpointer.stats.written;
      await this.checkpointer.write(checkpoint, this.commit.lastJournalId);
      if (this.checkpointer.stats.written === before) break;
    }
    this.ownership.stop();
  }

  /** Gives up what is not committed: for a node whose place another has taken, or whose store never came back. */
  abandon(): void {
    this.router.close();
    this.#stopTimers();
    this.#abandoned = true;
    this.commit.stop();
    this.removals.stop();
    this.ownership.stop();
  }

  #stopTimers(): void {
    this.#stopped = true;
    this.#cancelTimer();
    this.#cancelCheckpoint();
  }

  #scheduleTimers(delay: number): void {
    this.#cancelTimer = this.#clock.schedule(delay, () => this.#runTimers());
  }

  #runTimers(): void {
    if (this.#stopped) return;
    const now = this.#clock.now();
    const isFull = () => this.commit.full;
    // While the backlog is full or the gate is closed nothing may be decided; deadlines wait, they do not get lost.
    const caughtUp =
      !this.#gate.open ||
      this.commit.overloaded ||
      (this.#wheel.advance(now, (slot) => this.#actors.deadline(slot, now), TIMERS_PER_SLICE, isFull) &&
        this.#actors.catchUp.advance(now, TIMERS_PER_SLICE, isFull));
    if (this.commit.full) this.commit.seal();
    this.#forgetCommands(now);
    this.#checkpointIdle();
    this.#scheduleTimers(caughtUp ? TIMER_MS : 0);
  }

  /** A shard at each turn: one that has none any more would remember the last for ever. */
  #forgetCommands(now: number): void {
    this.table.shards[this.#nextToForget].commands.forgetOld(now);
    this.#nextToForget = (this.#nextToForget + 1) % SHARDS;
  }

  /** Otherwise the next flush takes one. */
  #checkpointIdle(): void {
    if (!this.commit.idle) return;
    const checkpoint = this.checkpointer.take();
    if (checkpoint !== undefined) void this.checkpointer.write(checkpoint, this.commit.lastJournalId);
  }

  /** Of 256 shards each would have to wait for a flush or a timer, which are few where little is reported. */
  #checkpointNext(): void {
    this.#cancelCheckpoint();
    this.#cancelCheckpoint = this.#clock.schedule(this.checkpointer.pauseMs, () => this.#checkpointIdle());
  }

  #idOf(shard: number, number: number): string {
    const { leaving } = this.table.shards[shard];
    const slot = this.table.shards[shard].slot(number);
    const id = slot < 0 ? leaving.get(number)?.id : this.picture.columns.id[slot];
    assert.ok(id !== undefined, "an entity is in memory until its shard is lost, or its deletion committed");
    return id;
  }
}
