/** The rows of tracks, for those who ask what was. A few at a time: each takes one of the connections that flushes need too. */

import type { PoolClient } from "pg";
import { StoreAway } from "../../actors/ports.ts";
import { MAX_TRACK_READS, MAX_WAITING_TRACK_READS } from "../../limits.ts";
import type { StretchQuery, ThenQuery, TrackQuery, TrackStore } from "../../tracks/ports.ts";
import type { Segment } from "../../tracks/segment.ts";
import type { Stretch } from "../../tracks/stretch.ts";
import { type StoreContext, withClient } from "../session.ts";
import { segmentsAt } from "./segments-at.ts";
import { segmentsDuring } from "./segments-during.ts";
import { segmentsOf } from "./segments-of.ts";
import { trackFloor } from "./track-floor.ts";

export class StoredTracks implements TrackStore {
  readonly #context: StoreContext;
  #reading = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(context: StoreContext) {
    this.#context = context;
  }

  at(query: ThenQuery): Promise<Segment[]> {
    return this.#read((client) => segmentsAt(client, query));
  }

  of(query: TrackQuery & { after: number; limit: number }): Promise<Segment[]> {
    return this.#read((client) => segmentsOf(client, query));
  }

  during(query: StretchQuery & { after?: Pick<Stretch, "id" | "first">; limit: number }): Promise<Segment[]> {
    return this.#read((client) => segmentsDuring(client, query));
  }

  floor(): Promise<number> {
    return this.#read(trackFloor);
  }

  async #read<T>(work: (client: PoolClient) => Promise<T>): Promise<T> {
    if (this.#waiting.length >= MAX_WAITING_TRACK_READS) throw new StoreAway("too many ask what was");
    if (this.#reading >= MAX_TRACK_READS) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#reading += 1;
    try {
      return await withClient(this.#context, work);
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#reading -= 1;
      else next();
    }
  }
}
