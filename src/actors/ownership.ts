/**
 * Which shards this node has, and how they come and go: claim (the epoch rises) → load → wake → open; lost → forgotten → claimed again; or
 * closing (decides nothing more) → all of it durable, with a checkpoint → given away → forgotten.
 */
import type { Clock } from "../clock.ts";
import { MAX_REPLAY_FACTS } from "../limits.ts";
import { encodeCheckpoint } from "./checkpoint.ts";
import type { EntityTable } from "./entity-table.ts";
import type { GroupCommit, TakenCheckpoint } from "./group-commit.ts";
import { type CheckpointStore, type ShardStore, StoreAway } from "./ports.ts";
import type { Actors } from "./receive.ts";
import { type Recovered, recover, recoverUnseen } from "./recovery.ts";
import type { Shard } from "./shard.ts";
import type { TimingWheel } from "./timing-wheel.ts";

const RETRY_MS = 500;
/** A hand-over that waits longer for the commit is given up: shards must not stand still while the database does. */
const HAND_OVER_COMMIT_MS = 2_000;
/** Of a hand-over: each takes a connection. */
const CHECKPOINTS_AT_ONCE = 3;
/** Entities woken before other work has its turn. */
const WAKE_SLICE = 5_000;

/** In a cluster, the picture also shows entities of shards that are not this node's. */
export interface Mirroring {
  /** A shard's entities are in the table, and have taken the places of their mirrors. */
  opened(shard: number, epoch: number): void;
  /** In place of `EntityTable.forget`: what viewers look at stays in the picture. */
  release(table: EntityTable, shard: number, gone: (slot: number) => void): void;
}

export class Ownership {
  readonly #table: EntityTable;
  readonly #store: ShardStore & CheckpointStore;
  readonly #commit: GroupCommit;
  readonly #actors: Actors;
  readonly #wheel: TimingWheel;
  readonly #clock: Clock;
  readonly #mirroring: Mirroring | undefined;
  readonly #written: (checkpoint: TakenCheckpoint) => void;
  readonly #opened: (shard: Shard, journalId: number) => void;
  readonly #readDefinitions: () => Promise<void>;
  #stopped = false;

  /** @param written is told of the checkpoints of hand-overs, once they are durable. @param opened is told of each shard that is open, and of the newest journal row that was seen. @param readDefinitions resolves when all definitions that were committed before are known. */
  constructor(
    table: EntityTable,
    store: ShardStore & CheckpointStore,
    commit: GroupCommit,
    actors: Actors,
    wheel: TimingWheel,
    clock: Clock,
    mirroring: Mirroring | undefined,
    written: (checkpoint: TakenCheckpoint) => void,
    opened: (shard: Shard, journalId: number) => void,
    readDefinitions: () => Promise<void> = async () => {},
  ) {
    this.#table = table;
    this.#store = store;
    this.#commit = commit;
    this.#actors = actors;
    this.#wheel = wheel;
    this.#clock = clock;
    this.#mirroring = mirroring;
    this.#written = written;
    this.#opened = opened;
    this.#readDefinitions = readDefinitions;
  }

  /** Claims shards, loads what is durable of them and opens them. @throws StoreAway; the shards are closed and empty then. */
  async open(shards: readonly number[]): Promise<Recovered> {
    const epochs = await this.#store.claim(shards);
    for (const index of shards)
      if (!epochs.has(index)) throw new Error(`shard ${index} was claimed and has no epoch`);
    return this.load(epochs);
  }

  /**
   * Loads what is durable of shards that were claimed, and opens them.
   * @param epochs shard → the epoch of the claim.
   * @throws StoreAway; the shards are closed and empty then.
   */
  async load(epochs: ReadonlyMap<number, number>): Promise<Recovered> {
    const shards = [...epochs.keys()];
    for (const [index, epoch] of epochs) this.#table.shards[index].epoch = epoch;
    try {
      const recovered = await this.#recover(shards, this.#mirroring);
      // After the claim: whoever decided about these entities knew no newer definitions than there are now.
      await this.#readDefinitions();
      await this.#wake(shards, recovered.journalId);
      return recovered;
    } catch (error) {
      this.forget(shards);
      throw error;
    }
  }

