/**
 * Addresses of the hosts of webhooks, by the system's resolver: what files of hosts and search domains say counts, which Node's own does not know.
 *
 * The system's resolver takes a thread until it answers, 15 s and more where name servers are silent, and all look-ups of the process have two, also
 * those of new connections to PostgreSQL and Redis. So one name is looked up at a time, once for all who ask; names that were late the last time come
 * last. Who waits for long is given the addresses that the name had before.
 *
 * States of a name: known or not; asked for (someone waits) → being looked up → answered.
 */
import { ADDRCONFIG, type LookupAddress, lookup } from "node:dns";
import type { Clock } from "../../clock.ts";
import { MAX_WEBHOOKS } from "../../webhooks/limits.ts";

/** A healthy name server has answered by then, also if it had to ask others. */
const LATE_MS = 1_000;
/** Addresses are given to others: what a name was longer ago it may not be any more. */
const KNOWN_MS = 3_600_000;
/** Webhooks may be given other hosts: those that were looked up last are remembered. */
const MAX_NAMES = 2 * MAX_WEBHOOKS;

/** As `dns.lookup` with `all` calls back. */
export type Found = (error: Error | null, addresses: LookupAddress[]) => void;

export interface NamesOptions {
  clock: Clock;
  /** Nobody waits for longer: who asked has given up by then, and is told nothing. */
  timeoutMs: number;
  /** Default: the system's. */
  resolve?: typeof lookup;
}

interface Name {
  addresses: LookupAddress[] | undefined;
  /** When they were found, monotonic. */
  foundAt: number;
  /** It was not answered soon the last time. */
  isLate: boolean;
}

export class Names implements Disposable {
  readonly #options: NamesOptions;
  /** Those asked longest ago first. */
  readonly #names = new Map<string, Name>();
  /** By name, in the order in which they were asked for: those who wait. */
  readonly #waiting = new Map<string, Set<Found>>();
  readonly #cancels = new Map<Found, () => void>();
  #isBusy = false;

  constructor(options: NamesOptions) {
    this.#options = options;
  }

  find(name: string, found: Found): void {
    const { clock, timeoutMs } = this.#options;
    const known = this.#names.get(name);
    const isKnown = known?.addresses !== undefined && clock.monotonic() - known.foundAt < KNOWN_MS;
    const waiting = this.#waiting.get(name) ?? new Set();
    this.#waiting.set(name, waiting.add(found));
    const cancel = clock.schedule(isKnown ? LATE_MS : timeoutMs, () => {
      this.#cancels.delete(found);
      waiting.delete(found);
      // Of what nobody waits for any more no look-up is begun.
      if (waiting.size === 0) this.#waiting.delete(name);
      if (isKnown) found(null, known.addresses!);
    });
    this.#cancels.set(found, cancel);
    this.#next();
  }

  [Symbol.dispose](): void {
    this.#waiting.clear();
    for (const cancel of this.#cancels.values()) cancel();
    this.#cancels.clear();
  }

  #next(): void {
    if (this.#isBusy || this.#waiting.size === 0) return;
    const asked = [...this.#waiting.keys()];
    const name = asked.find((name) => this.#names.get(name)?.isLate !== true) ?? asked[0]!;
    const { clock, resolve = lookup } = this.#options;
    const begun = clock.monotonic();
    this.#isBusy = true;
    resolve(name, { all: true, hints: ADDRCONFIG }, (error, addresses) => {
      this.#isBusy = false;
      this.#learn(name, begun, error, addresses);
      const waiting = this.#waiting.get(name) ?? [];
      this.#waiting.delete(name);
      for (const found of waiting) {
        this.#cancels.get(found)!();
        this.#cancels.delete(found);
        found(error, addresses);
      }
      this.#next();
    });
  }

  #learn(name: string, begun: number, error: NodeJS.ErrnoException | null, addresses: LookupAddress[]): void {
    const { clock } = this.#options;
    const now = clock.monotonic();
    // That no name server answered says nothing of the name.
    const before = error?.code === "EAI_AGAIN" ? this.#names.get(name) : undefined;
    const { addresses: found, foundAt } =
      error === null ? { addresses, foundAt: now } : (before ?? { addresses: undefined, foundAt: 0 });
    this.#names.delete(name);
    this.#names.set(name, { addresses: found, foundAt, isLate: now - begun >= LATE_MS });
    if (this.#names.size > MAX_NAMES) this.#names.delete(this.#names.keys().next().value!);
  }
}
