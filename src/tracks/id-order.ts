import { shardOf } from "../actors/shard-hash.ts";

/** The order of ids in history: of their code points, as PostgreSQL's "C" compares. Negative, 0 or positive, as `sort` wants it. */
export function compareIds(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const [x, y] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (x !== y) return rank(x) - rank(y);
  }
  return a.length - b.length;
}

/** Surrogates stand for code points above all others. */
function rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}

/** The order of ids in what nodes have in memory: by shard, so that whoever goes on after an id need not look at what is before its shard. */
export function compareInShards(a: string, b: string): number {
  return shardOf(a) - shardOf(b) || compareIds(a, b);
}
