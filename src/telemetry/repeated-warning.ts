import type { Clock } from "../clock.ts";
import { WARNING_REPEAT_MS } from "../limits.ts";

/** More are one: reasons that name something that is new each time would be told each time. */
const MAX_REASONS = 8;

/** A warning about what fails again and again for as long as something is away: each reason is told at once, and then again each minute. */
export class RepeatedWarning {
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #warn: (reason: string) => void;
  /** When each was told last. */
  readonly #told = new Map<string, number>();

  constructor(clock: Pick<Clock, "monotonic">, warn: (reason: string) => void) {
    this.#clock = clock;
    this.#warn = warn;
  }

  /** It has failed. */
  tell(reason: string): void {
    const now = this.#clock.monotonic();
    const key = this.#told.has(reason) || this.#told.size < MAX_REASONS ? reason : "";
    if (now - (this.#told.get(key) ?? -Infinity) < WARNING_REPEAT_MS) return;
    this.#told.set(key, now);
    this.#warn(reason);
  }

  /** It works again: the next failure is a new one. */
  over(): void {
    this.#told.clear();
  }
}
