import type { ClusterStatus, ShardStatus } from "../../src/cluster/status.ts";

/** Three nodes: one that answers, one that leaves, one that is silent; ten free shards, two on their way, one of a node that is gone. */
export function madeUpStatus(): ClusterStatus {
  const node = (incarnation: string, host: string, shards: number) => ({
    ...{ incarnation, url: `http://${host}:8080`, version: "0.2.0", shards },
    ...{ draining: false, leaseLeftMs: 3_600, silent: false },
  });
  const shard = (number: number): ShardStatus => {
    if (number < 10) return { epoch: 2, state: "free" };
    if (number === 255) return { owner: "gone", epoch: 3, state: "open" };
    const owner = number < 90 ? "a" : number < 170 ? "b" : "c";
    return { owner, epoch: 3, state: number === 100 || number === 101 ? "moving" : "open" };
  };
  return {
    name: "made-up",
    node: "a",
    suspended: false,
    nodes: [
      { ...node("b", "10.0.0.10", 80), draining: true, lagMs: 1_234 },
      { ...node("c", "10.0.0.11", 85), version: "0.1.0", silent: true, leaseLeftMs: -200 },
      node("a", "10.0.0.9", 80),
    ],
    shards: Array.from({ length: 256 }, (_, number) => shard(number)),
    handOvers: { count: 12, p50Ms: 90, p99Ms: 240 },
    claims: 98,
    evictions: 1,
  };
}
