/**
 * How much of the node's time filters take. What one costs depends on what it is asked of, and anyone may ask: so each is measured, and where all together
 * take too much, the one that took most is stopped. The others, and whoever reports, do not wait for it.
 */
import type { Clock } from "../clock.ts";
import { BASE_TICK_MS, MAX_FILTER_MS } from "../limits.ts";

/** Of one that takes less than this the next ones are not measured: to look at the clock takes as long as to ask it. */
const CHEAP_MS = 0.02;
const UNMEASURED = 7;
/** More than one evaluation takes: the process stood still. */
const LONGEST_MS = 5;

/** What is permitted is not counted for so long from when a view was opened or roles changed: views are being filled then, which has a bound of its own. */
const PERMITTED_FREE_MS = 10_000;

/** Who says what a filter lets through: a client, or the roles that it has. */
export type FilterOrigin = "asked" | "permitted";
const WHY_COSTLY: Readonly<Record<FilterOrigin, string>> = {
  asked: "the filter takes too much time: ask for less in it, or of fewer entities",
  permitted:
    "to find out what the roles of who asks allow takes too much time: their grants must ask for less, or the view show less",
};

/** The filter takes too much of the node's time, and is not asked any more. */
export class FilterCostly extends Error {
  override readonly name = "FilterCostly";
  constructor(origin: FilterOrigin = "asked") {
    super(WHY_COSTLY[origin]);
  }
}

type MonotonicClock = Pick<Clock, "monotonic">;

export class FilterTime {
  readonly #clock: MonotonicClock;
  /** Since when is counted, and what took how long since, all of it and by filter; ms. */
  #since = -Infinity;
  #total = 0;
  readonly #taken = new Map<MeasuredFilter, number>();

  constructor(clock: MonotonicClock) {
    this.#clock = clock;
  }

  /** The same, measured. It throws FilterCostly once it is stopped. @param evaluate whether a filter lets through what is looked at */
  measured(evaluate: () => boolean, origin: FilterOrigin = "asked"): () => boolean {
    const freeUntil = origin === "asked" ? -Infinity : this.#clock.monotonic() + PERMITTED_FREE_MS;
    const took = (ms: number, now: number) => {
      if (now >= freeUntil) this.#add(filter, ms, now);
    };
    const filter = new MeasuredFilter(evaluate, origin, this.#clock, took);
    return () => filter.test();
  }

  #add(filter: MeasuredFilter, ms: number, now: number): void {
    if (now - this.#since >= BASE_TICK_MS) {
      this.#since = now;
      this.#total = 0;
      this.#taken.clear();
    }
    this.#total += ms;
    this.#taken.set(filter, (this.#taken.get(filter) ?? 0) + ms);
    if (this.#total <= MAX_FILTER_MS) return;
    const [costliest, most] = [...this.#taken].reduce((a, b) => (b[1] > a[1] ? b : a));
    costliest.stop();
    this.#total -= most;
    this.#taken.delete(costliest);
  }
}

class MeasuredFilter {
  readonly #evaluate: () => boolean;
  readonly #origin: FilterOrigin;
  readonly #clock: MonotonicClock;
  readonly #took: (ms: number, now: number) => void;
  #unmeasured = 0;
  #isStopped = false;

  constructor(
    evaluate: () => boolean,
    origin: FilterOrigin,
    clock: MonotonicClock,
    took: (ms: number, now: number) => void,
  ) {
    this.#evaluate = evaluate;
    this.#origin = origin;
    this.#clock = clock;
    this.#took = took;
  }

  stop(): void {
    this.#isStopped = true;
  }

  test(): boolean {
    if (this.#isStopped) throw new FilterCostly(this.#origin);
    if (this.#unmeasured > 0) {
      this.#unmeasured--;
      return this.#evaluate();
    }
    const began = this.#clock.monotonic();
    const passes = this.#evaluate();
    const ended = this.#clock.monotonic();
    const ms = Math.min(ended - began, LONGEST_MS);
    const isCheap = ms < CHEAP_MS;
    if (isCheap) this.#unmeasured = UNMEASURED;
    this.#took(isCheap ? ms * (1 + UNMEASURED) : ms, ended);
    return passes;
  }
}
