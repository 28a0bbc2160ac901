/**
 * What follows the deletion of an entity, once that is committed. It is part of the shard's state what is left to do, so it is done by whoever has
 * the shard, again from its beginning after a crash, while reports, flushes and checkpoints go on.
 *
 * A removal waits (for those of its shard that are under way) → its row goes, in one statement with others → removed, by a fact. That of an erasure is seen to (all that is stored and remembered elsewhere goes; a checkpoint
 * of its shard; the journal is emptied up to its fact) → ended, by a fact, after which its id may be reported again → done, when a checkpoint without
 * it is durable.
 */
import type { Clock } from "../clock.ts";
import { ERASURE_WAIT_MS, MAX_BACKGROUND_ROWS, REMOVALS_AT_ONCE } from "../limits.ts";
import type { Checkpointer } from "./checkpointer.ts";
import type { EntityTable } from "./entity-table.ts";
import type { GroupCommit } from "./group-commit.ts";
import type { Leaving } from "./leaving.ts";
import { type Gate, StoreAway, type Traces } from "./ports.ts";
import type { Shard } from "./shard.ts";
import { Turns } from "./turns.ts";

/** Between two tries at what does not answer, or is not to be had yet. */
const RETRY_MS = 1_000;

/** `lost`: the shard is another's to see to, or loaded again; `late`: it is still under way. */
export type Erased = "done" | "lost" | "late";

/** Deletions of a shard under an epoch that are committed, and whose rows are to be taken away, by number: in order. */
interface Unlisting {
  readonly epoch: number;
  readonly waiting: Map<number, Leaving>;
}

export class Removals {
  readonly #table: EntityTable;
  readonly #traces: Traces;
  readonly #commit: GroupCommit;
  readonly #checkpointer: Checkpointer;
  readonly #clock: Clock;
  readonly #gate: Gate;
  readonly #fatal: (error: unknown) => void;
  #stopped = false;
  readonly #cancel = new Set<() => void>();
  /** Rows of the deleted do not wait for an erasure that a silent node holds up. */
  readonly #unlistingTurns = new Turns(REMOVALS_AT_ONCE);
  /** By shard; absent = there is none. */
  readonly #unlistings = new Map<number, Unlisting>();
  readonly #erasures = new Turns(REMOVALS_AT_ONCE);
  /** Who waits until nothing of before can land any more. */
  readonly #barring: (() => void)[] = [];
  #isBarring = false;
  /** Journal rows up to which it is to be emptied: → who waits for that. */
  readonly #emptying = new Map<() => void, number>();
  #isEmptying = false;

  /** @param fatal is told of an error that trying again does not mend. */
  constructor(
    table: EntityTable,
    traces: Traces,
    commit: GroupCommit,
    checkpointer: Checkpointer,
    clock: Clock,
    gate: Gate,
    fatal: (error: unknown) => void,
  ) {
    this.#table = table;
    this.#traces = traces;
    this.#commit = commit;
    this.#checkpointer = checkpointer;
    this.#clock = clock;
    this.#gate = gate;
    this.#fatal = fatal;
  }

  /** The deletion of a number is committed in journal row `journalId` at the latest. No-op if nothing is left to do, or somebody sees to it. */
  begin(shard: number, number: number, journalId: number): void {
    const { leaving } = this.#table.shards[shard];
    const found = leaving.get(number);
    if (found === undefined || found.isSeenTo || (!found.erase && found.state === "ended")) return;
    found.isSeenTo = true;
    if (found.erase) this.#run(this.#table.shards[shard], number, found, journalId).catch(this.#fatal);
    else this.#unlist(this.#table.shards[shard], number, found);
  }

  /** A shard was loaded from journal rows up to `journalId`: what its deletions left to do is done now. */
  resume(shard: Shard, journalId: number): void {
    for (const number of shard.leaving.numbers()) this.begin(shard.index, number, journalId);
  }

  /**
   * Resolves when no erasure of an id that is under way now is, or its time is up.
   * @param epoch in which it was decided.
   */
  async erased(shard: Shard, id: string, epoch: number): Promise<Erased> {
    if (this.#stopped || shard.status === "closed" || shard.epoch !== epoch) return "lost";
    const all = await Promise.all(shard.leaving.erasuresOf(id).map((one) => this.#ended(one)));
    return all.find((erased) => erased !== "done") ?? "done";
  }

  #ended({ waiters }: Leaving): Promise<Erased> {
    return new Promise((resolve) => {
      const waiter = (done: boolean) => {
        cancel();
        resolve(done ? "done" : "lost");
      };
      const cancel = this.#clock.schedule(ERASURE_WAIT_MS, () => {
        waiters.delete(waiter);
        resolve("late");
      });
      waiters.add(waiter);
    });
  }

  /** Decides nothing more. What is not done is to be done by the next to have the shards. */
  stop(): void {
    this.#stopped = true;
    for (const cancel of this.#cancel) cancel();
    this.#cancel.clear();
    for (const { leaving } of this.#table.shards) {
      for (const number of leaving.numbers()) {
        const { waiters } = leaving.get(number)!;
        for (const waiter of waiters) waiter(false);
      }
    }
  }

  #unlist(shard: Shard, number: number, leaving: Leaving): void {
    const { index, epoch } = shard;
    const known = this.#unlistings.get(index);
    if (known?.epoch === epoch) {
      known.waiting.set(number, leaving);
      return;
    }
    const unlisting = { epoch, waiting: new Map([[number, leaving]]) };
    this.#unlistings.set(index, unlisting);
    this.#runUnlisting(shard, unlisting).catch(this.#fatal);
  }

