/** Sends what waited, shard by shard in slices of the loop, as far as there is room. */
import type { Clock } from "../clock.ts";
import { MAX_RELEASED_REPORTS, SLICE_MS } from "../limits.ts";
import { Consignment } from "./consignment.ts";
import type { ShardLanes } from "./shard-lanes.ts";

export class Release {
  readonly #lanes: ShardLanes;
  readonly #clock: Clock;
  readonly #send: (place: number, cargo: Consignment) => number;
  readonly #ready = new Set<number>();
  #soon = false;

  /** @param send returns how many were sent, from the first on. */
  constructor(lanes: ShardLanes, clock: Clock, send: (place: number, cargo: Consignment) => number) {
    this.#lanes = lanes;
    this.#clock = clock;
    this.#send = send;
  }

  /** This shard is open, and some of its reports wait. */
  add(shard: number): void {
    this.#ready.add(shard);
    this.soon();
  }

  /** Not at once: who tells of a change, or of room, is in the middle of something. */
  soon(): void {
    if (this.#soon || this.#ready.size === 0) return;
    this.#soon = true;
    this.#clock.yield(() => {
      this.#soon = false;
      this.#slice();
    });
  }

  #slice(): void {
    const end = this.#clock.monotonic() + SLICE_MS;
    for (const shard of this.#ready) {
      if (this.#clock.monotonic() >= end) break;
      if (this.#lanes.isBlocked(shard) || this.#sendShard(shard, end)) this.#ready.delete(shard);
    }
    // Otherwise what is left finds no room, and `soon` is called when there is some.
    if (this.#clock.monotonic() >= end) this.soon();
  }

  /** @returns whether nothing of it waits any more; else there is no room on the link, or the slice is over. */
  #sendShard(shard: number, end: number): boolean {
    const lanes = this.#lanes;
    const items = lanes.take(shard);
    let next = 0;
    while (next < items.length) {
      const some = items.slice(next, next + MAX_RELEASED_REPORTS);
      const taken = this.#send(lanes.at[shard], Consignment.waited(some));
      next += taken;
      if (taken < some.length || this.#clock.monotonic() >= end) break;
    }
    lanes.putBack(shard, items.slice(next));
    lanes.released(shard);
    return next === items.length;
  }
}
