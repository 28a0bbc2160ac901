import { SHARDS } from "../limits.ts";

/**
 * The shard of an id: FNV-1a (32 bit) of its UTF-8 bytes, modulo 256. The name of this function is part of the cluster's
 * contract: all nodes of a database use the same.
 *
 * Source: G. Fowler, L. C. Noll, P. Vo, "The FNV Non-Cryptographic Hash Algorithm".
 */
export const SHARD_HASH = "fnv-1a-32";

export function shardOf(id: string): number {
  return hashOf(id) % SHARDS;
}

/** Of an id, 32 bits. */
export function hashOf(id: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < id.length; i++) {
    const unit = id.charCodeAt(i);
    if (unit < 0x80) hash = Math.imul(hash ^ unit, 0x01000193);
    else return hashOfUtf8(id);
  }
  return hash >>> 0;
}

const encoder = new TextEncoder();

function hashOfUtf8(id: string): number {
  let hash = 0x811c9dc5;
  for (const byte of encoder.encode(id)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}
