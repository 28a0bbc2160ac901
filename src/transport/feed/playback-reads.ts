/** Which playbacks read history: a few at once, those with the best reason first, of them the one that did so longest ago. */
import {
  MAX_PLAYBACK_BYTES,
  MAX_PLAYBACK_LOADS,
  MAX_PLAYBACKS_BYTES,
  PLAYBACK_SHARE_BYTES,
} from "../../limits.ts";
import type { Playback } from "./playback.ts";
import type { ReadReason } from "./played-window.ts";

const URGENCY: Record<ReadReason, number> = { unread: 2, ends: 1, old: 0 };

export class PlaybackReads {
  /** The one that began to read longest ago first; one that never did since it was opened. */
  readonly #playbacks = new Set<Playback>();
  /** One that wants another read has its place until the one before has ended. */
  readonly #reading = new Set<Playback>();
  readonly #failed: (playback: Playback, error: unknown) => void;

  /** @param failed is told of errors that are not of the store */
  constructor(failed: (playback: Playback, error: unknown) => void) {
    this.#failed = failed;
  }

  add(playback: Playback): void {
    this.#playbacks.add(playback);
  }

  drop(playback: Playback): void {
    this.#playbacks.delete(playback);
  }

  /** Lets as many begin as may. */
  begin(): void {
    while (this.#reading.size < MAX_PLAYBACK_LOADS) {
      const next = this.#next();
      if (next === undefined) return;
      this.#playbacks.delete(next);
      this.#playbacks.add(next);
      void this.#read(next);
    }
  }

  #next(): Playback | undefined {
    let found: Playback | undefined;
    let urgency = -1;
    for (const playback of this.#playbacks) {
      if (this.#reading.has(playback) || playback.session.state === "closed") continue;
      const reason = playback.needsToRead;
      if (reason === undefined || URGENCY[reason] <= urgency) continue;
      found = playback;
      urgency = URGENCY[reason];
    }
    return found;
  }

  async #read(playback: Playback): Promise<void> {
    this.#reading.add(playback);
    try {
      await playback.read(this.#bytesFor(playback));
    } catch (error) {
      this.#failed(playback, error);
    }
    this.#reading.delete(playback);
  }

  /** What the others leave, but not less than a share. */
  #bytesFor(playback: Playback): number {
    let free = MAX_PLAYBACKS_BYTES;
    for (const other of this.#playbacks) if (other !== playback) free -= other.bytes;
    return Math.max(PLAYBACK_SHARE_BYTES, Math.min(MAX_PLAYBACK_BYTES, free));
  }
}
