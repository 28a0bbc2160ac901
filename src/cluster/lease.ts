/**
 * This node's lease, and the gate that follows from it. The lease counts from before the renewal was sent, on this node's monotonic clock, so that a
 * node stands still before anybody may evict it, however long the answer took.
 *
 * States: active (renewed less than `SUSPEND_MS` ago) ⇄ suspended (decides, flushes and answers nothing, and keeps all it has) → down (evicted: for ever).
 */
import { type Gate, StoreAway } from "../actors/ports.ts";
import type { Clock } from "../clock.ts";
import { type ClusterState, type ClusterStore, LEASE_MS } from "./ports.ts";

export const RENEW_MS = 1_250;
/** So long after the last renewal a node stands still: with room for a clock that runs a little slow. */
export const SUSPEND_MS = 3_750;
/** After a renewal that failed. */
const RETRY_MS = 250;
const WATCH_MS = 100;

export interface LeaseHooks {
  /** Renewed. @param askedAt when the state was asked for, on the monotonic clock: what was done since is not in it. */
  renewed(state: ClusterState, askedAt: number): void;
  /** The gate closed or opened. */
  suspended(suspended: boolean): void;
  /** Evicted. Nothing of this incarnation can be written any more. */
  down(): void;
  /** A renewal failed; the next is tried soon. */
  failed(error: StoreAway): void;
  /** An error that is none of the store's being away. */
  fatal(error: unknown): void;
}

export class Lease implements Gate {
  readonly #store: ClusterStore;
  readonly #clock: Clock;
  readonly #hooks: LeaseHooks;
  #renewedAt = -Infinity;
  /** Since when there was no gap between renewals. */
  #steadySince = Infinity;
  #down = false;
  #stopped = false;
  #suspended = false;
  #waiting: (() => void)[] = [];
  #cancelBeat = () => {};
  #cancelWatch = () => {};

  constructor(store: ClusterStore, clock: Clock, hooks: LeaseHooks) {
    this.#store = store;
    this.#clock = clock;
    this.#hooks = hooks;
  }

  get open(): boolean {
    return !this.#down && this.#clock.monotonic() - this.#renewedAt < SUSPEND_MS;
  }

  passed(): Promise<void> {
    return this.open ? Promise.resolve() : new Promise((resolve) => this.#waiting.push(resolve));
  }

  get isDown(): boolean {
    return this.#down;
  }

  /** Whether this node has renewed without a gap for a whole lease: after an outage of the authority everybody's lease has run out, and means nothing. */
  get isSteady(): boolean {
    return this.open && this.#clock.monotonic() - this.#steadySince >= LEASE_MS;
  }

  /** Renews for the first time, and from then on. @throws StoreAway */
  async start(): Promise<void> {
    await this.#renew();
    this.#plan(RENEW_MS);
    this.#watch();
  }

  /** Renews now, for a fresh look at the state. Never rejects. */
  async look(): Promise<void> {
    await this.#renew().catch((error) => this.#failed(error));
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelBeat();
    this.#cancelWatch();
  }

  #plan(delay: number): void {
    if (this.#stopped || this.#down) return;
    this.#cancelBeat = this.#clock.schedule(delay, () => void this.#beat());
  }

  async #beat(): Promise<void> {
    const began = this.#clock.monotonic();
    try {
      await this.#renew();
      this.#plan(Math.max(0, began + RENEW_MS - this.#clock.monotonic()));
    } catch (error) {
      this.#failed(error);
      this.#plan(RETRY_MS);
    }
  }

  #failed(error: unknown): void {
    if (error instanceof StoreAway) this.#hooks.failed(error);
    else this.#hooks.fatal(error);
  }

  /**
   * One after the other: of two under way, the answer that comes last may be of an older state, in which a node that has just joined is missing.
   */
  #renew(): Promise<void> {
    const next = this.#last.then(() => this.#renewNow());
    this.#last = next.catch(() => {});
    return next;
  }

  #last: Promise<void> = Promise.resolve();

  async #renewNow(): Promise<void> {
    if (this.#down || this.#stopped) return;
    const sent = this.#clock.monotonic();
    const state = await this.#store.renew();
    if (this.#down || this.#stopped) return;
    if (state === undefined) {
      this.becomeDown();
      return;
    }
    if (sent - this.#renewedAt >= SUSPEND_MS) this.#steadySince = sent;
    if (sent > this.#renewedAt) this.#renewedAt = sent;
    if (this.open) {
      this.#tell(false);
      for (const resolve of this.#waiting.splice(0)) resolve();
    }
    this.#hooks.renewed(state, sent);
  }

  /** Another call to the store found that this incarnation is down. */
  becomeDown(): void {
    if (this.#down) return;
    this.#down = true;
    this.stop();
    this.#hooks.down();
  }

  /** Tells of a suspension even while a renewal hangs. The gate itself needs no timer. */
  #watch(): void {
    if (this.#stopped) return;
    if (!this.open) this.#tell(true);
    this.#cancelWatch = this.#clock.schedule(WATCH_MS, () => this.#watch());
  }

  #tell(suspended: boolean): void {
    if (this.#suspended === suspended) return;
    this.#suspended = suspended;
    this.#hooks.suspended(suspended);
  }
}
