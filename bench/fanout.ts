/**
 * `fanout`: entity updates that reach viewers, by CPU second of the server. With the movement made inside the server, so that it
 * measures the feed alone; through ingest, one report a second of each entity, on a whole node; and what a view and tick cost.
 */
import assert from "node:assert/strict";
import { BinaryBatches } from "./binary-batches.ts";
import { type Delivery, measure } from "./delivery.ts";
import { FeedReports } from "./feed-reports.ts";
import { Fleet, workloadHash } from "./fleet.ts";
import { movingFeed, type Pace, watch } from "./moving-feed.ts";
import { Random } from "./random.ts";
import { percentile, ReportClient } from "./report-client.ts";
import type { Measured, Options } from "./result.ts";
import { BenchServer, NODE } from "./server-process.ts";
import { VIEW_TICK_SIZES, viewTicks } from "./view-tick.ts";
import type { Protocol } from "./viewers.ts";
import { chooseViewports, countIn, keysAt, type Viewport } from "./viewports.ts";

const SEED = 20_262;

interface Size {
  entities: number;
  viewers: number;
  /** Entities in a viewer's cover. */
  held: [least: number, most: number];
  /** JSON at 10 Hz would be more than the machine's loopback takes, and the viewers would be left out. */
  pace: Record<Protocol, Pace>;
  /** Of the same views, one after the other, while reports come in. */
  ingestPaces: Record<"ingest_" | "ingest_1hz_", Pace>;
  batchSize: number;
  connections: number;
}

const SIZES: Record<"full" | "small", Size> = {
  full: {
    entities: 100_000,
    viewers: 1_000,
    held: [500, 5_000],
    pace: {
      bin: { rate: 10, warmUpTicks: 50, measuredTicks: 150 },
      json: { rate: 1, warmUpTicks: 5, measuredTicks: 15 },
    },
    ingestPaces: {
      ingest_: { rate: 10, warmUpTicks: 50, measuredTicks: 200 },
      ingest_1hz_: { rate: 1, warmUpTicks: 5, measuredTicks: 20 },
    },
    batchSize: 1_000,
    connections: 4,
  },
  small: {
    entities: 2_000,
    viewers: 20,
    held: [50, 500],
    pace: {
      bin: { rate: 10, warmUpTicks: 3, measuredTicks: 10 },
      json: { rate: 10, warmUpTicks: 3, measuredTicks: 10 },
    },
    ingestPaces: {
      ingest_: { rate: 10, warmUpTicks: 3, measuredTicks: 10 },
      ingest_1hz_: { rate: 1, warmUpTicks: 1, measuredTicks: 2 },
    },
    batchSize: 250,
    connections: 2,
  },
};

export async function fanout(options: Options): Promise<Measured> {
  const size = SIZES[options.size];
  const fleet = new Fleet({ entities: size.entities, seed: SEED });
  const viewports = chooseViewports(fleet, size.viewers, size.held, new Random(SEED));
  const batches = new BinaryBatches(fleet, size.batchSize, SEED, size.connections);
  const boxes = Float64Array.from(viewports.flatMap(({ bbox }) => bbox));
  const parameters = { scenario: "fanout", seed: SEED, ...size, viewTicks: VIEW_TICK_SIZES[options.size] };
  const workload_hash = workloadHash(parameters, boxes, ...batches.generated);
  const keys = keysAt(fleet, 0);
  const held = viewports.reduce((sum, { cover }) => sum + countIn(keys, cover), 0);

  const figures: Record<string, number> = {};
  if (options.protocol !== "json") {
    const moved = await movingFeed(options, fleet, viewports, "bin", size.pace.bin);
    Object.assign(figures, figuresOf(moved, ""));
    Object.assign(figures, await throughIngest(options, size, batches, viewports));
    Object.assign(figures, await viewTicks(options));
  }
  if (options.protocol !== "bin") {
    const moved = await movingFeed(options, fleet, viewports, "json", size.pace.json);
    Object.assign(figures, figuresOf(moved, "json_"));
  }
  figures.viewers = size.viewers;
  figures.mean_entities_per_viewer = held / viewports.length;
  return { workload_hash, figures };
}

function figuresOf(
  delivery: Delivery,
  kind: "" | "json_" | keyof Size["ingestPaces"],
): Record<string, number> {
  const { delivered, bytes, cpuS, elapsedS } = delivery;
  return {
    [`delivered_${kind}per_cpu_s`]: delivered / cpuS,
    [`${kind}delivered_per_s`]: delivered / elapsedS,
    [`${kind}delivered_bytes_per_update`]: bytes / delivered,
    [`${kind}delivered_updates`]: delivered,
    [`${kind}server_cpu_s`]: cpuS,
    [`${kind}server_cores`]: cpuS / elapsedS,
    [`${kind}viewers_cores`]: delivery.viewersCpuS / elapsedS,
    [`${kind}publications`]: delivery.byTick.length,
    [`${kind}skipped_frames`]: delivery.skipped,
    [`${kind}rss_mb`]: delivery.rssMb,
  };
}

async function throughIngest(
  options: Options,
  size: Size,
  batches: BinaryBatches,
  viewports: readonly Viewport[],
): Promise<Record<string, number>> {
  await using server = await BenchServer.start({ ...options, entry: NODE, args: ["serve"] });
  const client = new ReportClient(await FeedReports.open(server, batches, size.connections));
  const stop = new AbortController();
  const figures: Record<string, number> = {};
  try {
    await client.round();
    const load = client.offer(size.entities, 3_600, stop.signal);
    // It ends too soon only by failing, which is said where it is waited for.
    const ended = load.then(() => assert.fail());
    ended.catch(() => {});
    for (const kind of ["ingest_", "ingest_1hz_"] as const) {
      const pace = size.ingestPaces[kind];
      await using viewers = await watch(server, viewports, "bin", pace.rate, options);
      // Whoever fails first: the other's failure would only be what follows.
      const delivery = await Promise.race([measure(server, viewers, pace), ended]);
      Object.assign(figures, figuresOf(delivery, kind));
    }
    stop.abort();
    const { reportsPerS, latencies } = await load;
    return {
      ...figures,
      ingest_reports_per_s: reportsPerS,
      ingest_ack_p99_ms: percentile(latencies, 0.99),
    };
  } finally {
    stop.abort();
    client.close();
  }
}