  /** Those whose turn is next. What is not to be done any more is forgotten. */
  #next(shard: Shard, { waiting }: Unlisting): [number, Leaving][] {
    const next: [number, Leaving][] = [];
    for (const [number, leaving] of waiting) {
      if (!this.#isOurs(shard, number, leaving)) waiting.delete(number);
      else if (next.push([number, leaving]) === MAX_BACKGROUND_ROWS) break;
    }
    return next;
  }

  /** Whether somebody has yet to see to it, and it is us. An erasure may have taken over what a deletion had left to do. */
  #isOurs(shard: Shard, number: number, leaving: Leaving): boolean {
    const isKnown = !this.#stopped && shard.leaving.get(number) === leaving;
    return isKnown && (leaving.erase || leaving.state === "going");
  }

  /** One statement of a shard at a time, so that what is deleted meanwhile goes together in the next. */
  async #runUnlisting(shard: Shard, unlisting: Unlisting): Promise<void> {
    const { epoch, waiting } = unlisting;
    // Those that were committed together are told one after the other.
    await Promise.resolve();
    while (this.#next(shard, unlisting).length > 0) {
      let gone: [number, Leaving][] = [];
      const isDone = await this.#unlistingTurns.run(async () => {
        gone = this.#next(shard, unlisting);
        const ids = gone.map(([, { id }]) => id);
        return ids.length === 0 || this.#tried(() => this.#traces.unlist(shard.index, epoch, ids));
      });
      if (!isDone) {
        await this.#pause();
        continue;
      }
      for (const [number] of gone) waiting.delete(number);
      const areOurs = () => gone.some(([number, leaving]) => this.#isOurs(shard, number, leaving));
      while (areOurs() && !this.#mayDecide(shard)) await this.#pause();
      for (const [number, leaving] of gone)
        if (this.#isOurs(shard, number, leaving)) this.#removed(shard, number);
    }
    if (this.#unlistings.get(shard.index) === unlisting) this.#unlistings.delete(shard.index);
  }

  #mayDecide(shard: Shard): boolean {
    return this.#gate.open && shard.status === "open";
  }

  #removed(shard: Shard, number: number): void {
    const fact = { is: "removed", number, seq: 0 } as const;
    this.#commit.record(shard, fact);
    this.#table.apply(shard, fact);
  }

  async #run(shard: Shard, number: number, erasure: Leaving, journalId: number): Promise<void> {
    const { epoch } = shard;
    const isOurs = () => this.#isOurs(shard, number, erasure);
    if (erasure.state === "going") {
      await this.#barred();
      const take = () => this.#tried(() => this.#traces.erase(shard.index, epoch, erasure.id));
      while (isOurs() && !(await this.#erasures.run(take))) await this.#pause();
      if (isOurs()) await this.#checkpointer.soon(shard);
      if (isOurs()) await this.#emptied(journalId);
      while (isOurs() && !this.#mayDecide(shard)) await this.#pause();
      if (!isOurs()) return;
      this.#removed(shard, number);
    }
    const log = this.#table.tracks.logs[shard.index];
    const { forgotten } = log;
    while (isOurs()) {
      if ((await this.#checkpointer.soon(shard)) && log.isClean(forgotten)) break;
    }
    if (!isOurs()) return;
    shard.leaving.delete(number);
    for (const waiter of erasure.waiters) waiter(true);
  }

  async #tried(work: () => Promise<boolean>): Promise<boolean> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof StoreAway) return false;
      throw error;
    }
  }

  /** Resolves when nothing can land any more that was begun before. */
  #barred(): Promise<void> {
    return new Promise((resolve) => {
      this.#barring.push(resolve);
      if (!this.#isBarring) this.#bar().catch(this.#fatal);
    });
  }

  /** For all who wait, and not more than once a second: checkpoints that are under way are void by it. */
  async #bar(): Promise<void> {
    this.#isBarring = true;
    while (this.#barring.length > 0 && !this.#stopped) {
      const waiting = this.#barring.splice(0);
      const isBarred = await this.#tried(() => this.#commit.exclusive(() => this.#traces.bar()));
      if (isBarred) for (const resolve of waiting) resolve();
      else this.#barring.push(...waiting);
      await this.#pause();
    }
    this.#isBarring = false;
  }

  /** Resolves when the journal has no row up to `journalId` any more. */
  #emptied(journalId: number): Promise<void> {
    return new Promise((resolve) => {
      this.#emptying.set(resolve, journalId);
      if (!this.#isEmptying) this.#empty().catch(this.#fatal);
    });
  }

  async #empty(): Promise<void> {
    this.#isEmptying = true;
    let hastened = 0;
    while (this.#emptying.size > 0 && !this.#stopped) {
      const upTo = Math.max(...this.#emptying.values());
      const isNew = upTo > hastened;
      let oldest = 0;
      await this.#tried(async () => {
        oldest = await this.#traces.empty(upTo, (work) => this.#commit.exclusive(work));
        return true;
      });
      // By now rows go to another part, and the one of before waits for checkpoints.
      if (isNew) this.#checkpointer.hasten();
      hastened = upTo;
      for (const [resolve, journalId] of this.#emptying) {
        if (journalId >= oldest) continue;
        this.#emptying.delete(resolve);
        resolve();
      }
      if (this.#emptying.size > 0) await this.#pause();
    }
    this.#isEmptying = false;
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#clock.schedule(RETRY_MS, () => {
        this.#cancel.delete(cancel);
        resolve();
      });
      this.#cancel.add(cancel);
    });
  }
}
