/** What is stored of deleted entities, and goes. Each step answers false if the shard is not this node's under that epoch any more. @throws StoreAway */
import type { SectionChange } from "../actors/ports.ts";
import { eraseRows, ROWS } from "./erase-entity.ts";
import type { Fence } from "./fence.ts";
import type { Owned } from "./own-shard.ts";
import { rewriteJournal } from "./rewrite-journal.ts";
import type { StoreContext } from "./session.ts";
import type { SnapshotWriter } from "./snapshot.ts";
import type { TrackWriter } from "./track/track-writer.ts";

export class StoredErasure {
  readonly #context: StoreContext;
  readonly #fence: Fence;
  readonly #snapshot: SnapshotWriter;
  readonly #tracks: TrackWriter;

  constructor(context: StoreContext, fence: Fence, snapshot: SnapshotWriter, tracks: TrackWriter) {
    this.#context = context;
    this.#fence = fence;
    this.#snapshot = snapshot;
    this.#tracks = tracks;
  }

  /** The row of its last known state, of which no older one may be made any more. */
  unlist(owned: Owned, id: string): Promise<boolean> {
    return this.#snapshot.remove(owned, id);
  }

  /** Rows of its past, or its letters, which go after all who have some in memory have forgotten them. */
  async erase(owned: Owned, id: string, rows: "past" | "letters"): Promise<boolean> {
    // What is being written was taken before the entity was deleted.
    await this.#tracks.settled();
    const key = await this.#fence.key();
    return key !== undefined && eraseRows(this.#context, key, owned, id, ROWS[rows]);
  }

  async rewriteJournal(owned: Owned, change: SectionChange): Promise<boolean> {
    const key = await this.#fence.key();
    return key !== undefined && rewriteJournal(this.#context, key, owned, change);
  }
}
