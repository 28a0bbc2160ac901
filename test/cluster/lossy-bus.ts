import type { Clock } from "../../src/clock.ts";
import { type Bus, BusAway } from "../../src/cluster/ports.ts";

export interface Faults {
  /** Share of messages lost, and of those delivered twice. */
  drop: number;
  double: number;
  /** Longest way, ms; each message takes its own time, so they overtake each other. */
  delay: number;
}

export const CALM: Faults = { drop: 0, double: 0, delay: 0 };

/** A bus as bad as the port allows, and worse: it reorders. All nodes share it. */
export class LossyBus implements Bus {
  faults: Faults = CALM;
  away = false;
  readonly queued = { out: 0, in: 0 };
  /** Everything that was published, by channel. */
  readonly published = new Map<string, number>();
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #listeners = new Map<string, Set<(payload: Uint8Array) => void>>();

  constructor(clock: Clock, random: () => number = () => 0.5) {
    this.#clock = clock;
    this.#random = random;
  }

  async publish(channel: string, payload: Uint8Array): Promise<number> {
    this.published.set(channel, (this.published.get(channel) ?? 0) + 1);
    if (this.away) throw new BusAway();
    const listeners = this.#listeners.get(channel);
    for (const listener of listeners ?? []) {
      const copies = this.#random() < this.faults.double ? 2 : 1;
      for (let copy = 0; copy < copies; copy++) this.#carry(listeners!, listener, payload.slice());
    }
    return listeners?.size ?? 0;
  }

  #carry(all: Set<unknown>, listener: (payload: Uint8Array) => void, payload: Uint8Array): void {
    if (this.#random() < this.faults.drop) return;
    this.#clock.schedule(this.#random() * this.faults.delay, () => {
      if (all.has(listener)) listener(payload);
    });
  }

  async subscribe(channel: string, receive: (payload: Uint8Array) => void): Promise<() => Promise<void>> {
    const listeners = this.#listeners.get(channel) ?? new Set();
    this.#listeners.set(channel, listeners.add(receive));
    return async () => void listeners.delete(receive);
  }
  onLoss(): void {}
  async close(): Promise<void> {}
}
