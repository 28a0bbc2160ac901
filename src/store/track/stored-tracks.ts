/** The rows of tracks, for those who ask what was. */
import type { ThenQuery, TrackQuery, TrackStore } from "../../tracks/ports.ts";
import type { Segment } from "../../tracks/segment.ts";
import { type StoreContext, withClient } from "../session.ts";
import { segmentsAt } from "./segments-at.ts";
import { segmentsOf } from "./segments-of.ts";

export class StoredTracks implements TrackStore {
  readonly #context: StoreContext;

  constructor(context: StoreContext) {
    this.#context = context;
  }

  at(query: ThenQuery): Promise<Segment[]> {
    return withClient(this.#context, (client) => segmentsAt(client, query));
  }

  of(query: TrackQuery & { after: number; limit: number }): Promise<Segment[]> {
    return withClient(this.#context, (client) => segmentsOf(client, query));
  }
}
