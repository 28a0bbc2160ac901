/**
 * What follows the deletion of an entity, once that is committed: its row goes, and of one that is erased all else that is stored of it. The journal
 * alone knows that it has to be done, so no checkpoint of the shard is taken until it is; who loads the shard after a crash begins again.
 *
 * A removal is held (decided; checkpoints of its shard wait) → stored nowhere but in checkpoints, if it is an erasure → done.
 */
import type { Clock } from "../clock.ts";
import type { Checkpointer } from "./checkpointer.ts";
import type { EntityTable } from "./entity-table.ts";
import { Expunger } from "./expunger.ts";
import { StoreAway, type Traces } from "./ports.ts";
import type { Shard } from "./shard.ts";

const RETRY_MS = 1_000;

/** A deleted entity of which something is still to be taken away. */
export interface Leaving {
  readonly id: string;
  /** All that is known of it goes. */
  readonly erase: boolean;
  /** Checkpoints wait for it. */
  isHeld: boolean;
  /** Told whether it is done; false: the shard is another's to see to. */
  readonly waiters: ((done: boolean) => void)[];
}

export function leavingOf(id: string, erase: boolean): Leaving {
  return { id, erase, isHeld: true, waiters: [] };
}

export class Removals {
  readonly #table: EntityTable;
  readonly #traces: Traces;
  readonly #checkpointer: Checkpointer;
  readonly #clock: Clock;
  readonly #fatal: (error: unknown) => void;
  #stopped = false;
  readonly #cancel = new Set<() => void>();

  constructor(
    table: EntityTable,
    traces: Traces,
    checkpointer: Checkpointer,
    clock: Clock,
    fatal: (error: unknown) => void,
  ) {
    this.#table = table;
    this.#traces = traces;
    this.#checkpointer = checkpointer;
    this.#clock = clock;
    this.#fatal = fatal;
  }

  /** The deletion of a number is committed. No-op if nothing is left to do. */
  begin(shard: number, number: number): void {
    const { leaving } = this.#table.shards[shard];
    const found = leaving.get(number);
    if (found !== undefined) this.#run(this.#table.shards[shard], number, found).catch(this.#fatal);
  }

  /** A shard was loaded: what its deletions left to do is done now. */
  resume(shard: Shard): void {
    for (const number of shard.leaving.keys()) this.begin(shard.index, number);
  }

  /** Resolves when no erasure of an id is under way; to false if the shard is another's to see to. */
  async erased({ leaving }: Shard, id: string): Promise<boolean> {
    const own = [...leaving.values()].filter((one) => one.erase && one.id === id);
    const done = await Promise.all(
      own.map(({ waiters }) => new Promise<boolean>((resolve) => waiters.push(resolve))),
    );
    return !done.includes(false);
  }

  stop(): void {
    this.#stopped = true;
    for (const cancel of this.#cancel) cancel();
    this.#cancel.clear();
    for (const { leaving } of this.#table.shards)
      for (const { waiters } of leaving.values()) for (const waiter of waiters.splice(0)) waiter(false);
  }

  async #run(shard: Shard, number: number, leaving: Leaving): Promise<void> {
    const { epoch } = shard;
    const isOurs = () => !this.#stopped && shard.leaving.get(number) === leaving;
    while (isOurs() && !(await this.#take(shard.index, epoch, number, leaving))) await this.#pause();
    if (!isOurs()) return;
    leaving.isHeld = false;
    // What is left is in checkpoints and in the pieces of tracks that go with them.
    while (leaving.erase && isOurs()) {
      const isWritten = await this.#checkpointer.soon(shard);
      if (isWritten && this.#table.tracks.logs[shard.index].isClean) break;
    }
    if (!isOurs()) return;
    shard.leaving.delete(number);
    for (const waiter of leaving.waiters) waiter(true);
  }

  /** @returns whether it is all gone. */
  async #take(shard: number, epoch: number, number: number, { id, erase }: Leaving): Promise<boolean> {
    try {
      if (!erase) return await this.#traces.unlist(shard, epoch, id);
      return (
        (await this.#traces.erase(shard, epoch, id)) &&
        (await this.#traces.rewriteJournal(shard, epoch, new Expunger(id, number)))
      );
    } catch (error) {
      if (error instanceof StoreAway) return false;
      throw error;
    }
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
