/**
 * Takes batches of reports to the actors of this node, in order, in slices of at most 2 ms of the loop, and answers each when all that it
 * accepted is committed. The cluster will stand behind the same port.
 */
import type { Clock } from "../clock.ts";
import { MAX_QUEUED_REPORTS, SLICE_MS } from "../limits.ts";
import type { GroupCommit, Verdict } from "./group-commit.ts";
import type { Ingest, IngestResult, LocalIngest, PlacedResult, Report } from "./messages.ts";
import { ALWAYS_OPEN, type Gate } from "./ports.ts";
import { type Actors, ANY_EPOCH, DUPLICATE, MOVED, NO_EPOCH } from "./receive.ts";
import { shardOf } from "./shard-hash.ts";

/** How often the slice looks at the clock. */
const REPORTS_PER_LOOK = 16;

interface Entry {
  reports: readonly Report[];
  /** By report: the epoch of its shard; absent = whatever it is. */
  epochs: Uint32Array | undefined;
  /** Reports decided so far. */
  next: number;
  /** Decided, and not joined to a batch of the commit yet: from here to `next`. */
  joined: number;
  /** Batches of the commit that it waits for. */
  waiting: number;
  result: IngestResult;
  moved: number[];
  resolve(result: IngestResult & Partial<PlacedResult>): void;
}

export class Router implements Ingest, LocalIngest {
  readonly #actors: Actors;
  readonly #commit: GroupCommit;
  readonly #clock: Clock;
  readonly #fatal: (error: unknown) => void;
  readonly #gate: Gate;
  #queue: Entry[] = [];
  #queued = 0;
  #pumping = false;
  #closed = false;
  readonly stats = { accepted: 0, duplicates: 0, refused: 0 };

  /** @param fatal is told of an error that is no report's fault; nothing is decided after it. */
  constructor(
    actors: Actors,
    commit: GroupCommit,
    clock: Clock,
    fatal: (error: unknown) => void,
    gate: Gate = ALWAYS_OPEN,
  ) {
    this.#actors = actors;
    this.#commit = commit;
    this.#clock = clock;
    this.#fatal = fatal;
    this.#gate = gate;
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

  #take(reports: readonly Report[], epochs: Entry["epochs"], resolve: Entry["resolve"]): void {
    if (this.#closed && epochs !== undefined) {
      // Another node is about to have their shards.
      resolve({ accepted: 0, refused: [], moved: reports.map((_, index) => index) });
      return;
    }
    if (this.overloaded) {
      this.stats.refused += reports.length;
      const detail = this.#closed
        ? "the node is shutting down"
        : "more work waits than the node may hold; try again later";
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
    for (const { reports, epochs, next } of this.#queue) {
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
      if (!this.#work(entry, now, end)) {
        this.#join(entry);
        this.#clock.yield(() => this.#start());
        return;
      }
      this.#queue.shift();
      this.#join(entry);
    }
    this.#pumping = false;
  }

  /** Decides on reports of `entry` until it is done (true) or the slice is over (false). */
  #work(entry: Entry, now: number, end: number): boolean {
    const { reports, epochs } = entry;
    while (entry.next < reports.length) {
      if (entry.next % REPORTS_PER_LOOK === 0 && this.#clock.monotonic() >= end) return false;
      const report = reports[entry.next]!;
      const answer = this.#actors.receive(report, now, epochs === undefined ? ANY_EPOCH : epochs[entry.next]);
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

  /** Makes the entry wait for the commit of what was decided of it since it last joined. */
  #join(entry: Entry): void {
    const from = entry.joined;
    const to = entry.next;
    if (from === to && entry.waiting > 0) return;
    entry.joined = to;
    entry.waiting += 1;
    this.#commit.join((verdict) => {
      entry.waiting -= 1;
      if (verdict !== "committed") withdraw(entry, from, to, verdict);
      if (entry.waiting === 0 && entry.next === entry.reports.length) this.#answer(entry);
    });
  }

  #answer(entry: Entry): void {
    const { result } = entry;
    result.refused.sort((a, b) => a.index - b.index);
    this.stats.accepted += result.accepted;
    this.stats.refused += result.refused.length;
    entry.resolve(
      entry.epochs === undefined ? result : { ...result, moved: entry.moved.sort((a, b) => a - b) },
    );
  }
}

/** Refuses what was accepted of reports [from, to) and is not durable after all. */
function withdraw(entry: Entry, from: number, to: number, verdict: Verdict): void {
  const { result } = entry;
  const refused = new Set([...result.refused.map((refusal) => refusal.index), ...entry.moved]);
  for (let index = from; index < to; index++) {
    if (refused.has(index)) continue;
    const { id } = entry.reports[index]!;
    const type = verdict.refusal(shardOf(id), id);
    if (type === undefined) continue;
    result.accepted -= 1;
    if (type === "retry" && entry.epochs !== undefined) {
      entry.moved.push(index);
      continue;
    }
    const detail =
      type === "retry"
        ? "the shard was reloaded before this was stored: send it again"
        : "the store refuses this data";
    result.refused.push({ index, type, detail });
  }
}
