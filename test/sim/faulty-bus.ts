/** A bus made bad: what goes over it is lost, doubled, late, out of order, or cut off. Any bus can be inside; here it is that of one process. */
import type { Clock } from "../../src/clock.ts";
import { type Bus, BusAway } from "../../src/cluster/ports.ts";
import type { Chance } from "./chance.ts";
import type { Trace } from "./trace.ts";

export interface BusWeather {
  /** Share of messages that are lost, and of those that come twice. */
  drop: number;
  double: number;
  /** Longest way, ms. */
  delay: number;
  /** Messages overtake each other, which the port rules out: worse than a real one. */
  reorder: boolean;
}

export const FAIR: BusWeather = { drop: 0, double: 0, delay: 2, reorder: false };

/** What all ends of the bus have in common. */
export class BusFaults {
  weather = FAIR;
  /** Pairs of nodes that do not hear each other, as `a|b`, both ways. */
  readonly cut = new Set<string>();
  /** Nodes whose connection is gone. */
  readonly away = new Set<string>();
}

export class FaultyBus implements Bus {
  readonly #inner: Bus;
  readonly #node: string;
  readonly #number: number;
  readonly #nameOf: (number: number) => string;
  readonly #faults: BusFaults;
  readonly #clock: Clock;
  readonly #chance: Chance;
  readonly #trace: Trace;
  readonly #lost: (() => void)[] = [];
  /** By sender and channel: when the last message comes. */
  readonly #lastAt = new Map<string, number>();

  /** @param number of the node among all, below 65,536; goes before each payload. @param clock of the node's process. */
  constructor(
    inner: Bus,
    node: string,
    number: number,
    nameOf: (number: number) => string,
    faults: BusFaults,
    clock: Clock,
    chance: Chance,
    trace: Trace,
  ) {
    this.#inner = inner;
    this.#node = node;
    this.#number = number;
    this.#nameOf = nameOf;
    this.#faults = faults;
    this.#clock = clock;
    this.#chance = chance;
    this.#trace = trace;
  }

  async publish(channel: string, payload: Uint8Array): Promise<number> {
    if (this.#faults.away.has(this.#node)) throw new BusAway("the connection is gone");
    this.#trace.mix(`${this.#clock.monotonic()} ${channel} ${payload.length}`);
    const framed = new Uint8Array(payload.length + 2);
    framed[0] = this.#number & 0xff;
    framed[1] = this.#number >> 8;
    framed.set(payload, 2);
    const listeners = await this.#inner.publish(channel, framed);
    return new Promise((resolve) =>
      this.#clock.schedule(this.#chance.between(0.2, 1), () => resolve(listeners)),
    );
  }

  subscribe(channel: string, receive: (payload: Uint8Array) => void): Promise<() => Promise<void>> {
    if (this.#faults.away.has(this.#node)) return Promise.reject(new BusAway("the connection is gone"));
    return this.#inner.subscribe(channel, (framed) => {
      const sender = this.#nameOf(framed[0] + framed[1] * 256);
      const { weather, cut, away } = this.#faults;
      if (away.has(this.#node) || cut.has(`${sender}|${this.#node}`)) return;
      if (this.#chance.is(weather.drop)) return;
      this.#carry(`${sender} ${channel}`, framed.slice(2), receive);
      if (this.#chance.is(weather.double)) this.#carry(`${sender} ${channel}`, framed.slice(2), receive);
    });
  }

  #carry(way: string, payload: Uint8Array, receive: (payload: Uint8Array) => void): void {
    const { weather, away } = this.#faults;
    const now = this.#clock.monotonic();
    let at = now + this.#chance.between(0.1, weather.delay);
    if (!weather.reorder) at = Math.max(at, this.#lastAt.get(way) ?? 0);
    this.#lastAt.set(way, at);
    this.#clock.schedule(at - now, () => {
      if (!away.has(this.#node)) receive(payload);
    });
  }

  get queued(): Bus["queued"] {
    return this.#inner.queued;
  }

  get away(): boolean {
    return this.#faults.away.has(this.#node) || this.#inner.away;
  }

  onLoss(lost: () => void): void {
    this.#lost.push(lost);
    this.#inner.onLoss(lost);
  }

  /** The connection is cut, or made again. */
  lose(): void {
    for (const lost of this.#lost) lost();
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}
