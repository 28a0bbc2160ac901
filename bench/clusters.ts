/** `clusters`: what clients that look at the whole world cost, in bytes a second for each and in the server's CPU time, while all moves. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Bbox } from "../src/transport/feed/protocol.ts";
import { measure } from "./delivery.ts";
import { Fleet, workloadHash } from "./fleet.ts";
import { startFeedServer } from "./moving-feed.ts";
import type { Measured, Options } from "./result.ts";
import type { BenchServer } from "./server-process.ts";
import type { Protocol } from "./viewers.ts";
import { Viewers } from "./viewers-process.ts";

const SEED = 20_265;
/** A map of the world as most show it. */
const WORLD: Bbox = [-180, -85, 180, 85];
/** What a client gets that asks for nothing else. */
const MAX_IN_VIEW = 5_000;
/** Steps of the fleet a second. */
const MOVES_PER_S = 1;

interface Size {
  entities: number;
  viewers: number;
  warmUpFrames: number;
  measuredFrames: number;
}

const SIZES: Record<Options["size"], Size> = {
  full: { entities: 1_000_000, viewers: 100, warmUpFrames: 3, measuredFrames: 20 },
  small: { entities: 20_000, viewers: 5, warmUpFrames: 1, measuredFrames: 2 },
};

export async function clusters(options: Options): Promise<Measured> {
  const size = SIZES[options.size];
  const fleet = new Fleet({ entities: size.entities, seed: SEED });
  const parameters = { scenario: "clusters", seed: SEED, bbox: WORLD, max: MAX_IN_VIEW, ...size };
  const workload_hash = workloadHash(parameters, fleet.lon, fleet.lat, fleet.speed, fleet.course);
  await using server = await startFeedServer(options, fleet, MOVES_PER_S);
  const unwatched = await coresWhile(server, size.measuredFrames / 2);
  const bin = await watched(server, size, "bin");
  const json = await watched(server, size, "json");
  return {
    workload_hash,
    figures: {
      cluster_bytes_per_s: bin.bytes / bin.elapsedS / size.viewers,
      cluster_json_bytes_per_s: json.bytes / json.elapsedS / size.viewers,
      cluster_frames: bin.frames,
      cluster_cells_per_viewer: bin.delivered / bin.frames,
      server_cores: bin.cpuS / bin.elapsedS,
      json_server_cores: json.cpuS / json.elapsedS,
      unwatched_server_cores: unwatched,
      rss_mb: bin.rssMb,
      viewers: size.viewers,
    },
  };
}

async function watched(server: BenchServer, size: Size, protocol: Protocol) {
  const { url, token } = server;
  await using viewers = await Viewers.start({
    ...{ of: "feed", url, token, protocol, rate: 10, max: MAX_IN_VIEW, expected: "clusters", verify: true },
    bboxes: Array<Bbox>(size.viewers).fill(WORLD),
  });
  const pace = { rate: 1, warmUpTicks: size.warmUpFrames, measuredTicks: size.measuredFrames } as const;
  return await measure(server, viewers, pace);
}

/** Moving costs something too: cores that the server uses while nobody looks. */
async function coresWhile(server: BenchServer, seconds: number): Promise<number> {
  const before = await server.metrics();
  const began = performance.now();
  await sleep(seconds * 1_000);
  const after = await server.metrics();
  return ((after.cpuS - before.cpuS) / (performance.now() - began)) * 1_000;
}
