import { setImmediate as turn } from "node:timers/promises";
import type { Clock } from "../../src/clock.ts";

/** A clock that stands still until it is moved, and fires what came due on the way, in order. */
export class FakeClock implements Clock {
  #now: number;
  #elapsed = 0;
  #timers: { at: number; order: number; fire: () => void }[] = [];
  #order = 0;

  constructor(now = Date.UTC(2026, 0, 1)) {
    this.#now = now;
  }
  now(): number {
    return this.#now;
  }
  monotonic(): number {
    return this.#elapsed;
  }
  schedule(delay: number, fire: () => void): () => void {
    const timer = { at: this.#elapsed + Math.max(0, delay), order: this.#order++, fire };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }
  yield(run: () => void): void {
    this.schedule(0, run);
  }

  /** Moves on by `ms` and fires nothing: for what is ticked by hand. */
  pass(ms: number): void {
    this.#now += ms;
    this.#elapsed += ms;
  }

  /** Lets promises settle, however long their chains. Real I/O is not waited for. */
  async settle(): Promise<void> {
    await turn();
  }

  /** Moves on by `ms`, firing what comes due and letting promises settle after each. */
  async advance(ms: number): Promise<void> {
    const end = this.#elapsed + ms;
    await this.settle();
    for (;;) {
      const due = this.#timers
        .filter((timer) => timer.at <= end)
        .sort((a, b) => a.at - b.at || a.order - b.order)[0];
      if (due === undefined) break;
      this.#timers = this.#timers.filter((timer) => timer !== due);
      this.#move(Math.max(this.#elapsed, due.at));
      due.fire();
      await this.settle();
    }
    this.#move(end);
    await this.settle();
  }

  #move(to: number): void {
    this.#now += to - this.#elapsed;
    this.#elapsed = to;
  }

  /** Timers that are armed. */
  get pending(): number {
    return this.#timers.length;
  }
}
