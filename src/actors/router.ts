/**
 * Takes batches of reports, and commands, to the actors of this node, in order, in slices of at most 2 ms of the loop, and answers each when all
 * that it accepted is committed. The cluster stands behind the same ports.
 */
import assert from "node:assert/strict";
import type { Clock } from "../clock.ts";
import { MAX_QUEUED_REPORTS, SLICE_MS } from "../limits.ts";
import type { DecidedDeletion } from "./deletions.ts";
import type { GroupCommit } from "./group-commit.ts";
import { Lookahead, MAX_LOOK } from "./lookahead.ts";
import {
  type CommandHandler,
  type CommandResult,
  type Ingest,
  type IngestResult,
  isDeletion,
  isPatch,
  type LocalCommands,
  type LocalIngest,
  MOVED,
  type PlacedResult,
  type Report,
  type Request,
} from "./messages.ts";
import { ALWAYS_OPEN, type Gate } from "./ports.ts";
import { type QueuedCommand, type QueuedReports, settledCommand, withdrawReports } from "./queued.ts";
import { type Actors, ANY_EPOCH, DUPLICATE, NO_EPOCH } from "./receive.ts";
import type { Removals } from "./removals.ts";
import type { Shard } from "./shard.ts";
import { shardOf } from "./shard-hash.ts";

const STILL_UNDER_WAY = "it is being erased, which goes on by itself: ask again";

export class Router implements Ingest, LocalIngest, CommandHandler, LocalCommands {
  readonly #actors: Actors;
  readonly #commit: GroupCommit;
  readonly #clock: Clock;
  readonly #fatal: (error: unknown) => void;
  readonly #gate: Gate;
  readonly #lookahead: Lookahead;
  readonly #removals: Removals;
  #queue: (QueuedReports | QueuedCommand)[] = [];
  #queued = 0;
  #pumping = false;
  #closed = false;
  readonly stats = { accepted: 0, duplicates: 0, refused: 0 };
  readonly commandStats = { accepted: 0, duplicates: 0, refused: 0 };

  /** @param fatal is told of an error that is no report's fault; nothing is decided after it. */
  constructor(
    actors: Actors,
    commit: GroupCommit,
    removals: Removals,
    clock: Clock,
    fatal: (error: unknown) => void,
    gate: Gate = ALWAYS_OPEN,
  ) {
    this.#actors = actors;
    this.#commit = commit;
    this.#removals = removals;
    this.#clock = clock;
    this.#fatal = fatal;
    this.#gate = gate;
    this.#lookahead = new Lookahead(actors.table);
  }

  get overloaded(): boolean {
    return this.#closed || this.#commit.overloaded || this.#queued >= MAX_QUEUED_REPORTS;
  }

