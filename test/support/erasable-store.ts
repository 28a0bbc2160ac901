import type { Traces } from "../../src/actors/ports.ts";
import { MemoryStore } from "./memory-store.ts";

/** A store in memory of which entities can be erased, and what was. */
export class ErasableStore extends MemoryStore {
  /** In order: ids, and `row of` ids. */
  readonly erased: string[] = [];
  /** Most of these that were under way together. */
  mostAtOnce = 0;
  /** Called before an entity is erased. */
  onErase: (id: string) => void = () => {};
  /** Whether a step is done, or is to be tried again. */
  answers: () => boolean = () => true;
  open: () => void = () => {};
  #gate: Promise<void> | undefined;
  #atOnce = 0;

  /** What is taken away waits from now on, until the function is called. */
  shut(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#gate = promise;
    this.open = () => {
      this.#gate = undefined;
      resolve();
    };
    return this.open;
  }

  readonly traces: Traces = {
    unlist: (_shard, _epoch, ids) =>
      this.#take(
        ids.map((id) => `row of ${id}`),
        this.incarnation,
      ),
    bar: async () => true,
    erase: (_shard, _epoch, id) => {
      this.onErase(id);
      return this.#take([id], this.incarnation);
    },
    empty: (upTo) => this.empty(upTo),
  };

  async #take(what: readonly string[], incarnation: number): Promise<boolean> {
    this.mostAtOnce = Math.max(this.mostAtOnce, ++this.#atOnce);
    await this.#gate;
    this.#atOnce -= 1;
    if (incarnation !== this.incarnation || !this.answers()) return false;
    this.erased.push(...what);
    for (const one of what) if (!one.startsWith("row of ")) this.dropEvents(one);
    return true;
  }
}

/** Text of all that the store holds, as far as it is text. */
export function storedText(store: MemoryStore): string {
  const bytes = [
    ...store.batches.flatMap(({ batch }) => batch.sections.map(({ body }) => body)),
    ...[...store.checkpoints.values()].map(({ body }) => body),
    ...[...store.pieces.values()].flatMap((pieces) => [...pieces.values()].map(({ body }) => body)),
  ];
  return Buffer.concat(bytes).toString("latin1") + JSON.stringify(store.events);
}
