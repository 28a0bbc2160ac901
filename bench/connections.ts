/**
 * `connections`: memory of the server for a connection with a view in which nothing happens. A first batch is not counted: it brings in
 * code, pools and pages that every server has once.
 */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import type { Bbox } from "../src/transport/feed/protocol.ts";
import { loadUws } from "../src/transport/server/load-uws.ts";
import { Fleet, workloadHash } from "./fleet.ts";
import { startFeedServer } from "./moving-feed.ts";
import type { Measured, Options, ServerName } from "./result.ts";
import type { BenchServer, Metrics } from "./server-process.ts";
import { Viewers } from "./viewers-process.ts";

const SEED = 20_266;
/** Near the south pole, where the fleet never is. */
const NOWHERE: Bbox = [10, -89, 11, -88];
/** So that garbage is gone from the figures: the server collects before each. */
const GC_FLAG = "--expose-gc";
/** Until the kernel and timers are done with what was opened. */
const SETTLE_MS = 1_500;

const SIZES = {
  full: { entities: 100, warmUp: 2_000, connections: 8_000 },
  small: { entities: 100, warmUp: 100, connections: 300 },
};

export async function connections(options: Options): Promise<Measured> {
  const size = SIZES[options.size];
  const workload_hash = workloadHash({ scenario: "connections", seed: SEED, bbox: NOWHERE, ...size });
  const figures: Record<string, number> = { connections: size.connections };
  const names: ServerName[] = loadUws().uws === undefined ? ["ws"] : ["uws", "ws"];
  for (const name of names) {
    const { rss, heap, cores } = await memoryOf({ ...options, server: name });
    // Muster's own server is the one with the plain names.
    const prefix = name === options.server ? "" : `${name}_`;
    figures[`${prefix}bytes_per_connection`] = rss / size.connections;
    figures[`${prefix}heap_bytes_per_connection`] = heap / size.connections;
    figures[`${prefix}server_cores`] = cores;
  }
  return { workload_hash, figures };
}

async function memoryOf(options: Options): Promise<{ rss: number; heap: number; cores: number }> {
  const { entities, warmUp, connections } = SIZES[options.size];
  const fleet = new Fleet({ entities, seed: SEED });
  const nodeFlags = [...options.nodeFlags, GC_FLAG];
  await using server = await startFeedServer({ ...options, nodeFlags }, fleet, 10);
  await using _warm = await open(server, warmUp);
  const before = await settled(server);
  await using _ = await open(server, connections);
  const after = await settled(server);
  assert.equal(
    after.get("muster_feed_connections") - before.get("muster_feed_connections"),
    connections,
    "all are open",
  );
  const began = performance.now();
  await sleep(SETTLE_MS);
  const end = await server.metrics();
  return {
    rss: after.rssBytes - before.rssBytes,
    heap: after.get("nodejs_heap_size_used_bytes") - before.get("nodejs_heap_size_used_bytes"),
    cores: ((end.cpuS - after.cpuS) / (performance.now() - began)) * 1_000,
  };
}

function open({ url, token }: BenchServer, count: number): Promise<Viewers> {
  return Viewers.start({
    ...{ of: "feed", url, token, protocol: "bin", rate: 10, max: 5_000 },
    ...{ bboxes: Array<Bbox>(count).fill(NOWHERE), expected: "entities", verify: false },
  });
}

async function settled(server: BenchServer): Promise<Metrics> {
  await sleep(SETTLE_MS);
  return server.metrics();
}
