/** A node joins and gets shards, and leaves again in order: how long reports for the shards that move wait. */
import { setTimeout as sleep } from "node:timers/promises";
import { percentile } from "../report-client.ts";
import type { ClusterUnderTest } from "./cluster-under-test.ts";
import type { ShardProber } from "./shard-prober.ts";

/** Until the last probe that waited has been answered. */
const SETTLE_MS = 500;

/** @param prober by way of another node. @param whole wait until the node that joins has all that it should have, not only some */
export async function handOver(
  cluster: ClusterUnderTest,
  prober: ShardProber,
  whole: boolean,
): Promise<Record<string, number>> {
  const joining = cluster.nodes.find(({ running }) => !running)!;
  const first = await cluster.shards();
  // Its start takes the processor from the others, and moves nothing.
  await joining.start();
  const load = await ProbeLoad.begin(cluster, prober);
  prober.mark();
  const incarnation = await cluster.incarnation(joining);
  await cluster.until("a node that joined has shards", async () => {
    const shards = await cluster.shards();
    return shards.some(({ owner }) => owner === incarnation) && shards.every(({ alive }) => alive);
  });
  if (whole) await cluster.balanced();
  await sleep(SETTLE_MS);
  const second = await cluster.shards();
  const probing = await load.end();
  const join = waits(prober, (shard) => second[shard].epoch !== first[shard].epoch && second[shard].alive);

  prober.mark();
  await joining.stop();
  await cluster.until("the shards of a node that left are others'", async () =>
    (await cluster.shards()).every(({ owner, alive }) => alive && owner !== incarnation),
  );
  await sleep(SETTLE_MS);
  const leave = waits(prober, (shard) => second[shard].owner === incarnation);

  const moved = [...join.moved, ...leave.moved].sort((a, b) => a - b);
  const others = [...join.others, ...leave.others].sort((a, b) => a - b);
  return {
    hand_over_p50_ms: percentile(moved, 0.5),
    hand_over_p99_ms: percentile(moved, 0.99),
    hand_over_max_ms: percentile(moved, 1),
    hand_over_join_max_ms: percentile(join.moved, 1),
    hand_over_leave_max_ms: percentile(leave.moved, 1),
    // What the machine does to those that did not move.
    hand_over_others_p99_ms: percentile(others, 0.99),
    ...probing,
    hand_over_joined_shards: join.moved.length,
    hand_over_left_shards: leave.moved.length,
  };
}

/** What the probes are themselves: of fewer than asked for, or with no processor left, the waits are the machine's. */
class ProbeLoad {
  readonly #cluster: ClusterUnderTest;
  readonly #prober: ShardProber;
  readonly #before: { cpuS: number; probes: number; own: NodeJS.CpuUsage; at: number };

  private constructor(cluster: ClusterUnderTest, prober: ShardProber, cpuS: number) {
    this.#cluster = cluster;
    this.#prober = prober;
    this.#before = { cpuS, probes: prober.accepted, own: process.cpuUsage(), at: performance.now() };
  }

  static async begin(cluster: ClusterUnderTest, prober: ShardProber): Promise<ProbeLoad> {
    return new ProbeLoad(cluster, prober, await cpuOf(cluster));
  }

  async end(): Promise<Record<string, number>> {
    const { cpuS, probes, own, at } = this.#before;
    const { user, system } = process.cpuUsage(own);
    const elapsedS = (performance.now() - at) / 1_000;
    return {
      hand_over_probes_per_s: (this.#prober.accepted - probes) / elapsedS,
      hand_over_nodes_cores: ((await cpuOf(this.#cluster)) - cpuS) / elapsedS,
      hand_over_client_cores: (user + system) / 1e6 / elapsedS,
    };
  }
}

/** CPU seconds of all running nodes. */
async function cpuOf(cluster: ClusterUnderTest): Promise<number> {
  const metrics = await Promise.all(cluster.running.map((node) => cluster.metrics(node)));
  return metrics.reduce((total, { cpuS }) => total + cpuS, 0);
}

/** Longest wait of each shard, ms, ascending. */
function waits(prober: ShardProber, hasMoved: (shard: number) => boolean) {
  const moved: number[] = [];
  const others: number[] = [];
  for (const [shard, ms] of prober.longestMs.entries()) (hasMoved(shard) ? moved : others).push(ms);
  return { moved: moved.sort((a, b) => a - b), others: others.sort((a, b) => a - b) };
}
