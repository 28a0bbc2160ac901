/**
 * What this node must show to be let in by its fence, and what it has given away.
 *
 * States: settled → raising (what starts waits) → settled, or unsettled if the answer did not come: then whoever wants to write settles it first, by
 * raising it once more; or down.
 */
import type { Batch } from "../actors/ports.ts";

export interface FenceKey {
  incarnation: string;
  gen: number;
}

/** The statements behind it. Each returns the new generation, `undefined` if the fence does not stand (so). */
export interface FenceRow {
  raise(incarnation: string): Promise<number | undefined>;
  /** Frees shards and raises the generation, if it is the one of the key. */
  release(key: FenceKey, shards: readonly number[]): Promise<number | undefined>;
}

export class Fence {
  readonly incarnation: string;
  readonly #row: FenceRow;
  #gen: number | undefined = 0;
  #raising: Promise<unknown> = Promise.resolve();
  /** By shard: the newest epoch of it that is known to be this node's, and the newest that it gave away. */
  readonly #held = new Map<number, number>();
  readonly #given = new Map<number, number>();

  constructor(incarnation: string, row: FenceRow) {
    this.incarnation = incarnation;
    this.#row = row;
  }

  /** Of now, or of after the raise that is under way. @returns `undefined` if this incarnation is down. @throws StoreAway */
  async key(): Promise<FenceKey | undefined> {
    await this.#raising;
    if (this.#gen === undefined) await this.#alone(async () => this.#gen !== undefined || this.#raise());
    return this.#gen === undefined ? undefined : { incarnation: this.incarnation, gen: this.#gen };
  }

  /** The generation is this since a claim raised it. */
  raised(gen: number): void {
    this.#gen = gen;
  }

  /**
   * Raises the generation: nothing that was begun before can land any more. After this a look for a flush is the last word on it.
   * @returns false if this incarnation is down. @throws StoreAway
   */
  raise(): Promise<boolean> {
    return this.#alone(() => this.#raise());
  }

  async #raise(): Promise<boolean> {
    this.#gen = undefined;
    this.#gen = await this.#row.raise(this.incarnation);
    return this.#gen !== undefined;
  }

  /** Gives shards away. @returns false if this incarnation is down. @throws StoreAway: whether they are given away is unknown. */
  release(shards: readonly number[]): Promise<boolean> {
    for (const shard of shards) {
      const epoch = this.#held.get(shard);
      if (epoch !== undefined) this.#given.set(shard, epoch);
    }
    return this.#alone(async () => {
      for (;;) {
        if (this.#gen === undefined && !(await this.#raise())) return false;
        const key = { incarnation: this.incarnation, gen: this.#gen! };
        this.#gen = undefined;
        this.#gen = await this.#row.release(key, shards);
        if (this.#gen !== undefined) return true;
        // It does not stand with this generation: a raise tells whether it stands at all.
      }
    });
  }

  /** The epochs of shards that the authority names as this node's. */
  holds(epochs: Iterable<readonly [shard: number, epoch: number]>): void {
    for (const [shard, epoch] of epochs) this.#held.set(shard, epoch);
  }

  /** Whether a batch has sections that were given away: an unknown release must not be followed by a flush of the same shards. */
  hasGivenAway(batch: Batch): boolean {
    return batch.sections.some(({ shard, epoch }) => epoch <= (this.#given.get(shard) ?? -1));
  }

  /** One raise at a time; those who want a key meanwhile wait for it, however it ends. */
  #alone<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#raising.then(work);
    this.#raising = result.catch(() => {});
    return result;
  }
}
