import { type FilterOrigin, FilterTime } from "../../src/picture/filter-time.ts";
import { FakeClock } from "./fake-clock.ts";

/** Measures as if each question to a filter took a millisecond. */
export class SlowFilters extends FilterTime {
  readonly #clock: FakeClock;

  constructor(clock = new FakeClock()) {
    super(clock);
    this.#clock = clock;
  }

  override measured(evaluate: () => boolean, origin?: FilterOrigin): () => boolean {
    return super.measured(() => {
      this.#clock.pass(1);
      return evaluate();
    }, origin);
  }
}
