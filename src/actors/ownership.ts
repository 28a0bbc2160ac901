/**
 * Which shards this node has, and how they come and go: claim (the epoch rises) → load → wake → open; or lost → forgotten → claimed again.
 */
import type { Clock } from "../clock.ts";
import { MAX_REPLAY_FACTS } from "../limits.ts";
import type { EntityTable } from "./entity-table.ts";
import { type ShardStore, StoreAway } from "./ports.ts";
import type { Actors } from "./receive.ts";
import { type Recovered, recover } from "./recovery.ts";
import type { TimingWheel } from "./timing-wheel.ts";

const RETRY_MS = 500;
/** Entities woken before other work has its turn. */
const WAKE_SLICE = 5_000;

export class Ownership {
  readonly #table: EntityTable;
  readonly #store: ShardStore;
  readonly #actors: Actors;
  readonly #wheel: TimingWheel;
  readonly #clock: Clock;
  #stopped = false;

  constructor(table: EntityTable, store: ShardStore, actors: Actors, wheel: TimingWheel, clock: Clock) {
    this.#table = table;
    this.#store = store;
    this.#actors = actors;
    this.#wheel = wheel;
    this.#clock = clock;
  }

  /** Claims shards, loads what is durable of them and opens them. @throws StoreAway; the shards are closed and empty then. */
  async open(shards: readonly number[]): Promise<Recovered> {
    const epochs = await this.#store.claim(shards);
    for (const index of shards) {
      const epoch = epochs.get(index);
      if (epoch === undefined) throw new Error(`shard ${index} was claimed and has no epoch`);
      this.#table.shards[index].epoch = epoch;
    }
    try {
      const recovered = await recover(this.#table, shards, this.#store.recover(shards), () =>
        this.#breathe(),
      );
      await this.#wake(shards);
      return recovered;
    } catch (error) {
      this.forget(shards);
      throw error;
    }
  }

  /** Forgets shards now and opens them again, trying until it succeeds or `stop` is called. */
  async reopen(shards: readonly number[]): Promise<Recovered | undefined> {
    this.forget(shards);
    while (!this.#stopped) {
      try {
        return await this.open(shards);
      } catch (error) {
        if (!(error instanceof StoreAway)) throw error;
        await new Promise<void>((resolve) => this.#clock.schedule(RETRY_MS, resolve));
      }
    }
    return undefined;
  }

  /** Takes shards out of memory; their messages are refused `retry` from now on. */
  forget(shards: readonly number[]): void {
    for (const index of shards)
      this.#table.forget(this.#table.shards[index], (slot) => this.#wheel.disarm(slot));
  }

  stop(): void {
    this.#stopped = true;
  }

  async #wake(shards: readonly number[]): Promise<void> {
    let woken = 0;
    for (const index of shards) {
      const shard = this.#table.shards[index];
      for (const slot of shard.slots()) {
        this.#actors.wake(slot, this.#clock.now());
        if (++woken % WAKE_SLICE === 0) await this.#breathe();
      }
      // Not before: a report for an entity whose state its machine does not know any more must find it in the initial one.
      shard.status = "open";
    }
  }

  #breathe(): Promise<void> {
    return new Promise((resolve) => this.#clock.yield(resolve));
  }
}

/** Whether a recovery replayed more than it should ever have to: worth a warning. */
export function replayedTooMuch(recovered: Recovered): boolean {
  return recovered.facts > MAX_REPLAY_FACTS;
}
