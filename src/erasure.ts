/** What of a deleted entity is neither fact nor checkpoint, put together: rows of the store, and what nodes have in memory of its events. */
import { type Alone, NO_TRACES, type Traces } from "./actors/ports.ts";

interface Owned {
  shard: number;
  epoch: number;
}

/** What the store does about it. Each as in `Traces`. */
export interface ErasureStore {
  unlist(owned: Owned, ids: readonly string[]): Promise<boolean>;
  erase(owned: Owned, id: string, rows: "past" | "letters"): Promise<boolean>;
  bar(): Promise<boolean>;
  empty(upTo: number, alone: Alone): Promise<number>;
}

/** @param forget drops the events of an entity from the memory of all nodes; false if some did not answer. */
export function tracesOf(store: ErasureStore | undefined, forget: (id: string) => Promise<boolean>): Traces {
  if (store === undefined) return NO_TRACES;
  return {
    unlist: (shard, epoch, ids) => store.unlist({ shard, epoch }, ids),
    async erase(shard, epoch, id) {
      const owned = { shard, epoch };
      const forgetLetters = async () => (await store.erase(owned, id, "letters")) && forget(id);
      return (
        (await store.unlist(owned, [id])) &&
        (await store.erase(owned, id, "past")) &&
        // Who was saving a letter when it was to be forgotten may have read it again since.
        (await forgetLetters()) &&
        (await forgetLetters()) &&
        store.erase(owned, id, "letters")
      );
    },
    bar: () => store.bar(),
    empty: (upTo, alone) => store.empty(upTo, alone),
  };
}
