/**
 * `ingest`: how many reports a second are durable, as JSON over HTTP and as binary batches over feeds. First a closed loop finds what the node can take, then an open loop
 * at 70 % of that, once it has settled, measures how long an acknowledgement takes.
 */
import assert from "node:assert/strict";
import { BinaryBatches } from "./binary-batches.ts";
import { FeedReports } from "./feed-reports.ts";
import { Fleet, workloadHash } from "./fleet.ts";
import { HttpReports } from "./http-reports.ts";
import { ReportBatches } from "./report-batches.ts";
import { percentile, ReportClient, type ReportRoute } from "./report-client.ts";
import type { Measured, Options } from "./result.ts";
import { BenchServer, NODE } from "./server-process.ts";

export const SEED = 20_261;
export interface IngestSize {
  entities: number;
  batchSize: number;
  /** In JSON each has one batch under way. */
  connections: number;
  /** A commit is shared by what is under way, and these batches take less time than it does. */
  binaryInFlight: number;
  warmUpS: number;
  saturateS: number;
  /** What saturation left to be written is not what an open loop leaves. */
  settleS: number;
  offerS: number;
  /** Of capacity: near enough to be under load, far enough for a queue to drain. */
  openLoopShare: number;
}

const SIZES: Record<Options["size"], IngestSize> = {
  full: {
    ...{ entities: 100_000, batchSize: 1_000, connections: 8, binaryInFlight: 32 },
    ...{ warmUpS: 5, saturateS: 15, settleS: 5, offerS: 15, openLoopShare: 0.7 },
  },
  small: {
    ...{ entities: 2_000, batchSize: 250, connections: 4, binaryInFlight: 8 },
    ...{ warmUpS: 0.1, saturateS: 0.4, settleS: 0.1, offerS: 0.4, openLoopShare: 0.7 },
  },
};

export function ingest(options: Options): Promise<Measured> {
  return measureIngest("ingest", SIZES[options.size], options);
}

export async function measureIngest(scenario: string, size: IngestSize, options: Options): Promise<Measured> {
  const { entities, batchSize, connections } = size;
  const fleet = new Fleet({ entities, seed: SEED });
  const json = new ReportBatches(fleet, batchSize, SEED);
  const bin = new BinaryBatches(fleet, batchSize, SEED, connections);
  const generated = [...json.generated, ...bin.generated];
  const workload_hash = workloadHash({ scenario, seed: SEED, ...size }, ...generated);
  const figures: Record<string, number> = {};
  if (options.protocol !== "bin") {
    const open = async (server: BenchServer) => new HttpReports(server, json, connections);
    Object.assign(figures, await run(options, size, "", open));
  }
  if (options.protocol !== "json") {
    const open = (server: BenchServer) => FeedReports.open(server, bin, connections);
    Object.assign(figures, await run(options, size, "bin_", open));
  }
  return { workload_hash, figures };
}

/** One run on a node of its own. @param prefix of the figures' names */
async function run(
  options: Options,
  size: IngestSize,
  prefix: "" | "bin_",
  open: (server: BenchServer) => Promise<ReportRoute>,
): Promise<Record<string, number>> {
  const inFlight = prefix === "" ? size.connections : size.binaryInFlight;
  await using server = await BenchServer.start({ ...options, entry: NODE, args: ["serve"] });
  const client = new ReportClient(await open(server));
  try {
    await client.round();
    await client.saturate(inFlight, size.warmUpS);

    const before = await server.metrics();
    const clientBefore = process.cpuUsage();
    const began = performance.now();
    const durable = await client.saturate(inFlight, size.saturateS);
    const clientUsed = process.cpuUsage(clientBefore);
    const elapsed = (performance.now() - began) / 1_000;
    const after = await server.metrics();
    const cpu = after.cpuS - before.cpuS;

    const offeredPerS = durable * size.openLoopShare;
    await client.offer(offeredPerS, size.settleS);
    const offered = await client.offer(offeredPerS, size.offerS);

    const end = await server.metrics();
    const refused = client.sent - client.acknowledged;
    assert.equal(
      end.get("muster_reports_accepted_total"),
      client.acknowledged,
      "the node counted what it acknowledged",
    );
    assert.equal(end.get("muster_reports_duplicate_total"), 0);
    assert.equal(end.get("muster_reports_refused_total"), refused);
    assert.ok(end.get("muster_entities") >= size.entities);
    const during = (name: string) => after.get(name) - before.get(name);
    const accepted = during("muster_reports_accepted_total");
    const figures = {
      durable_reports_per_s: durable,
      reports_per_cpu_s: accepted / cpu,
      server_cpu_s: cpu,
      server_cores: cpu / elapsed,
      client_cores: (clientUsed.user + clientUsed.system) / 1e6 / elapsed,
      flushes_per_s: during("muster_flushes_total") / elapsed,
      journal_bytes_per_report: during("muster_flushed_bytes_total") / accepted,
      events_per_s: during("muster_events_total") / elapsed,
      track_reports_per_s: during("muster_track_points_written_total") / elapsed,
      track_waiting_mb: after.get("muster_track_waiting_bytes") / 1e6,
      open_loop_reports_per_s: offered.reportsPerS,
      ack_p50_ms: percentile(offered.latencies, 0.5),
      ack_p99_ms: percentile(offered.latencies, 0.99),
      ack_max_ms: percentile(offered.latencies, 1),
      rss_mb: end.rssMb,
      sent_reports: client.sent,
      acknowledged_reports: client.acknowledged,
      refused_reports: refused,
    };
    return Object.fromEntries(Object.entries(figures).map(([name, value]) => [prefix + name, value]));
  } finally {
    client.close();
  }
}
