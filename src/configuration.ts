/**
 * A part of the configuration that all nodes hold in memory. PostgreSQL is the authority: it is read at the start, when another node announces a
 * change, when an announcement may have been lost, and every `CONFIGURATION_LOOK_MS`.
 */
import { StoreAway } from "./actors/ports.ts";
import type { Clock } from "./clock.ts";
import { CONFIGURATION_LOOK_MS } from "./limits.ts";

export interface ConfigurationOptions {
  /** Takes over what is newer than what is held. One at a time. @throws StoreAway */
  read(): Promise<void>;
  clock: Clock;
  /** It cannot be read, for a reason that trying again does not mend. */
  onFatal(error: unknown): void;
}

export class Configuration {
  readonly #options: ConfigurationOptions;
  /** Under way. */
  #current: Promise<void> = Promise.resolve();
  /** Begins when that is done. */
  #next: Promise<void> | undefined;
  #cancel: () => void = () => {};
  #stopped = false;

  constructor(options: ConfigurationOptions) {
    this.#options = options;
  }

  /** Resolves when all that was committed before the call is held. @throws StoreAway */
  refresh(): Promise<void> {
    this.#next ??= this.#current
      .catch(() => {})
      .then(() => {
        this.#current = this.#next!;
        this.#next = undefined;
        return this.#options.read();
      });
    return this.#next;
  }

  /** Reads it soon, or later: with the next look if the database is away. */
  look(): void {
    if (this.#stopped) return;
    this.refresh().catch((error) => {
      if (!(error instanceof StoreAway) && !this.#stopped) this.#options.onFatal(error);
    });
  }

  /** Reads it, and looks again and again from now on. @throws StoreAway */
  async start(): Promise<void> {
    await this.refresh();
    this.#plan();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel();
  }

  #plan(): void {
    this.#cancel = this.#options.clock.schedule(CONFIGURATION_LOOK_MS, () => {
      this.look();
      this.#plan();
    });
  }
}
