/** The runs in which shards get other owners, on one cluster full of entities, under some load. */
import { Fleet, type FleetParameters } from "../fleet.ts";
import { HttpReports } from "../http-reports.ts";
import { ReportBatches } from "../report-batches.ts";
import { ReportClient } from "../report-client.ts";
import { ClusterUnderTest } from "./cluster-under-test.ts";
import { handOver } from "./hand-over.ts";
import { ReportFeed } from "./report-feed.ts";
import { ShardProber } from "./shard-prober.ts";
import { SteadyLoad } from "./steady-load.ts";
import { takeover } from "./takeover.ts";

export interface ShardsMoveSize {
  fleet: FleetParameters;
  /** In which the fleet comes in. */
  batchSize: number;
  /** Beside the probes, by way of the same node. */
  reportsPerS: number;
  probeEachMs: number;
  /** A node that joins finds the shards divided among the others, and gets all of its own before it leaves; else only some. */
  whole: boolean;
}

const CONNECTIONS = 4;
const ANSWER_MS = 30_000;

export async function shardsMove(size: ShardsMoveSize): Promise<Record<string, number>> {
  const fleet = new Fleet(size.fleet);
  await using cluster = await ClusterUnderTest.start(3, 2);
  if (size.whole) await cluster.balanced();
  const target = cluster.target(cluster.nodes[0]);
  const batches = new ReportBatches(fleet, size.batchSize, size.fleet.seed);
  const client = new ReportClient(new HttpReports(target, batches, 1));
  await client.round();
  client.close();

  const feeds = [await ReportFeed.open(target, CONNECTIONS), await ReportFeed.open(target, CONNECTIONS)];
  const prober = new ShardProber(feeds[0], size.probeEachMs);
  const load = new SteadyLoad([feeds[1]], fleet, size.reportsPerS);
  try {
    const handedOver = await handOver(cluster, prober, size.whole);
    const takenOver = await takeover(cluster, prober, fleet);
    await load.stop();
    const unanswered = await load.unanswered(ANSWER_MS);
    const accepted = load.answered.reduce((total, answer) => total + answer.accepted, 0);
    return {
      ...handedOver,
      ...takenOver,
      moving_sent_reports: load.sentReports,
      moving_acked_reports: accepted,
      moving_refused_reports: load.sentReports - accepted - unanswered,
      moving_unanswered_reports: unanswered,
    };
  } finally {
    prober.stop();
    await load.stop();
    for (const feed of feeds) feed.close();
  }
}
