/**
 * `latency`: from the moment at which a report was due to be sent to a viewer having read it, through ingest, commit and a tick, under load.
 * An open loop: the next report is due whether the node has kept up or not, so a stall shows in all that were due meanwhile.
 */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { AGE_UNITS_PER_MS } from "./age-counter.ts";
import { BinaryBatches } from "./binary-batches.ts";
import { FeedReports } from "./feed-reports.ts";
import { Fleet, workloadHash } from "./fleet.ts";
import { Random } from "./random.ts";
import { ReportClient } from "./report-client.ts";
import type { Measured, Options } from "./result.ts";
import { BenchServer, NODE } from "./server-process.ts";
import { Viewers } from "./viewers-process.ts";
import { chooseViewports } from "./viewports.ts";

const SEED = 20_264;
/** Between two reports of an entity. */
const REPORT_EACH_MS = 1_000;
const MAX_IN_VIEW = 100_000;

interface Size {
  entities: number;
  viewers: number;
  held: [least: number, most: number];
  batchSize: number;
  connections: number;
  warmUpS: number;
  measuredS: number;
}

/** Small batches, so that reports come in evenly; few viewers, so that reading is not what takes long. */
const SIZES: Record<Options["size"], Size> = {
  full: {
    ...{ entities: 100_000, viewers: 100, held: [100, 1_000], batchSize: 250, connections: 8 },
    ...{ warmUpS: 10, measuredS: 30 },
  },
  small: {
    ...{ entities: 2_000, viewers: 10, held: [50, 200], batchSize: 100, connections: 2 },
    ...{ warmUpS: 1.2, measuredS: 2 },
  },
};

export async function latency(options: Options): Promise<Measured> {
  const size = SIZES[options.size];
  const fleet = new Fleet({ entities: size.entities, seed: SEED });
  const viewports = chooseViewports(fleet, size.viewers, size.held, new Random(SEED));
  const batches = new BinaryBatches(fleet, size.batchSize, SEED, size.connections);
  const boxes = Float64Array.from(viewports.flatMap(({ bbox }) => bbox));
  const parameters = { scenario: "latency", seed: SEED, ...size };
  const workload_hash = workloadHash(parameters, boxes, ...batches.generated);

  await using server = await BenchServer.start({ ...options, entry: NODE, args: ["serve"] });
  const client = new ReportClient(await FeedReports.open(server, batches, size.connections));
  const stop = new AbortController();
  try {
    await client.round();
    const { url, token } = server;
    await using viewers = await Viewers.start({
      ...{ of: "feed", url, token, protocol: "bin", rate: 10, max: MAX_IN_VIEW },
      ...{ bboxes: viewports.map(({ bbox }) => bbox), expected: "entities", verify: false },
      reportEachMs: REPORT_EACH_MS,
    });
    const load = client.offer((size.entities * 1_000) / REPORT_EACH_MS, 3_600, stop.signal);
    const failed = load.then(() => assert.fail("the load ended"));
    failed.catch(() => {});
    await Promise.race([sleep(size.warmUpS * 1_000), failed]);
    const before = { metrics: await server.metrics(), counts: await viewers.counts(), at: performance.now() };
    viewers.forgetAges();
    await Promise.race([sleep(size.measuredS * 1_000), failed]);
    const after = { metrics: await server.metrics(), counts: await viewers.counts(), at: performance.now() };
    stop.abort();
    const { reportsPerS } = await load;

    const { ages } = after.counts;
    const elapsedS = (after.at - before.at) / 1_000;
    const during = (name: string) => after.metrics.get(name) - before.metrics.get(name);
    const ms = (units: number) => units / AGE_UNITS_PER_MS;
    return {
      workload_hash,
      figures: {
        viewer_p50_ms: ms(ages.percentile(0.5)),
        viewer_p90_ms: ms(ages.percentile(0.9)),
        viewer_p99_ms: ms(ages.percentile(0.99)),
        viewer_p999_ms: ms(ages.percentile(0.999)),
        viewer_max_ms: ms(ages.max),
        measured_reports: ages.count,
        reports_per_s: reportsPerS,
        accepted_reports_per_s: during("muster_reports_accepted_total") / elapsedS,
        delivered_per_s: during("muster_feed_updates_total") / elapsedS,
        server_cores: (after.metrics.cpuS - before.metrics.cpuS) / elapsedS,
        viewers_cores: (after.counts.cpuS - before.counts.cpuS) / elapsedS,
        skipped_frames: during("muster_feed_skipped_total") + after.counts.restarts,
        rss_mb: after.metrics.rssMb,
        viewers: size.viewers,
      },
    };
  } finally {
    stop.abort();
    client.close();
  }
}
