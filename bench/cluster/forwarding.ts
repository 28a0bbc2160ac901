/**
 * What it costs that a report comes to another node than its owner. The same reports but for their ids go to node A: those of shards that A owns, and
 * those of shards that B owns. The CPU time is of both nodes, so what one saves is not hidden in the other.
 */
import assert from "node:assert/strict";
import { BinaryBatches } from "../binary-batches.ts";
import { FeedReports } from "../feed-reports.ts";
import type { FleetParameters } from "../fleet.ts";
import { HttpReports } from "../http-reports.ts";
import { ReportBatches } from "../report-batches.ts";
import { ReportClient, type ReportRoute } from "../report-client.ts";
import type { ClusterUnderTest, Node } from "./cluster-under-test.ts";
import { OwnedFleet } from "./owned-fleet.ts";

export interface ForwardingSize {
  /** Of each of the two. */
  fleet: FleetParameters;
  batchSize: number;
  connections: number;
  binaryInFlight: number;
  warmUpS: number;
  /** Of one turn. */
  turnS: number;
  /** Turns of each of the two, alternately: what one leaves to be done later is done in the other's time, too. */
  turns: number;
}

const WAYS = ["local", "forwarded"] as const;
type Way = (typeof WAYS)[number];
const FIRST_ID = 230_000_000;

/** What was used in all turns of a way. */
interface Used {
  reports: number;
  seconds: number;
  entryCpuS: number;
  otherCpuS: number;
}

export async function forwarding(
  cluster: ClusterUnderTest,
  size: ForwardingSize,
): Promise<Record<string, number>> {
  const [entry, other] = cluster.running;
  const [ofEntry, ofOther] = await cluster.staying();
  const fleets: Record<Way, OwnedFleet> = {
    local: new OwnedFleet(size.fleet, FIRST_ID, ofEntry),
    forwarded: new OwnedFleet(size.fleet, FIRST_ID, ofOther),
  };
  const target = cluster.target(entry);
  const { batchSize, connections } = size;
  const { seed } = size.fleet;
  const json = (fleet: OwnedFleet) =>
    Promise.resolve(new HttpReports(target, new ReportBatches(fleet, batchSize, seed), connections));
  const bin = (fleet: OwnedFleet) =>
    FeedReports.open(target, new BinaryBatches(fleet, batchSize, seed, connections), connections);
  const nodes: [Node, Node] = [entry, other];
  return {
    ...(await measure(cluster, nodes, fleets, json, connections, size, "")),
    ...(await measure(cluster, nodes, fleets, bin, size.binaryInFlight, size, "bin_")),
  };
}

/** @param prefix of the figures' names. */
async function measure(
  cluster: ClusterUnderTest,
  nodes: [entry: Node, other: Node],
  fleets: Record<Way, OwnedFleet>,
  open: (fleet: OwnedFleet) => Promise<ReportRoute>,
  inFlight: number,
  size: ForwardingSize,
  prefix: "" | "bin_",
): Promise<Record<string, number>> {
  const clients: Record<Way, ReportClient> = {
    local: new ReportClient(await open(fleets.local)),
    forwarded: new ReportClient(await open(fleets.forwarded)),
  };
  const used: Record<Way, Used> = { local: nothing(), forwarded: nothing() };
  try {
    for (const way of WAYS) {
      await clients[way].round();
      await clients[way].saturate(inFlight, size.warmUpS);
    }
    for (let turn = 0; turn < size.turns; turn++)
      // The first one goes second in the next turn.
      for (const way of turn % 2 === 0 ? WAYS : WAYS.toReversed())
        await takeTurn(cluster, nodes, clients[way], way, inFlight, size.turnS, used[way]);
    for (const way of WAYS) assert.equal(clients[way].acknowledged, clients[way].sent);
  } finally {
    for (const way of WAYS) clients[way].close();
  }
  const perCpuS = (way: Way) => used[way].reports / (used[way].entryCpuS + used[way].otherCpuS);
  const us = (cpuS: number, way: Way) => (cpuS * 1e6) / used[way].reports;
  const figures = {
    local_reports_per_cpu_s: perCpuS("local"),
    forwarded_reports_per_cpu_s: perCpuS("forwarded"),
    forward_cost_percent: 100 * (1 - perCpuS("forwarded") / perCpuS("local")),
    local_entry_cpu_us_per_report: us(used.local.entryCpuS, "local"),
    local_other_cpu_us_per_report: us(used.local.otherCpuS, "local"),
    forwarded_entry_cpu_us_per_report: us(used.forwarded.entryCpuS, "forwarded"),
    forwarded_owner_cpu_us_per_report: us(used.forwarded.otherCpuS, "forwarded"),
    local_reports_per_s: used.local.reports / used.local.seconds,
    forwarded_reports_per_s: used.forwarded.reports / used.forwarded.seconds,
    local_reports: used.local.reports,
    forwarded_reports: used.forwarded.reports,
  };
  return Object.fromEntries(Object.entries(figures).map(([name, value]) => [prefix + name, value]));
}

async function takeTurn(
  cluster: ClusterUnderTest,
  nodes: [entry: Node, other: Node],
  client: ReportClient,
  way: Way,
  inFlight: number,
  seconds: number,
  used: Used,
): Promise<void> {
  const look = () => Promise.all(nodes.map((node) => cluster.metrics(node)));
  const before = await look();
  const { acknowledged } = client;
  const began = performance.now();
  await client.saturate(inFlight, seconds);
  used.seconds += (performance.now() - began) / 1_000;
  const after = await look();
  const reports = client.acknowledged - acknowledged;
  const [entry, other] = after.map((metrics, i) => ({
    cpuS: metrics.cpuS - before[i].cpuS,
    accepted: metrics.get("muster_reports_accepted_total") - before[i].get("muster_reports_accepted_total"),
  }));
  // Owners count what they decide.
  assert.equal(way === "local" ? entry.accepted : other.accepted, reports, `${way}: the owner decided all`);
  assert.equal(way === "local" ? other.accepted : entry.accepted, 0, `${way}: only the owner decided`);
  for (const metrics of after) {
    assert.equal(metrics.get("muster_reports_duplicate_total"), 0);
    assert.equal(metrics.get("muster_reports_refused_total"), 0);
  }
  used.reports += reports;
  used.entryCpuS += entry.cpuS;
  used.otherCpuS += other.cpuS;
}

function nothing(): Used {
  return { reports: 0, seconds: 0, entryCpuS: 0, otherCpuS: 0 };
}
