/** Virtual time: one clock for the whole world, and one for each process, which can stand still or end. */
import type { Clock } from "../../src/clock.ts";

/** More events in one moment are a loop that never ends. */
const MAX_AT_ONCE = 100_000;

interface Timer {
  at: number;
  order: number;
  fire: () => void;
}

/**
 * Events happen in the order of their times, and those of one moment in the order in which they were asked for. After each all promises
 * settle before the next, since nothing here waits for real input.
 */
export class WorldClock implements Clock {
  readonly #begin = Date.UTC(2026, 0, 1);
  #elapsed = 0;
  #order = 0;
  /** Events of this moment. */
  #atOnce = 0;
  /** A heap by time and order. */
  readonly #timers: Timer[] = [];
  events = 0;

  now(): number {
    return this.#begin + this.#elapsed;
  }

  monotonic(): number {
    return this.#elapsed;
  }

  schedule(delay: number, fire: () => void): () => void {
    const timer = { at: this.#elapsed + Math.max(0, delay), order: this.#order++, fire };
    this.#push(timer);
    return () => {
      timer.fire = nothing;
    };
  }

  yield(run: () => void): void {
    this.schedule(0, run);
  }

  /** Resolves after so long. */
  pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.schedule(ms, resolve));
  }

  /** Lets `ms` pass. Rejects with what an event throws, and with what `failure` returns after one. */
  pass(ms: number, failure: () => unknown): Promise<void> {
    const end = this.#elapsed + ms;
    return new Promise((resolve, reject) => {
      const next = () => {
        const failed = failure();
        if (failed !== undefined) {
          reject(failed);
          return;
        }
        let timer = this.#pop(end);
        while (timer?.fire === nothing) timer = this.#pop(end);
        if (timer === undefined) {
          this.#elapsed = end;
          resolve();
          return;
        }
        this.#atOnce = timer.at === this.#elapsed ? this.#atOnce + 1 : 0;
        if (this.#atOnce > MAX_AT_ONCE) {
          reject(new Error(`time stands still at ${this.#elapsed}: ${timer.fire}`));
          return;
        }
        this.#elapsed = timer.at;
        this.events += 1;
        try {
          timer.fire();
        } catch (error) {
          reject(error);
          return;
        }
        setImmediate(next);
      };
      setImmediate(next);
    });
  }

  #push(timer: Timer): void {
    const heap = this.#timers;
    let at = heap.length;
    heap.push(timer);
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (!isBefore(timer, heap[above])) break;
      heap[at] = heap[above];
      at = above;
    }
    heap[at] = timer;
  }

  #pop(end: number): Timer | undefined {
    const heap = this.#timers;
    const first = heap[0];
    if (first === undefined || first.at > end) return undefined;
    const last = heap.pop()!;
    if (heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= heap.length) break;
      if (below + 1 < heap.length && isBefore(heap[below + 1], heap[below])) below += 1;
      if (!isBefore(heap[below], last)) break;
      heap[at] = heap[below];
      at = below;
    }
    heap[at] = last;
    return first;
  }
}

function nothing(): void {}

function isBefore(a: Timer, b: Timer): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/** The clock of one process: running ⇄ paused (time goes on, nothing happens until it runs again) → ended (nothing happens any more). */
export class ProcessClock implements Clock {
  readonly #world: WorldClock;
  #state: "running" | "paused" | "ended" = "running";
  /** Came due while paused. */
  #held: (() => void)[] = [];
  #awake: (() => void)[] = [];

  constructor(world: WorldClock) {
    this.#world = world;
  }

  get state(): "running" | "paused" | "ended" {
    return this.#state;
  }

  now(): number {
    return this.#world.now();
  }

  monotonic(): number {
    return this.#world.monotonic();
  }

  schedule(delay: number, fire: () => void): () => void {
    let cancelled = false;
    const run = () => {
      if (cancelled || this.#state === "ended") return;
      if (this.#state === "paused") this.#held.push(run);
      else fire();
    };
    const cancel = this.#world.schedule(delay, run);
    return () => {
      cancelled = true;
      cancel();
    };
  }

  yield(run: () => void): void {
    this.schedule(0, run);
  }

  pause(): void {
    if (this.#state === "running") this.#state = "paused";
  }

  resume(): void {
    if (this.#state !== "paused") return;
    this.#state = "running";
    for (const run of this.#held.splice(0)) this.#world.schedule(0, run);
    for (const wake of this.#awake.splice(0)) wake();
  }

  end(): void {
    this.#state = "ended";
    this.#held = [];
    this.#awake = [];
  }

  /** Resolves when the process runs; never, if it has ended. */
  awake(): Promise<void> {
    if (this.#state === "running") return Promise.resolve();
    return new Promise((resolve) => {
      if (this.#state === "paused") this.#awake.push(resolve);
    });
  }
}
