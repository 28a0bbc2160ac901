/** Gives shards of this node to others: a few at a time, since they pause together. */
import type { Ledger } from "./ledger.ts";
import type { MemberOptions } from "./member.ts";
import { isAway, portionOf } from "./shard-host.ts";

/** After a hand-over that was given up. */
const GIVEN_UP_MS = 10_000;
/** A hand-over waits so long at most for the one before to be opened elsewhere. */
const LONGEST_LOAD_MS = 400;
const LOAD_LOOK_MS = 5;
/** How long the newest hand-overs took. */
const KEPT_PAUSES = 256;

export class HandOvers {
  /** One is under way. */
  busy = false;
  /** After one that was given up: none before, on the monotonic clock. */
  notBefore = -Infinity;
  readonly stats = { handedOver: 0, pauses: [] as number[] };
  readonly #options: MemberOptions;
  readonly #ledger: Ledger;

  constructor(options: MemberOptions, ledger: Ledger) {
    this.#options = options;
    this.#ledger = ledger;
  }

  get #now(): number {
    return this.#options.clock.monotonic();
  }

  /** The first of `shards`, as many as may pause together. */
  portion(shards: readonly number[]): number[] {
    return portionOf(shards, this.#options.host);
  }

  /** Hands over shards, portion by portion, as long as that is wanted and none is given up. */
  async all(shards: readonly number[], wanted: () => boolean): Promise<void> {
    let left = shards;
    while (left.length > 0 && wanted() && this.#now >= this.notBefore) {
      const next = this.portion(left);
      left = left.slice(next.length);
      await this.some(next);
    }
  }

  /** Hands over those that are open. Does not reject; what could not be handed over is still open, or nobody's. */
  async some(wanted: readonly number[]): Promise<void> {
    const { host, routing, store, announce, log, onFatal } = this.#options;
    const shards = wanted.filter((shard) => this.#ledger.phase(shard) === "open");
    if (shards.length === 0) return;
    const began = this.#now;
    const epochs = this.#ledger.epochs(shards);
    const released: [number, number][] = [];
    this.busy = true;
    this.#ledger.move(shards, "leaving");
    routing.vacant(epochs);
    let handed = true;
    try {
      handed = await host.handOver(shards, async (left) => {
        await store.release(left);
        for (const shard of left) released.push([shard, epochs.get(shard)!]);
      });
    } catch (error) {
      if (isAway(error, onFatal))
        log.warn(
          { shards, reason: String(error) },
          "a hand-over failed: the next renewal tells whose the shards are",
        );
    }
    this.busy = false;
    if (!handed) {
      this.#keep(epochs);
      return;
    }
    this.#ledger.given(epochs, this.#now);
    if (released.length === 0) return;
    this.stats.handedOver += released.length;
    this.stats.pauses.push(this.#now - began);
    if (this.stats.pauses.length > KEPT_PAUSES) this.stats.pauses.shift();
    announce({ is: "released", shards: released });
    await this.#taken(released);
  }

  /** Shards whose hand-over was given up are open here as before, but for those that were lost meanwhile. */
  #keep(epochs: ReadonlyMap<number, number>): void {
    const left = this.#ledger.mine("leaving");
    const kept = new Map([...epochs].filter(([shard, epoch]) => left.get(shard) === epoch));
    this.#ledger.move(kept.keys(), "open");
    this.#options.routing.opened(kept);
    this.notBefore = this.#now + GIVEN_UP_MS;
    this.#options.log.warn(
      { shards: [...kept.keys()] },
      "a hand-over was given up: the database takes too long",
    );
  }

  /** Waits until others have opened what was released, but not for long: what is released faster than it is loaded pauses the longer. */
  async #taken(released: readonly [number, number][]): Promise<void> {
    const { routing } = this.#options;
    const end = this.#now + LONGEST_LOAD_MS;
    const isOpen = ([shard]: readonly [number, number]) => routing.place(shard).is !== "nowhere";
    while (this.#now < end && !released.every(isOpen)) await this.#pause(LOAD_LOOK_MS);
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.#options.clock.schedule(ms, resolve));
  }
}
