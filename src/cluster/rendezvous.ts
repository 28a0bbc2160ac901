/**
 * Which node should own a shard: the one with the highest hash of the two (rendezvous hashing, Thaler & Ravishankar 1998). A node that comes or goes moves
 * only its own shards.
 */

/** @param nodes incarnations. @returns `undefined` if there are none. */
export function preferredOwner(shard: number, nodes: readonly string[]): string | undefined {
  let best: string | undefined;
  let highest = -1;
  for (const node of nodes) {
    const weight = weightOf(shard, node);
    if (weight > highest || (weight === highest && node > best!)) {
      best = node;
      highest = weight;
    }
  }
  return best;
}

/** FNV-1a of the node's name, the shard mixed in, finished as MurmurHash3 does (its authors: A. Appleby), since FNV alone spreads the last bytes badly. */
function weightOf(shard: number, node: string): number {
  let hash = 0x811c9dc5 ^ shard;
  for (let i = 0; i < node.length; i++) hash = Math.imul(hash ^ node.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
