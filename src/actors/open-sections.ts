/** The sections of the batch that is open: the facts decided since the last seal, by shard, as bytes. */
import { ByteWriter } from "./bytes.ts";
import { SECTION_VERSION, writeFact } from "./fact-codec.ts";
import type { Fact } from "./facts.ts";
import type { Section } from "./ports.ts";

export class OpenSections {
  readonly #writers: ByteWriter[] = [];
  #shards: number[] = [];

  get isEmpty(): boolean {
    return this.#shards.length === 0;
  }

  /** Looks where the next fact of a shard goes. @returns as `Rows.touch`. */
  touch(shard: number): number {
    const writer = this.#writers[shard];
    return writer !== undefined && writer.length < writer.bytes.length ? writer.bytes[writer.length] : 0;
  }

  /** @returns the bytes that it took, without the head of a section. */
  add(shard: number, fact: Fact): number {
    const writer = this.#writer(shard);
    const before = writer.length;
    writeFact(fact, writer);
    return writer.length - before;
  }

  /** Takes all sections out, by shard. */
  take(epochs: (shard: number) => number): Section[] {
    const shards = this.#shards.sort((a, b) => a - b);
    this.#shards = [];
    // One piece of memory for all: 256 of their own for each flush take longer than what is copied.
    const bytes = new Uint8Array(shards.reduce((sum, shard) => sum + this.#writers[shard].length, 0));
    let end = 0;
    return shards.map((shard): Section => {
      const writer = this.#writers[shard];
      const start = end;
      end += writer.length;
      bytes.set(writer.bytes.subarray(0, writer.length), start);
      writer.clear();
      return { shard, epoch: epochs(shard), body: bytes.subarray(start, end) };
    });
  }

  /** Drops the sections of these shards. */
  drop(shards: ReadonlySet<number>): void {
    for (const shard of shards) this.#writers[shard]?.clear();
    this.#shards = this.#shards.filter((shard) => !shards.has(shard));
  }

  #writer(shard: number): ByteWriter {
    this.#writers[shard] ??= new ByteWriter(1_024);
    const writer = this.#writers[shard];
    if (writer.length === 0) {
      writer.reserve(1);
      writer.u8(SECTION_VERSION);
      this.#shards.push(shard);
    }
    return writer;
  }
}
