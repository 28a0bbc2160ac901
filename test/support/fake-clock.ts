import { setImmediate as turn } from "node:timers/promises";
import type { Clock } from "../../src/clock.ts";
import { Timers } from "./timers.ts";

/** A clock that stands still until it is moved, and fires what came due on the way, in order. */
export class FakeClock implements Clock {
  #now: number;
  #elapsed = 0;
  readonly #timers = new Timers();

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
    return this.#timers.add(this.#elapsed + Math.max(0, delay), fire);
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
    for (let due = this.#timers.take(end); due !== undefined; due = this.#timers.take(end)) {
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
    return this.#timers.armed;
  }
}
