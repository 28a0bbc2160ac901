import { createWriteStream, type WriteStream } from "node:fs";
import { finished } from "node:stream/promises";
import type { HistoryEvent } from "./history.ts";

/** Writes a history as it happens: an event that caused another is written before it. */
export class HistoryWriter {
  readonly #out: WriteStream;
  #failure: Error | undefined;

  constructor(file: string) {
    this.#out = createWriteStream(file);
    this.#out.on("error", (error) => {
      this.#failure = error;
    });
  }

  write(event: HistoryEvent): void {
    if (this.#failure !== undefined) throw this.#failure;
    this.#out.write(`${JSON.stringify(event)}\n`);
  }

  /** Resolves when everything is in the file. */
  async close(): Promise<void> {
    this.#out.end();
    await finished(this.#out);
  }
}