  submit(reports: readonly Report[]): Promise<IngestResult> {
    return new Promise((resolve) => this.#take(reports, undefined, resolve));
  }

  submitPlaced(reports: readonly Report[], epochs: Uint32Array): Promise<PlacedResult> {
    return new Promise((resolve) =>
      this.#take(reports, epochs, ({ moved = [], ...result }) => resolve({ ...result, moved })),
    );
  }

  async command(command: Request): Promise<CommandResult> {
    const result = await this.#takeCommand(command, undefined);
    // Only what comes with an epoch moves.
    assert.ok(result !== MOVED);
    return result;
  }

  commandPlaced(command: Request, epoch: number): Promise<CommandResult | typeof MOVED> {
    return this.#takeCommand(command, epoch);
  }

  #takeCommand(command: Request, epoch: QueuedCommand["epoch"]): Promise<CommandResult | typeof MOVED> {
    if (this.#closed && epoch !== undefined) return Promise.resolve(MOVED);
    if (this.overloaded) {
      this.commandStats.refused += 1;
      return Promise.resolve({ accepted: false, type: "overloaded", detail: this.#whyOverloaded });
    }
    return new Promise((resolve) => {
      this.#queue.push({ command, epoch, resolve });
      this.#queued += 1;
      if (!this.#pumping) this.#start();
    });
  }

  get #whyOverloaded(): string {
    return this.#closed
      ? "the node is shutting down"
      : "more work waits than the node may hold; try again later";
  }

  #take(
    reports: readonly Report[],
    epochs: QueuedReports["epochs"],
    resolve: QueuedReports["resolve"],
  ): void {
    if (this.#closed && epochs !== undefined) {
      // Another node is about to have their shards.
      resolve({ accepted: 0, refused: [], moved: reports.map((_, index) => index) });
      return;
    }
    if (this.overloaded) {
      this.stats.refused += reports.length;
      const detail = this.#whyOverloaded;
      resolve({
        accepted: 0,
        refused: reports.map((_, index) => ({ index, type: "overloaded", detail })),
      });
      return;
    }
    if (reports.length === 0) {
      resolve({ accepted: 0, refused: [] });
      return;
    }
    this.#queue.push({
      reports,
      epochs,
      next: 0,
      joined: 0,
      waiting: 0,
      result: { accepted: 0, refused: [] },
      moved: [],
      resolve,
    });
    this.#queued += reports.length;
    if (!this.#pumping) this.#start();
  }

  /**
   * What has come in for these shards under an epoch and is not decided yet will have moved, also if they are open by then: some that came before it
   * may have.
   */
  outdate(shards: ReadonlySet<number>): void {
    for (const entry of this.#queue) {
      if ("command" in entry) {
        if (entry.epoch !== undefined && shards.has(shardOf(entry.command.entity))) entry.epoch = NO_EPOCH;
        continue;
      }
      const { reports, epochs, next } = entry;
      if (epochs === undefined) continue;
      for (let i = next; i < reports.length; i++)
        if (shards.has(shardOf(reports[i].id))) epochs[i] = NO_EPOCH;
    }
  }

  /** Takes no new batches; those taken are still worked off. */
  close(): void {
    this.#closed = true;
  }

  /** Nothing waits to be decided. */
  get idle(): boolean {
    return this.#queue.length === 0;
  }

  #start(): void {
    this.#pumping = true;
    try {
      this.#pump();
    } catch (error) {
      // What was half decided must not be followed by more: from here on it only looks busy.
      this.#closed = true;
      this.#fatal(error);
    }
  }

