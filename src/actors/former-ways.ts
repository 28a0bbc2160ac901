/**
 * Until when the ways of a shard's deleted entities went, so that the way of one that has such an id again does not begin before that. Part of the
 * shard's state. It knows no ids, as their number has no bound and an erasure leaves none: ids of which 8 bits of a hash are the same have one time,
 * the latest. With those of the shard it is one id of 65,536, of which what comes late is put in order in the rows without need.
 */
import type { ByteReader, ByteWriter } from "./bytes.ts";
import { hashOf } from "./shard-hash.ts";

export class FormerWays {
  readonly #ends = new Map<number, number>();

  get size(): number {
    return this.#ends.size;
  }

  /** A way that an id had before has ended then, Unix ms; −∞ = it had none. */
  end(id: string): number {
    return this.#ends.get(partOf(id)) ?? -Infinity;
  }

  /** @param end Unix ms, −∞ = it had no way. */
  add(id: string, end: number): void {
    if (end > this.end(id)) this.#ends.set(partOf(id), end);
  }

  write(out: ByteWriter): void {
    out.reserve(5 + this.#ends.size * 9);
    out.varint(this.#ends.size);
    for (const [part, end] of this.#ends) {
      out.u8(part);
      out.f64(end);
    }
  }

  /** Takes over what was written. */
  read(input: ByteReader): void {
    for (let left = input.varint(); left > 0; left--) this.#ends.set(input.u8(), input.f64());
  }
}

/** Of the hash that has given the shard: bits that did not. */
function partOf(id: string): number {
  return hashOf(id) >>> 24;
}
