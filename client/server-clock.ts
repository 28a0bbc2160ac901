import type { ClientClock } from "./clock.ts";

/** How fast the two clocks may drift apart: quartz crystals are within 100 ppm, and most clocks that NTP steers far nearer. 0.36 s in an hour. */
const DRIFT = 100e-6;
/**
 * An observation counts for one to two of these. A line that became slow and a server whose clock was set back look the same from here: for so long it
 * is taken for the line, as an old picture that is called fresh is worse than a fresh one that is called old.
 */
const WINDOW_MS = 1_800_000;

/**
 * The server's clock as seen from here. A message says when it was made, and arrives later by an unknown delay; the one with the smallest delay is
 * nearest to the truth. It stays good but for the drift of the two clocks, so what it told fades by that: what is told is late by the smallest delay
 * and the drift since, and never early. Where the server seems ahead of that, by a quicker message, a clock that was set or a device that slept, it is
 * believed at once.
 */
export class ServerClock {
  readonly #clock: ClientClock;
  /** Server time − local time as slow as it may be, the greatest of this window and of the one before. */
  #offset = Number.NEGATIVE_INFINITY;
  #offsetBefore = Number.NEGATIVE_INFINITY;
  /** By the slow local time. */
  #windowEnd = Number.NEGATIVE_INFINITY;
  /** When the connection was begun of which nothing is heard yet, by the slow local time. */
  #begunAt: number | undefined;

  constructor(clock: ClientClock) {
    this.#clock = clock;
  }

  /** A new connection is begun, maybe to another server. What was known counts until its first message, and longer if that does not contradict. */
  restart(): void {
    this.#begunAt = this.#slow();
  }

  /** A message that was made at `t`, Unix ms, has just arrived. */
  observe(t: number): void {
    const now = this.#slow();
    // It was made after its connection was begun: a server that was ahead of `t` then has another clock than this one.
    if (this.#begunAt !== undefined && this.#best > t - this.#begunAt) this.#forget();
    this.#begunAt = undefined;
    if (now >= this.#windowEnd) {
      const recent = now < this.#windowEnd + WINDOW_MS;
      this.#offsetBefore = recent ? this.#offset : Number.NEGATIVE_INFINITY;
      this.#offset = Number.NEGATIVE_INFINITY;
      this.#windowEnd = now + WINDOW_MS;
    }
    this.#offset = Math.max(this.#offset, t - now);
  }

  /** Unix ms; what the device takes it for before the server's first message. */
  now(): number {
    const offset = this.#best;
    return offset === Number.NEGATIVE_INFINITY ? this.#clock.unix() : this.#slow() + offset;
  }

  get #best(): number {
    return Math.max(this.#offset, this.#offsetBefore);
  }

  /** Local time, ms, as if this device's clock were too slow by the drift. */
  #slow(): number {
    return this.#clock.now() * (1 - DRIFT);
  }

  #forget(): void {
    this.#offset = Number.NEGATIVE_INFINITY;
    this.#offsetBefore = Number.NEGATIVE_INFINITY;
    this.#windowEnd = Number.NEGATIVE_INFINITY;
  }
}
