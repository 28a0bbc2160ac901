/** What happened in a run: all of it as a hash, the last of it as text. */
import type { WorldClock } from "./sim-clock.ts";

const KEPT = 400;

export class Trace {
  readonly #clock: WorldClock;
  #hash = 0x811c9dc5;
  #last: string[] = [];

  constructor(clock: WorldClock) {
    this.#clock = clock;
  }

  /** Something worth to be read. */
  note(text: string): void {
    const line = `${this.#clock.monotonic().toFixed(2).padStart(9)} ${text}`;
    this.mix(line);
    this.#last.push(line);
    if (this.#last.length > 2 * KEPT) this.#last = this.#last.slice(-KEPT);
  }

  /** Something that happens too often to be kept. */
  mix(text: string): void {
    let hash = this.#hash;
    for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
    this.#hash = hash;
  }

  /** The same for the same run. */
  get hash(): string {
    return (this.#hash >>> 0).toString(16).padStart(8, "0");
  }

  /** The newest lines. */
  last(lines: number): string[] {
    return this.#last.slice(-lines);
  }
}
