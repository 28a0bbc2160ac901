import type { ClientClock } from "./clock.ts";

/** An observation counts for one to two of these: long enough to see a quick message, short enough to follow a clock that drifts. */
const WINDOW_MS = 60_000;

/**
 * The server's clock as seen from here. A message says when it was made, and arrives later by an unknown delay; of all
 * that were heard lately the one with the smallest delay is nearest to the truth. So what is told is late by that
 * smallest delay, and never early.
 */
export class ServerClock {
  readonly #clock: ClientClock;
  /** Server time − local time, the greatest of this window and of the one before. */
  #offset = Number.NEGATIVE_INFINITY;
  #offsetBefore = Number.NEGATIVE_INFINITY;
  #windowEnd = Number.NEGATIVE_INFINITY;
  /** The next message may be of another server, with a clock of its own. */
  #restarted = false;

  constructor(clock: ClientClock) {
    this.#clock = clock;
  }

  /** A new connection. What was known counts until its first message. */
  restart(): void {
    this.#restarted = true;
  }

  /** A message that was made at `t`, Unix ms, has just arrived. */
  observe(t: number): void {
    const now = this.#clock.now();
    if (this.#restarted || now >= this.#windowEnd) {
      const recent = !this.#restarted && now < this.#windowEnd + WINDOW_MS;
      this.#offsetBefore = recent ? this.#offset : Number.NEGATIVE_INFINITY;
      this.#offset = Number.NEGATIVE_INFINITY;
      this.#windowEnd = now + WINDOW_MS;
      this.#restarted = false;
    }
    this.#offset = Math.max(this.#offset, t - now);
  }

  /** Unix ms; what the device takes it for before the server's first message. */
  now(): number {
    const offset = Math.max(this.#offset, this.#offsetBefore);
    return offset === Number.NEGATIVE_INFINITY ? this.#clock.unix() : this.#clock.now() + offset;
  }
}
