/** Virtual time: one clock for the whole world, and one for each process, which can stand still or end. */
import type { Clock } from "../../src/clock.ts";
import { Timers } from "../support/timers.ts";
import { Violation } from "./violation.ts";

/** More events in one moment are a loop that never ends. */
const MAX_AT_ONCE = 100_000;
const EVENTS_A_TURN = 100;

/**
 * Events happen in the order of their times, and those of one moment in the order in which they were asked for. After each all promises
 * settle before the next, since nothing here waits for real input.
 */
export class WorldClock implements Clock {
  readonly #begin = Date.UTC(2026, 0, 1);
  #elapsed = 0;
  /** Events of this moment. */
  #atOnce = 0;
  readonly #timers = new Timers();
  events = 0;

  now(): number {
    return this.#begin + this.#elapsed;
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

  /** Resolves after so long. */
  pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.schedule(ms, resolve));
  }

  /** Lets `ms` pass. Rejects with what an event throws, and with what `failure` returns after one. */
  pass(ms: number, failure: () => unknown): Promise<void> {
    const end = this.#elapsed + ms;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    let isOver = false;
    const step = () => {
      if (isOver) return;
      try {
        const failed = failure();
        if (failed !== undefined) throw failed;
        isOver = !this.#step(end);
        if (isOver) resolve();
      } catch (error) {
        isOver = true;
        reject(error);
      }
    };
    // Node settles promises between immediates; a turn of its loop for each would take longer than what happens in it.
    const turn = () => {
      if (isOver) return;
      for (let i = 0; i < EVENTS_A_TURN; i++) setImmediate(step);
      setImmediate(turn);
    };
    turn();
    return promise;
  }

  /** Lets the next event happen, if it is due by then. @returns whether there was one. */
  #step(end: number): boolean {
    const timer = this.#timers.take(end);
    if (timer === undefined) {
      this.#elapsed = end;
      return false;
    }
    this.#atOnce = timer.at === this.#elapsed ? this.#atOnce + 1 : 0;
    if (this.#atOnce > MAX_AT_ONCE) throw new Violation("C8", `time stands still: ${timer.fire}`);
    this.#elapsed = timer.at;
    this.events += 1;
    timer.fire();
    return true;
  }
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
