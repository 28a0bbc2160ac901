/**
 * Which slots are free. Each shard has blocks of its own, so that what goes through a shard, as a checkpoint does, reads the columns in their order: with a
 * million entities in the order in which they came, 4 µs of an entity's part in a checkpoint were waits for memory.
 */

/** Slots of one block: what it takes of the narrowest columns is a fourth of a cache line, of most two lines. */
export const BLOCK = 16;
/** Blocks that a shard gets side by side, once it has as many: the machine reads ahead in them. Small shards would fill memory with what they do not need. */
export const RUN = 4;

export class Slots {
  /** Slots ever given out or set aside: all others are above. */
  extent = 0;
  /** By shard: its free slots; the last one goes first. */
  readonly #free: number[][] = [];
  /** By shard: how many blocks it has. */
  readonly #blocks: number[] = [];
  /** By block: how many of its slots are in use. */
  readonly #used: number[] = [];
  /** Blocks that are of no shard any more. Those of a run that were never needed stay with their shard. */
  readonly #empty: number[] = [];

  /** A free slot for an entity of `shard`. */
  take(shard: number): number {
    this.#free[shard] ??= [];
    const free = this.#free[shard];
    if (free.length === 0) this.#addBlocks(shard, free);
    const slot = free.pop()!;
    this.#used[blockOf(slot)] += 1;
    return slot;
  }

  /** A slot that `take` gave for `shard` is free again. */
  give(slot: number, shard: number): void {
    const block = blockOf(slot);
    const free = this.#free[shard]!;
    free.push(slot);
    this.#used[block] -= 1;
    if (this.#used[block] > 0) return;
    this.#free[shard] = free.filter((one) => blockOf(one) !== block);
    this.#blocks[shard] -= 1;
    this.#empty.push(block);
  }

  #addBlocks(shard: number, free: number[]): void {
    const blocks = this.#blocks[shard] ?? 0;
    const emptied = this.#empty.pop();
    const count = emptied === undefined && blocks >= RUN ? RUN : 1;
    const first = (emptied ?? this.#used.length) * BLOCK;
    const end = first + count * BLOCK;
    this.#blocks[shard] = blocks + count;
    while (this.#used.length * BLOCK < end) this.#used.push(0);
    this.extent = Math.max(this.extent, end);
    for (let slot = end - 1; slot >= first; slot--) free.push(slot);
  }
}

function blockOf(slot: number): number {
  return Math.floor(slot / BLOCK);
}
