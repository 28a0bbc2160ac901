/**
 * Brings entities to the machines and fences that there are now, after these have changed: some at a time, behind what others want of them. One that has
 * something to decide before is brought there then.
 */
import { SHARDS } from "../limits.ts";
import type { EntityTable } from "./entity-table.ts";
import type { Shard } from "./shard.ts";

/** Brings one entity to the machine and the fences of now. */
export type Follow = (shard: Shard, slot: number, now: number) => void;

export class CatchUp {
  readonly #table: EntityTable;
  readonly #follow: Follow;
  /** Whether no shard is behind, as far as is known. */
  #isDone = true;
  /** Where it goes on, round and round. A change does not move it: else what comes last would have no turn while changes are frequent. */
  #shard = 0;
  #number = 0;
  /** Where it was in this shard at the newest change, 0 = before it: what is before that is behind when the shard ends. */
  #from = 0;

  constructor(table: EntityTable, follow: Follow) {
    this.#table = table;
    this.#follow = follow;
  }

  /** There are other machines, or fences, than before. */
  begin(): void {
    // Also of shards that are being loaded: some of their entities may have been brought to what was before.
    for (const shard of this.#table.shards) shard.isBehind = true;
    this.#from = this.#number;
    this.#isDone = false;
  }

  /**
   * Looks at `limit` entities at most, which must be of shards that may decide.
   * @param isFull ends the call, and is asked before each entity.
   * @returns whether nothing is left that could be done now.
   */
  advance(now: number, limit: number, isFull: () => boolean = () => false): boolean {
    if (this.#isDone) return true;
    const { shards } = this.#table;
    let left = limit;
    // The shard that it goes on in may have a second turn.
    for (let turns = 0; turns <= SHARDS; turns++) {
      const shard = shards[this.#shard];
      if (shard.isBehind && shard.status === "open") {
        for (; this.#number < shard.nextNumber; this.#number++) {
          if (left-- === 0 || isFull()) return false;
          const slot = shard.slot(this.#number);
          if (slot >= 0) this.#follow(shard, slot, now);
        }
        shard.isBehind = this.#from > 0;
      } else if (shard.status === "closed" && shard.nextNumber === 0) shard.isBehind = false;
      this.#shard = (this.#shard + 1) % SHARDS;
      this.#number = this.#from = 0;
    }
    this.#isDone = shards.every(({ isBehind }) => !isBehind);
    return true;
  }
}
