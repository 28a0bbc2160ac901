/** Turns the journal's ring behind the flushes, one part at a time. What becomes of it changes nothing of a flush: that is durable, and acknowledged. */
import type { Clock } from "../clock.ts";
import { RepeatedWarning } from "../telemetry/repeated-warning.ts";
import type { Fence } from "./fence.ts";
import type { Ring } from "./ring.ts";
import type { StoreLog } from "./store.ts";

export class RingTurner {
  readonly #ring: Ring;
  readonly #fence: Fence;
  readonly #log: StoreLog;
  readonly #grows: RepeatedWarning;
  #underWay: Promise<void> | undefined;

  constructor(ring: Ring, fence: Fence, log: StoreLog, clock: Clock) {
    this.#ring = ring;
    this.#fence = fence;
    this.#log = log;
    this.#grows = new RepeatedWarning(clock, (why) => log.warn({}, `the journal grows: ${why}`));
  }

  /** A flush was appended, and none is in flight. */
  appended(): void {
    this.#ring.advance();
    this.#underWay ??= this.#prepare().finally(() => {
      this.#underWay = undefined;
    });
  }

  /** Resolves when nothing is under way any more. */
  async settled(): Promise<void> {
    await this.#underWay;
  }

  async #prepare(): Promise<void> {
    try {
      const turn = await this.#ring.prepare(this.#fence);
      if (turn === "behind") this.#grows.tell("checkpoints are behind");
      if (turn === "locked") this.#grows.tell("someone holds a lock on its next part");
    } catch (error) {
      this.#log.warn({ err: error }, "the journal's next part could not be emptied");
    }
  }
}
