/**
 * Brings entities to the machines that their kinds run, after these have changed: some at a time, behind what others want of them. One that has
 * something to decide before is brought to its machine then (`EntityMachines.follow`).
 */
import type { EntityMachines } from "./entity-machines.ts";
import type { EntityTable } from "./entity-table.ts";

export class MachineChanges {
  readonly #table: EntityTable;
  readonly #machines: EntityMachines;
  readonly #followed: (slot: number) => void;
  /** Whether no shard is behind, as far as is known. */
  #isDone = true;

  /** @param followed is told of entities that may wait for something else now. */
  constructor(table: EntityTable, machines: EntityMachines, followed: (slot: number) => void) {
    this.#table = table;
    this.#machines = machines;
    this.#followed = followed;
  }

  /** Kinds may have other machines than before. */
  begin(): void {
    // Also of shards that are being loaded: some of their entities may have been brought to the machine of before.
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
        if (slot >= 0 && this.#machines.follow(shard, slot, now)) this.#followed(slot);
      }
      shard.behindFrom = Infinity;
    }
    this.#isDone = !isWaiting;
    return true;
  }
}
