/** An owner and a viewer, for tests that tell a story. */
import t from "tap";
import { shardOf } from "../../src/actors/shard-hash.ts";
import { TestCluster } from "./mirror-cluster.ts";
import type { Limits } from "./mirror-node.ts";

/** Two ids of one shard, and one of another. */
export const A = "e0";
export const SHARD = shardOf(A);
export const B = idIn(SHARD, A);
function idIn(shard: number, but = ""): string {
  for (let i = 0; ; i++) if (shardOf(`e${i}`) === shard && `e${i}` !== but) return `e${i}`;
}
export const HERE = [10, 50, 10.1, 50.1] as const;
export const THERE = [-60, -10, -59, -9] as const;

/** An owner with two entities in view and one that is not, and a viewer. */
export async function pair(limits: Limits = {}) {
  const cluster = new TestCluster(["owner", "viewer"], 1, limits);
  t.teardown(() => cluster.end());
  const owner = cluster.node("owner");
  const viewer = cluster.node("viewer");
  await cluster.claim("owner", SHARD);
  cluster.report(owner, A, [10.05, 50.05]);
  cluster.report(owner, B, [10.05, 50.05], '{"name":"b"}');
  viewer.look(HERE);
  await cluster.pass(200);
  return { cluster, owner, viewer };
}