  #pump(): void {
    if (!this.#gate.open) {
      void this.#gate.passed().then(() => this.#start());
      return;
    }
    const end = this.#clock.monotonic() + SLICE_MS;
    const now = this.#clock.now();
    for (let entry = this.#queue[0]; entry !== undefined; entry = this.#queue[0]) {
      if ("command" in entry) {
        if (this.#clock.monotonic() >= end) break;
        this.#queue.shift();
        this.#decide(entry, now);
        continue;
      }
      const isDone = this.#work(entry, now, end);
      if (isDone) this.#queue.shift();
      this.#join(entry);
      if (!isDone) break;
    }
    if (this.#queue.length === 0) this.#pumping = false;
    else this.#clock.yield(() => this.#start());
  }

  /** Decides on reports of `entry` until it is done (true) or the slice is over (false). */
  #work(entry: QueuedReports, now: number, end: number): boolean {
    const { reports, epochs } = entry;
    while (entry.next < reports.length) {
      const turn = entry.next % MAX_LOOK;
      if (turn === 0) {
        if (this.#clock.monotonic() >= end) return false;
        const to = Math.min(entry.next + MAX_LOOK, reports.length);
        this.#lookahead.look(reports, entry.next, to);
      }
      const report = reports[entry.next]!;
      const epoch = epochs === undefined ? ANY_EPOCH : epochs[entry.next];
      const answer = this.#actors.receive(report, now, epoch, this.#lookahead.slots[turn]);
      this.#queued -= 1;
      if (answer === undefined) entry.result.accepted += 1;
      else if (answer === DUPLICATE) {
        entry.result.accepted += 1;
        this.stats.duplicates += 1;
      } else if (answer === MOVED) entry.moved.push(entry.next);
      else entry.result.refused.push({ index: entry.next, ...answer });
      entry.next += 1;
      if (this.#commit.full) {
        this.#join(entry);
        this.#commit.seal();
      }
    }
    return true;
  }

  /** Decides on a command. Its answer waits for the commit of all that was decided until then, its original if it came before. */
  #decide(queued: QueuedCommand, now: number): void {
    const { command, epoch } = queued;
    this.#queued -= 1;
    const shard = this.#actors.table.shards[shardOf(command.entity)];
    const misplaced = refusePlace(shard, epoch);
    const { result, duplicate, number }: DecidedDeletion =
      misplaced === undefined ? this.#receive(command, now) : { result: misplaced, duplicate: false };
    const decidedIn = shard.epoch;
    this.#commit.join((verdict) => {
      const settled = settledCommand(command, epoch, result, verdict);
      const isDone = settled !== MOVED && settled.accepted;
      if (isDone && number !== undefined)
        this.#removals.begin(shard.index, number, this.#commit.lastJournalId);
      if (settled !== MOVED) this.commandStats[settled.accepted ? "accepted" : "refused"] += 1;
      if (duplicate) this.commandStats.duplicates += 1;
      if (isDone && isDeletion(command) && command.erase) void this.#erased(queued, settled, decidedIn);
      else queued.resolve(settled);
    });
    if (this.#commit.full) this.#commit.seal();
  }

  #receive(request: Request, now: number): DecidedDeletion {
    const { commands, deletions, patches } = this.#actors;
    if (isDeletion(request)) return deletions.receive(request, now);
    return isPatch(request) ? patches.receive(request, now) : commands.receive(request, now);
  }

  /** Answers an erasure when nothing is left to do. If its shard is lost meanwhile, whoever has it then goes on. */
  async #erased(
    { command, epoch, resolve }: QueuedCommand,
    result: CommandResult,
    decidedIn: number,
  ): Promise<void> {
    const shard = this.#actors.table.shards[shardOf(command.entity)];
    const erased = await this.#removals.erased(shard, command.entity, decidedIn);
    if (erased === "done") resolve(result);
    else if (erased === "lost" && epoch !== undefined) resolve(MOVED);
    else resolve({ accepted: false, type: "retry", detail: STILL_UNDER_WAY });
  }

  /** Makes the entry wait for the commit of what was decided of it since it last joined. */
  #join(entry: QueuedReports): void {
    const from = entry.joined;
    const to = entry.next;
    if (from === to && entry.waiting > 0) return;
    entry.joined = to;
    entry.waiting += 1;
    this.#commit.join((verdict) => {
      entry.waiting -= 1;
      if (verdict !== "committed") withdrawReports(entry, from, to, verdict);
      if (entry.waiting === 0 && entry.next === entry.reports.length) this.#answer(entry);
    });
  }

  #answer(entry: QueuedReports): void {
    const { result } = entry;
    result.refused.sort((a, b) => a.index - b.index);
    this.stats.accepted += result.accepted;
    this.stats.refused += result.refused.length;
    entry.resolve(
      entry.epochs === undefined ? result : { ...result, moved: entry.moved.sort((a, b) => a - b) },
    );
  }
}

/** Why nothing may be decided on a command of a shard now. @param epoch that it must have, else it has moved; absent = any. */
function refusePlace(shard: Shard, epoch: QueuedCommand["epoch"]): CommandResult | typeof MOVED | undefined {
  const isOpen = shard.status === "open";
  if (epoch !== undefined && (!isOpen || shard.epoch !== epoch)) return MOVED;
  if (isOpen) return undefined;
  return { accepted: false, type: "retry", detail: "the entity's shard is being loaded" };
}
