/**
 * Brings entities to the machines and fences that there are now, after these have changed: some at a time, behind what others want of them. One that has
 * something to decide before is brought there then.
 */
import type { EntityTable } from "./entity-table.ts";
import type { Shard } from "./shard.ts";

export class CatchUp {
  readonly #table: EntityTable;
  readonly #follow: (shard: Shard, slot: number, now: number) => void;
  /** Whether no shard is behind, as far as is known. */
  #isDone = true;

  /** @param follow brings one entity there. */
  constructor(table: EntityTable, follow: (shard: Shard, slot: number, now: number) => void) {
    this.#table = table;
    this.#follow = follow;
  }

  /** There are other machines, or fences, than before. */
  begin(): void {
    // Also of shards that are being loaded: some of their entities may have been brought to what was before.
    for (const shard of this.#table.shards) shard.behindFrom = 0;
    this.#isDone = false;
  }

  /**
   * Looks at `limit` entities at most, which must be of shards that may decide.
   * @returns whether nothing is left that could be done now.
   */
  advance(now: number, limit: number): boolean {
    if (this.#isDone) return true;
    let left = limit;
    let isWaiting = false;
    for (const shard of this.#table.shards) {
      if (shard.behindFrom === Infinity) continue;
      if (shard.status !== "open") {
        if (shard.status === "closed" && shard.nextNumber === 0) shard.behindFrom = Infinity;
        else isWaiting = true;
        continue;
      }
      for (; shard.behindFrom < shard.nextNumber; shard.behindFrom++) {
        if (left-- === 0) return false;
        const slot = shard.slot(shard.behindFrom);
        if (slot >= 0) this.#follow(shard, slot, now);
      }
      shard.behindFrom = Infinity;
    }
    this.#isDone = !isWaiting;
    return true;
  }
}
