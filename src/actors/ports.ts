/** What the actors want of a store. Owned here; implemented in `store/` and, in memory, by tests. */
import type { EventFact } from "./messages.ts";

/** The facts of one shard in one flush. */
export interface Section {
  shard: number;
  epoch: number;
  /** Records of `fact-codec.ts`, back to back. Opaque to the store. */
  body: Uint8Array;
}

export interface Batch {
  /** Counts the flushes of one incarnation from 1 without gaps; a bisected part gets a number of its own. */
  flushNo: number;
  /** Ascending by shard, at least one. */
  sections: Section[];
  /** Oldest and newest `t` of the reports in it, Unix ms. */
  tMin: number;
  tMax: number;
  events: (EventFact & { shard: number })[];
}

export type AppendOutcome =
  | { status: "committed"; journalId: number }
  /** This incarnation no longer owns what it writes: nothing was written. */
  | { status: "fenced" }
  /** PostgreSQL refuses the data itself (SQLSTATE class 22, 23, 54): a retry cannot succeed. Nothing was written. */
  | { status: "poisoned"; detail: string };

/** Whether this node may decide, flush and answer now: its lease may have run out without anybody having told it. */
export interface Gate {
  readonly open: boolean;
  /** Resolves when it is open; never, if it will not open again. */
  passed(): Promise<void>;
}

/** The gate of a node that nobody can take the place of. */
export const ALWAYS_OPEN: Gate = { open: true, passed: () => Promise.resolve() };

export interface Journal {
  /**
   * Makes a batch durable, all or nothing. After an unknown outcome it is called again with the same batch and
   * `attempt` > 1, and then first looks whether the number is already there.
   * Rejects with `StoreAway` if the database cannot be reached or does not answer.
   */
  append(batch: Batch, attempt: number): Promise<AppendOutcome>;
}

/** What the newest version must be for a thing with versions to be changed; `"none"` = there must be none, `"any"` = there must be one. */
export type IfVersion = number | "any" | "none";

/** The database cannot be reached, restarts, or does not answer in time. The outcome is unknown. */
export class StoreAway extends Error {
  override name = "StoreAway";
}

export interface Checkpoint {
  shard: number;
  epoch: number;
  /** Facts of journal rows with id ≤ mark are in `body`. */
  mark: number;
  body: Uint8Array;
  /** What has become known of its tracks, and is in no row yet, since the checkpoint before. Absent = nothing. */
  tail?: TrackPiece & {
    /** Pieces with smaller numbers than this are not wanted any more. */
    firstNo: number;
  };
}

/** A piece of what is known of a shard's tracks and is in no row yet. Opaque to the store. */
export interface TrackPiece {
  /** Ascending; a piece replaces one of the same number. */
  no: number;
  body: Uint8Array;
}

export interface CheckpointStore {
  /** Replaces the shard's checkpoint, keeps its piece of tracks and raises its mark, in one transaction. False if fenced. Rejects `StoreAway`. */
  write(checkpoint: Checkpoint): Promise<boolean>;
}

/** One step of a recovery, in the order in which they must be applied. */
export type RecoveryItem =
  | {
      is: "checkpoint";
      checkpoint: Omit<Checkpoint, "tail">;
      /** All that are wanted, ascending. */
      pieces: readonly TrackPiece[];
    }
  | { is: "section"; journalId: number; section: Section };

/** Runs work while no flush is in flight. */
export type Alone = <T>(work: () => Promise<T>) => Promise<T>;

/**
 * What is known of an entity beside the state of its shard, which the actors see to. Each may be done again. What is done as the owner of a shard under
 * an epoch answers false if it could not be done now. Each rejects with `StoreAway` if the database is away.
 */
export interface Traces {
  /** Takes away the rows of the last known state of some, `MAX_BACKGROUND_ROWS` at most: no older ones are written any more. */
  unlist(shard: number, epoch: number, ids: readonly string[]): Promise<boolean>;
  /** Takes away that row, its tracks, its events and what is to be delivered of them, in the store and in the memory of all nodes. */
  erase(shard: number, epoch: number, id: string): Promise<boolean>;
  /** Nothing that this node began to write before can land any more. Called while no flush is in flight. @returns false if it could not be done now. */
  bar(): Promise<boolean>;
  /**
   * Empties the journal of rows up to `upTo`, as far as they are needed for no shard.
   * @param alone runs work while no flush is in flight. @returns the oldest row that it has then, Infinity if it has none.
   */
  empty(upTo: number, alone: Alone): Promise<number>;
}

/** Where there is nothing but facts and checkpoints. */
export const NO_TRACES: Traces = {
  unlist: () => Promise.resolve(true),
  erase: () => Promise.resolve(true),
  bar: () => Promise.resolve(true),
  empty: () => Promise.resolve(Infinity),
};

export interface ShardStore {
  /**
   * Claims all given shards for this incarnation, each with its epoch raised; only after this commits may they be loaded.
   * @returns shard → its new epoch.
   */
  claim(shards: readonly number[]): Promise<Map<number, number>>;
  /**
   * All that is durable of the given shards: the checkpoints first, then the journal's sections newer than each
   * shard's mark, in journal order.
   */
  recover(shards: readonly number[]): AsyncIterable<RecoveryItem>;
}
