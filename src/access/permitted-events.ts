/** Events that a principal may read, as its roles are when each is told. */
import { type EventTest, eventTest } from "../events/filter.ts";
import type { LoggedEvent } from "../events/ports.ts";
import type { FilterTime } from "../picture/filter-time.ts";
import type { Permitted } from "./ports.ts";

export class PermittedEvents {
  readonly #permitted: () => Permitted;
  readonly #time: FilterTime;
  /** What the tests are of. */
  #known: readonly string[] = [];
  #tests: EventTest[] = [];

  /** @param permitted looked at for each event. @param time measures what grants say */
  constructor(permitted: () => Permitted, time: FilterTime) {
    this.#permitted = permitted;
    this.#time = time;
  }

  /** Whether no event at all may be read (any more). */
  get isNone(): boolean {
    return this.#permitted().length === 0;
  }

  /** @throws FilterCostly */
  passes(event: LoggedEvent): boolean {
    const permitted = this.#permitted();
    if (permitted === "all") return true;
    if (permitted !== this.#known) {
      this.#known = permitted;
      this.#tests = permitted.map((where) => eventTest({ where }, { isStored: true, time: this.#time }));
    }
    return this.#tests.some((test) => test(event));
  }
}
