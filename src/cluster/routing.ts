/**
 * Where each shard is open, as far as this node knows. That one has it open only its owner says, in announcements; the authority says
 * only that it was claimed or is free. All this may be wrong at any moment, since owners refuse what is not theirs. A newer epoch always wins; an older
 * one is never believed again.
 */
import { SHARDS } from "../limits.ts";

export type Place =
  /** Owned by this node, loaded and open. */
  | { readonly is: "here"; readonly epoch: number }
  | { readonly is: "there"; readonly node: string; readonly epoch: number }
  /** Nobody is known to have it open: what is for it waits. `epoch` is the newest known. */
  | { readonly is: "nowhere"; readonly epoch: number };

/** Told of shards whose place has changed, after it has. */
export type RouteListener = (shards: readonly number[]) => void;

export class Routing {
  readonly #places: Place[] = Array.from({ length: SHARDS }, () => ({ is: "nowhere", epoch: 0 }));
  readonly #listeners: RouteListener[] = [];
  /** By shard: the newest epoch that was given up. Nobody has it open under this one or an older one again. */
  readonly #left = new Uint32Array(SHARDS);

  place(shard: number): Place {
    return this.#places[shard];
  }

  /** The other node that is said to have it open. */
  nodeOf(shard: number): string | undefined {
    const place = this.#places[shard];
    return place.is === "there" ? place.node : undefined;
  }

  onChange(listener: RouteListener): void {
    this.#listeners.push(listener);
  }

  /** This node has opened shards under these epochs. */
  opened(epochs: ReadonlyMap<number, number>): void {
    this.#change(epochs.keys(), (shard) => ({ is: "here", epoch: epochs.get(shard)! }));
  }

  /** Another node says that it has shards open under these epochs. */
  elsewhere(node: string, epochs: ReadonlyMap<number, number>): void {
    this.#change(epochs.keys(), (shard, known) => {
      const epoch = epochs.get(shard)!;
      // A node that has released a shard may still be heard announcing it.
      const news =
        epoch > known.epoch || (epoch === known.epoch && known.is === "nowhere" && epoch > this.#left[shard]);
      return news ? { is: "there", node, epoch } : known;
    });
  }

  /** Nobody has these shards open from now on, until a newer epoch is heard of: released, lost, or being handed over. */
  vacant(epochs: ReadonlyMap<number, number>): void {
    this.#change(epochs.keys(), (shard, known) => {
      const epoch = epochs.get(shard)!;
      if (epoch < known.epoch) return known;
      this.#left[shard] = epoch;
      return { is: "nowhere", epoch };
    });
  }

  /** Somebody has claimed these shards under these epochs, and has not said yet that they are open. */
  claimed(epochs: ReadonlyMap<number, number>): void {
    this.#change(epochs.keys(), (shard, known) => {
      const epoch = epochs.get(shard)!;
      return epoch > known.epoch ? { is: "nowhere", epoch } : known;
    });
  }

  #change(shards: Iterable<number>, next: (shard: number, known: Place) => Place): void {
    const changed: number[] = [];
    for (const shard of shards) {
      const known = this.#places[shard];
      const place = next(shard, known);
      if (same(known, place)) continue;
      this.#places[shard] = place;
      changed.push(shard);
    }
    if (changed.length > 0) for (const listener of this.#listeners) listener(changed);
  }
}

function same(a: Place, b: Place): boolean {
  return a.is === b.is && a.epoch === b.epoch && (a.is !== "there" || b.is !== "there" || a.node === b.node);
}
