/**
 * The facts of the batch that is open, as bytes: in the order in which they were decided, and by shard only when they are taken. With a writer for each
 * shard, each fact waited for memory of its own, and a flush for that of 256.
 */
import { SHARDS } from "../limits.ts";
import { widenU32 } from "../picture/columns.ts";
import { ByteWriter } from "./bytes.ts";
import { sectionVersion, writeFact } from "./fact-codec.ts";
import type { Fact } from "./facts.ts";
import type { Section } from "./ports.ts";

/** In place of the shard of a fact that was dropped. */
const DROPPED = SHARDS;
const FIRST_FACTS = 1_024;
const FIRST_BYTES = 64 * 1_024;

export class OpenSections {
  readonly #facts = new ByteWriter(FIRST_BYTES);
  #count = 0;
  /** By fact: where it ends, and its shard. */
  #ends = new Uint32Array(FIRST_FACTS);
  #shards = new Uint32Array(FIRST_FACTS);
  /** By shard: its bytes, then where the next of them go. */
  readonly #places = new Uint32Array(SHARDS + 1);
  /** By shard: the version of its section, 0 while it has none. */
  readonly #versions = new Uint8Array(SHARDS);

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  /** @returns the bytes that it took, without the head of a section. */
  add(shard: number, fact: Fact): number {
    const facts = this.#facts;
    const before = facts.length;
    writeFact(fact, facts);
    if (this.#count === this.#ends.length) this.#grow();
    this.#ends[this.#count] = facts.length;
    this.#shards[this.#count] = shard;
    this.#versions[shard] = Math.max(this.#versions[shard], sectionVersion(fact));
    this.#count += 1;
    return facts.length - before;
  }

  /** Takes all sections out, by shard. */
  take(epochs: (shard: number) => number): Section[] {
    const sizes = this.#sizes();
    // One piece of memory for all: 256 of their own for each flush take longer than what is copied.
    const bytes = new Uint8Array(sizes.reduce((sum, size) => sum + (size === 0 ? 0 : size + 1), 0));
    const sections: Section[] = [];
    let end = 0;
    for (let shard = 0; shard < SHARDS; shard++) {
      const size = sizes[shard];
      if (size === 0) continue;
      const start = end;
      bytes[start] = this.#versions[shard];
      sizes[shard] = start + 1;
      end = start + 1 + size;
      sections.push({ shard, epoch: epochs(shard), body: bytes.subarray(start, end) });
    }
    this.#copyTo(bytes, sizes);
    this.#clear();
    return sections;
  }

  /** Drops the sections of these shards. */
  drop(shards: ReadonlySet<number>): void {
    for (const shard of shards) this.#versions[shard] = 0;
    let left = 0;
    for (let i = 0; i < this.#count; i++) {
      if (shards.has(this.#shards[i])) this.#shards[i] = DROPPED;
      else if (this.#shards[i] !== DROPPED) left += 1;
    }
    if (left === 0) this.#clear();
  }

  /** By shard: its bytes. */
  #sizes(): Uint32Array {
    const sizes = this.#places;
    sizes.fill(0);
    let start = 0;
    for (let i = 0; i < this.#count; i++) {
      sizes[this.#shards[i]] += this.#ends[i] - start;
      start = this.#ends[i];
    }
    sizes[DROPPED] = 0;
    return sizes;
  }

  /** @param places by shard: where its next fact goes. */
  #copyTo(bytes: Uint8Array, places: Uint32Array): void {
    const from = this.#facts.bytes;
    let at = 0;
    for (let i = 0; i < this.#count; i++) {
      const end = this.#ends[i];
      const shard = this.#shards[i];
      if (shard === DROPPED) {
        at = end;
        continue;
      }
      let to = places[shard];
      while (at < end) bytes[to++] = from[at++];
      places[shard] = to;
    }
  }

  #grow(): void {
    const capacity = this.#ends.length * 2;
    this.#ends = widenU32(this.#ends, capacity);
    this.#shards = widenU32(this.#shards, capacity);
  }

  #clear(): void {
    this.#facts.clear();
    this.#versions.fill(0);
    this.#count = 0;
  }
}
