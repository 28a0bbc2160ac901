import type { ClientClock } from "./clock.ts";

/** Between two looks, at most: the patience may have become less. */
const LOOK_MS = 5_000;

/** Tells when nothing was heard for too long. */
export class Silence {
  readonly #clock: ClientClock;
  readonly #patience: () => number;
  readonly #isOver: (ms: number) => void;
  #heardAt = 0;
  #cancel: (() => void) | undefined;

  /**
   * @param patience ms that are not too long, as things are
   * @param isOver is called once, with them
   */
  constructor(clock: ClientClock, patience: () => number, isOver: (ms: number) => void) {
    this.#clock = clock;
    this.#patience = patience;
    this.#isOver = isOver;
  }

  heard(): void {
    this.#heardAt = this.#clock.now();
  }

  start(): void {
    this.stop();
    this.heard();
    this.#look();
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  /** One timer, not moved at each message. */
  #look(): void {
    const patience = this.#patience();
    const rest = this.#heardAt + patience - this.#clock.now();
    if (rest > 0) this.#cancel = this.#clock.schedule(Math.min(rest, LOOK_MS), () => this.#look());
    else this.#isOver(patience);
  }
}
