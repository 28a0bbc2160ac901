/** A node is killed: how long until another accepts reports for its shards. */
import { shardOf } from "../../src/actors/shard-hash.ts";
import type { Fleet } from "../fleet.ts";
import { percentile } from "../report-client.ts";
import type { ClusterUnderTest } from "./cluster-under-test.ts";
import type { ShardProber } from "./shard-prober.ts";

/** Far beyond the target: then the figure says it. */
const TAKEOVER_MS = 60_000;

/** @param prober by way of a node that stays. @param fleet whose entities are in the cluster. */
export async function takeover(
  cluster: ClusterUnderTest,
  prober: ShardProber,
  fleet: Fleet,
): Promise<Record<string, number>> {
  const killed = cluster.running.at(-1)!;
  const incarnation = await cluster.incarnation(killed);
  const shards = await cluster.shards();
  const lost = new Set(shards.filter(({ owner }) => owner === incarnation).map(({ id }) => id));
  prober.mark();
  await killed.kill();
  const accepted = () => prober.acceptedAfterMs.filter((_, shard) => lost.has(shard));
  await cluster.until(
    "reports for the shards of a killed node are accepted",
    () => accepted().every((ms) => ms < Infinity),
    TAKEOVER_MS,
  );
  const times = accepted().sort((a, b) => a - b);
  let entities = 0;
  for (let entity = 0; entity < fleet.size; entity++) if (lost.has(shardOf(fleet.id(entity)))) entities += 1;
  return {
    takeover_ms: percentile(times, 1),
    takeover_p50_ms: percentile(times, 0.5),
    takeover_shards: times.length,
    takeover_entities: entities,
  };
}
