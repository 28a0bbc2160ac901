import { StoreAway } from "../actors/ports.ts";

/** The shards of this node, for the member to open and to close. */
export interface ShardHost {
  /** Loads what is durable, and opens. @throws StoreAway; nothing is open then. */
  load(epochs: ReadonlyMap<number, number>): Promise<unknown>;
  /**
   * Closes, makes all durable, calls `release` between flushes with those that were not lost meanwhile, forgets.
   * @throws StoreAway; closed and forgotten all the same.
   */
  handOver(
    shards: readonly number[],
    release: (shards: readonly number[]) => Promise<void>,
  ): Promise<boolean>;
  /** Forgets shards that were lost. */
  forget(shards: readonly number[]): void;
  /** What a shard takes in memory, bytes. */
  bytes(shard: number): number;
}

/** Shards handed over together: they pause together. */
const SHARDS_PER_HAND_OVER = 8;
/** As shards count them: some 900 entities, which take 100 ms to encode, to write, to load and to open where all share two cores. */
const BYTES_PER_HAND_OVER = 2 * 2 ** 20;

/** The first of `shards`, as many as may pause together. */
export function portionOf(shards: readonly number[], host: ShardHost): number[] {
  let bytes = 0;
  const end = shards.findIndex((shard, i) => {
    bytes += host.bytes(shard);
    return i > 0 && (i >= SHARDS_PER_HAND_OVER || bytes > BYTES_PER_HAND_OVER);
  });
  return shards.slice(0, end < 0 ? shards.length : end);
}

/** @returns whether an error is the store's being away; any other ends the node. */
export function isAway(error: unknown, onFatal: (error: unknown) => void): boolean {
  if (error instanceof StoreAway) return true;
  onFatal(error);
  return false;
}
