/** What is stored of deleted entities, and goes. What is done for a shard answers false if that is not this node's under that epoch any more. @throws StoreAway */
import type { Alone } from "../actors/ports.ts";
import { eraseRows, ROWS } from "./erase-entity.ts";
import type { Fence } from "./fence.ts";
import type { Owned } from "./own-shard.ts";
import type { Ring } from "./ring.ts";
import type { StoreContext } from "./session.ts";
import type { SnapshotWriter } from "./snapshot.ts";
import type { TrackWriter } from "./track/track-writer.ts";

export class StoredErasure {
  readonly #context: StoreContext;
  readonly #fence: Fence;
  readonly #snapshot: SnapshotWriter;
  readonly #tracks: TrackWriter;
  readonly #ring: Ring;

  constructor(
    context: StoreContext,
    fence: Fence,
    snapshot: SnapshotWriter,
    tracks: TrackWriter,
    ring: Ring,
  ) {
    this.#context = context;
    this.#fence = fence;
    this.#snapshot = snapshot;
    this.#tracks = tracks;
    this.#ring = ring;
  }

  /** The rows of the last known state of some, of which no older ones may be made any more. */
  unlist(owned: Owned, ids: readonly string[]): Promise<boolean> {
    return this.#snapshot.remove(owned, ids);
  }

  /** Rows of its past, or its letters, which go after all who have some in memory have forgotten them. */
  async erase(owned: Owned, id: string, rows: "past" | "letters"): Promise<boolean> {
    // What is being written was taken before the entity was deleted.
    await this.#tracks.settled();
    const key = await this.#fence.key();
    return key !== undefined && eraseRows(this.#context, key, owned, id, ROWS[rows]);
  }

  /** What this node began to write before does not land any more, flushes too: none may be in flight. */
  bar(): Promise<boolean> {
    return this.#fence.raise();
  }

  /** Empties the journal of rows up to `upTo`, as far as no shard needs them. @returns the oldest row left. */
  empty(upTo: number, alone: Alone): Promise<number> {
    return this.#ring.empty(upTo, this.#fence, alone);
  }
}
