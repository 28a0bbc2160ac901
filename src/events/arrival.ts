import type { Clock } from "../clock.ts";

/**
 * Something that comes once, and is waited for again and again meanwhile. To race the same promise each time would leave something behind with it
 * each time.
 */
export class Arrival<T> {
  readonly #clock: Clock;
  #asked = false;
  #came: { value: T } | { error: unknown } | undefined;
  #wake = () => {};

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Asks, if nothing is asked for yet, and waits. @returns what came, once; `undefined` after `ms` or a `poke`, and then it is still on its way.
   * Rejects as what was asked for.
   */
  async take(ask: () => Promise<T>, ms: number): Promise<{ value: T } | undefined> {
    if (!this.#asked) {
      this.#asked = true;
      ask().then(
        (value) => this.#arrive({ value }),
        (error: unknown) => this.#arrive({ error }),
      );
    }
    if (this.#came === undefined) await this.pause(ms);
    const came = this.#came;
    if (came === undefined) return undefined;
    this.#asked = false;
    this.#came = undefined;
    if ("error" in came) throw came.error;
    return came;
  }

  /** Waits for `ms`, a `poke` or what is on its way. */
  pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#clock.schedule(ms, resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
  }

  /** Ends a wait. */
  poke(): void {
    this.#wake();
  }

  #arrive(came: { value: T } | { error: unknown }): void {
    this.#came = came;
    this.#wake();
  }
}
