/**
 * Which slots changed and were not looked at yet, first in, first out, each once. Independent of the feed's own list: what does not fit
 * into one round of mirrors waits here, and what changes again meanwhile is looked at once, as it is then.
 */
import { widenU8 } from "../picture/columns.ts";
import type { FULL, MOTION, Picture, Watcher } from "../picture/picture.ts";

export class MirrorQueue implements Watcher {
  /** All that were ever put in, and taken out: a moment in the order of changes. */
  put = 0;
  taken = 0;
  /** What `take` found: MOTION or FULL bits. */
  what = 0;
  readonly #picture: Picture;
  /** A ring with room for every slot of the picture, a power of two. */
  #ring = new Uint32Array(0);
  #what = new Uint8Array(0);

  constructor(picture: Picture) {
    this.#picture = picture;
  }

  get size(): number {
    return this.put - this.taken;
  }

  touched(slot: number, what: typeof MOTION | typeof FULL): void {
    if (slot >= this.#what.length) this.#grow();
    if (this.#what[slot] === 0) {
      this.#ring[this.put & (this.#ring.length - 1)] = slot;
      this.put++;
    }
    this.#what[slot] |= what;
  }

  isDirty(slot: number): boolean {
    return slot < this.#what.length && this.#what[slot] !== 0;
  }

  /** The slot that waits longest; there must be one. `what` says what changed of it. */
  take(): number {
    const slot = this.#ring[this.taken & (this.#ring.length - 1)];
    this.taken++;
    this.what = this.#what[slot];
    this.#what[slot] = 0;
    return slot;
  }

  #grow(): void {
    const capacity = 2 ** Math.ceil(Math.log2(this.#picture.columns.capacity));
    const ring = new Uint32Array(capacity);
    for (let at = this.taken; at < this.put; at++)
      ring[at & (capacity - 1)] = this.#ring[at & (this.#ring.length - 1)];
    this.#ring = ring;
    this.#what = widenU8(this.#what, capacity);
  }
}