  #recover(shards: readonly number[], mirroring: Mirroring | undefined): Promise<Recovered> {
    const items = this.#store.recover(shards);
    const breathe = () => this.#breathe();
    return mirroring === undefined
      ? recover(this.#table, shards, items, breathe)
      : recoverUnseen(this.#table, shards, items, breathe, ({ index, epoch }) =>
          mirroring.opened(index, epoch),
        );
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

  /**
   * Closes shards, makes all that they decided durable, and gives them away: when `release` has resolved they are another node's to claim.
   * The pause of a shard is from here to the claimer's opening it.
   * @param keeping what they decided does not become durable soon: those which are still here are opened again as they were, right after this.
   * @returns whether it came to the release.
   * @throws StoreAway; the shards are closed and forgotten all the same, and may or may not be this node's.
   */
  async handOver(
    shards: readonly number[],
    release: (shards: readonly number[]) => Promise<void>,
    keeping: (epochs: ReadonlyMap<number, number>) => void = () => {},
  ): Promise<boolean> {
    const open = shards.filter((index) => this.#table.shards[index].status === "open");
    for (const index of shards) this.#table.shards[index].status = "closing";
    try {
      if (!(await this.#isDurableSoon())) {
        const kept = this.#closing(open).map((index) => this.#table.shards[index]);
        keeping(new Map(kept.map(({ index, epoch }) => [index, epoch])));
        for (const shard of kept) shard.status = "open";
        return false;
      }
      await this.#writeCheckpoints(this.#closing(shards));
      await this.#commit.exclusive(() => release(this.#closing(shards)));
      return true;
    } finally {
      this.forget(this.#closing(shards));
    }
  }

  /** Whether all that was decided until now is committed before the time of a hand-over is up. */
  #isDurableSoon(): Promise<boolean> {
    return new Promise((resolve) => {
      const cancel = this.#clock.schedule(HAND_OVER_COMMIT_MS, () => resolve(false));
      this.#commit.join(() => {
        cancel();
        resolve(true);
      });
    });
  }

  /** Without those that were lost meanwhile: they are forgotten already, and perhaps open again. */
  #closing(shards: readonly number[]): number[] {
    return shards.filter((index) => this.#table.shards[index].status === "closing");
  }

  /** So that who comes next has nothing to replay. One that fails is only slower to load. */
  async #writeCheckpoints(shards: readonly number[]): Promise<void> {
    const dirty = shards.filter((index) => this.#table.shards[index].factsSinceCheckpoint > 0);
    const next = async () => {
      for (let index = dirty.shift(); index !== undefined; index = dirty.shift()) {
        const shard = this.#table.shards[index];
        const body = encodeCheckpoint(this.#table, shard);
        const tail = this.#table.tracks.logs[index].take();
        const checkpoint = { shard: index, epoch: shard.epoch, mark: this.#commit.lastJournalId, body, tail };
        try {
          if (await this.#store.write(checkpoint)) this.#written(checkpoint);
        } catch (error) {
          if (!(error instanceof StoreAway)) throw error;
        }
      }
    };
    await Promise.all(Array.from({ length: CHECKPOINTS_AT_ONCE }, next));
  }

  /** Takes shards out of memory; their messages are refused `retry` from now on. */
  forget(shards: readonly number[]): void {
    const gone = (slot: number) => this.#wheel.disarm(slot);
    for (const index of shards) {
      if (this.#mirroring === undefined) this.#table.forget(this.#table.shards[index], gone);
      else this.#mirroring.release(this.#table, index, gone);
    }
  }

  stop(): void {
    this.#stopped = true;
  }

  async #wake(shards: readonly number[], journalId: number): Promise<void> {
    let woken = 0;
    for (const index of shards) {
      const shard = this.#table.shards[index];
      for (const slot of shard.slots()) {
        this.#actors.wake(slot, this.#clock.now());
        if (this.#commit.full) this.#commit.seal();
        if (++woken % WAKE_SLICE === 0) await this.#breathe();
      }
      // Not before: a report for an entity whose state its machine does not know any more must find it in the initial one.
      shard.status = "open";
      this.#opened(shard, journalId);
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
