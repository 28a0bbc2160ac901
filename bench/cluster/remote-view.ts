/** As `latency`, with viewers on the node that owns what they look at and gets its reports, and the same viewers on another node. */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { AGE_UNITS_PER_MS } from "../age-counter.ts";
import { BinaryBatches } from "../binary-batches.ts";
import { FeedReports } from "../feed-reports.ts";
import type { FleetParameters } from "../fleet.ts";
import { Random } from "../random.ts";
import { ReportClient } from "../report-client.ts";
import { Viewers } from "../viewers-process.ts";
import { chooseViewports } from "../viewports.ts";
import type { ClusterUnderTest } from "./cluster-under-test.ts";
import { OwnedFleet } from "./owned-fleet.ts";

export interface RemoteViewSize {
  /** Each entity is reported once a second. */
  fleet: FleetParameters;
  /** On each of the two nodes. */
  viewers: number;
  held: [least: number, most: number];
  batchSize: number;
  connections: number;
  warmUpS: number;
  measuredS: number;
}

const REPORT_EACH_MS = 1_000;
const MAX_IN_VIEW = 100_000;
const FIRST_ID = 240_000_000;

export async function remoteView(
  cluster: ClusterUnderTest,
  size: RemoteViewSize,
): Promise<Record<string, number>> {
  const [owner, other] = cluster.running;
  const [ofOwner] = await cluster.staying();
  const fleet = new OwnedFleet(size.fleet, FIRST_ID, ofOwner);
  const viewports = chooseViewports(fleet, size.viewers, size.held, new Random(size.fleet.seed));
  const batches = new BinaryBatches(fleet, size.batchSize, size.fleet.seed, size.connections);
  const client = new ReportClient(await FeedReports.open(cluster.target(owner), batches, size.connections));
  const watch = {
    ...({ of: "feed", protocol: "bin", rate: 10, max: MAX_IN_VIEW } as const),
    ...({ bboxes: viewports.map(({ bbox }) => bbox), expected: "entities", verify: false } as const),
    reportEachMs: REPORT_EACH_MS,
  };
  const stop = new AbortController();
  try {
    await client.round();
    await using local = await Viewers.start({ ...watch, ...cluster.target(owner) });
    await using remote = await Viewers.start({ ...watch, ...cluster.target(other) });
    const load = client.offer((fleet.size * 1_000) / REPORT_EACH_MS, 3_600, stop.signal);
    const failed = load.then(() => assert.fail("the load ended"));
    failed.catch(() => {});
    await Promise.race([sleep(size.warmUpS * 1_000), failed]);
    for (const viewers of [local, remote]) viewers.forgetAges();
    const before = await Promise.all([owner, other].map((node) => cluster.metrics(node)));
    const began = performance.now();
    await Promise.race([sleep(size.measuredS * 1_000), failed]);
    const counts = await Promise.all([local.counts(), remote.counts()]);
    const after = await Promise.all([owner, other].map((node) => cluster.metrics(node)));
    const elapsedS = (performance.now() - began) / 1_000;
    stop.abort();
    const { reportsPerS } = await load;
    const [ownerCores, otherCores] = after.map(({ cpuS }, i) => (cpuS - before[i].cpuS) / elapsedS);
    const figures: Record<string, number> = { view_reports_per_s: reportsPerS };
    for (const [i, name] of ["local", "remote"].entries()) {
      const { ages, restarts } = counts[i];
      for (const [label, share] of [
        ["p50", 0.5],
        ["p90", 0.9],
        ["p99", 0.99],
      ] as const)
        figures[`${name}_view_${label}_ms`] = ages.percentile(share) / AGE_UNITS_PER_MS;
      figures[`${name}_view_max_ms`] = ages.max / AGE_UNITS_PER_MS;
      figures[`${name}_view_measured_reports`] = ages.count;
      figures[`${name}_view_skipped_frames`] =
        restarts + after[i].get("muster_feed_skipped_total") - before[i].get("muster_feed_skipped_total");
    }
    return { ...figures, view_owner_cores: ownerCores, view_other_cores: otherCores };
  } finally {
    stop.abort();
    client.close();
  }
}
