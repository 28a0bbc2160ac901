/**
 * `peers`: the same fleet, moved in the same way, to the same viewers through Muster and through what is often used in its place. Everybody sends
 * the same 24 bytes of an entity, and who only sends to tiles is told the tiles of each viewer's cover. Records are counted as they arrive, the
 * CPU time is the server's.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Fleet, workloadHash } from "./fleet.ts";
import { movingFeed, type Pace } from "./moving-feed.ts";
import { startNats } from "./peers/nats.ts";
import type { Peer } from "./peers/peer.ts";
import { nameOf, subjectOf, type Tile, tilesOf, wildcardOf } from "./peers/tiles.ts";
import type { PeerName } from "./peers/viewer.ts";
import { Random } from "./random.ts";
import type { Measured, Options } from "./result.ts";
import { BenchServer, SOCKETIO_PEER, WS_PEER } from "./server-process.ts";
import { Viewers } from "./viewers-process.ts";
import { chooseViewports } from "./viewports.ts";

const SEED = 20_262;
const POLL_MS = 5;
/** In which Linux counts: a small run may show nothing. */
const CPU_RESOLUTION_S = 0.01;
/** All of a step at all viewers, where a message for each entity makes millions. */
const ARRIVAL_MS = 120_000;

interface Steps {
  warmUp: number;
  measured: number;
}
interface Size {
  entities: number;
  viewers: number;
  held: [least: number, most: number];
  pace: Pace;
  /** With a message for each entity, and with one for each tile. */
  single: Steps;
  batched: Steps;
}

const SIZES: Record<Options["size"], Size> = {
  full: {
    ...{ entities: 100_000, viewers: 1_000, held: [500, 5_000] },
    pace: { rate: 10, warmUpTicks: 50, measuredTicks: 150 },
    single: { warmUp: 1, measured: 4 },
    batched: { warmUp: 10, measured: 50 },
  },
  small: {
    ...{ entities: 2_000, viewers: 20, held: [50, 500] },
    pace: { rate: 10, warmUpTicks: 3, measuredTicks: 10 },
    single: { warmUp: 1, measured: 3 },
    batched: { warmUp: 1, measured: 3 },
  },
};

interface Run {
  /** Of its figures. */
  name: string;
  of: PeerName;
  steps: Steps;
  /** What a viewer asks for to get a tile. */
  tile(tile: Tile): string;
  start(): Promise<Peer | undefined>;
}

export async function peers(options: Options): Promise<Measured> {
  const size = SIZES[options.size];
  const fleet = new Fleet({ entities: size.entities, seed: SEED });
  const viewports = chooseViewports(fleet, size.viewers, size.held, new Random(SEED));
  const boxes = Float64Array.from(viewports.flatMap(({ bbox }) => bbox));
  const { lon, lat, speed, course } = fleet;
  const workload_hash = workloadHash(
    { scenario: "peers", seed: SEED, ...size },
    boxes,
    lon,
    lat,
    speed,
    course,
  );

  const muster = await movingFeed(options, fleet, viewports, "bin", size.pace);
  const musterRate = muster.delivered / muster.cpuS;
  const figures: Record<string, number> = { delivered_per_cpu_s: musterRate, viewers: size.viewers };
  const tiles = viewports.map(({ cover }) => tilesOf(cover));
  const node = (entry: typeof WS_PEER | typeof SOCKETIO_PEER, batched: boolean) => () =>
    startNode(options, entry, fleet, batched);
  const runs: Run[] = [
    { name: "ws", of: "ws", steps: size.single, tile: nameOf, start: node(WS_PEER, false) },
    {
      ...{ name: "nats", of: "nats", steps: size.single, tile: wildcardOf },
      start: () => startNats(fleet, false, tiles),
    },
    {
      ...{ name: "nats_batched", of: "nats", steps: size.batched, tile: subjectOf },
      start: () => startNats(fleet, true, tiles),
    },
    {
      ...{ name: "socketio", of: "socketio", steps: size.single, tile: nameOf },
      start: node(SOCKETIO_PEER, false),
    },
    {
      ...{ name: "socketio_batched", of: "socketio", steps: size.batched, tile: nameOf },
      start: node(SOCKETIO_PEER, true),
    },
  ];
  for (const { name, of, steps, tile, start } of runs) {
    await using peer = await start();
    if (peer === undefined) {
      console.log(`${name} is left out: nats-server is not installed (apt-get install nats-server)`);
      continue;
    }
    const names = tiles.map((list) => list.map(tile));
    const rate = await delivered(peer, of, names, steps);
    figures[`${name}_delivered_per_cpu_s`] = rate;
    figures[`muster_to_${name}_ratio`] = musterRate / rate;
  }
  return { workload_hash, figures };
}

async function startNode(
  { server, nodeFlags }: Options,
  entry: typeof WS_PEER | typeof SOCKETIO_PEER,
  fleet: Fleet,
  batched: boolean,
): Promise<Peer> {
  const { entities, seed } = fleet.parameters;
  const args = ["--entities", String(entities), "--seed", String(seed), ...(batched ? ["--batched"] : [])];
  const started = await BenchServer.start({ entry, args, nodeFlags, server });
  return {
    url: started.url,
    step: async () => Number(await started.get("/step")),
    cpuS: async () => (await started.metrics()).cpuS,
    [Symbol.asyncDispose]: () => started[Symbol.asyncDispose](),
  };
}

/** @returns records that arrived, by CPU second of the server */
async function delivered(
  peer: Peer,
  of: PeerName,
  tiles: readonly (readonly string[])[],
  { warmUp, measured }: Steps,
): Promise<number> {
  await using viewers = await Viewers.start({ of, url: peer.url, token: "", tiles });
  let expected = 0;
  const run = async (steps: number) => {
    for (let i = 0; i < steps; i++) {
      expected += await peer.step();
      await arrival(viewers, of, expected);
    }
    return { cpuS: await peer.cpuS(), records: expected };
  };
  const before = await run(warmUp);
  const after = await run(measured);
  return (after.records - before.records) / Math.max(CPU_RESOLUTION_S, after.cpuS - before.cpuS);
}

/** Waits until so many records have arrived. @throws if some are lost, or there are more than were sent */
async function arrival(viewers: Viewers, of: PeerName, expected: number): Promise<void> {
  const deadline = performance.now() + ARRIVAL_MS;
  for (;;) {
    const records = (await viewers.counts()).ticks.get(0)!.records;
    if (records === expected) return;
    if (records > expected || performance.now() > deadline)
      throw new Error(`${of}: ${records} records arrived, ${expected} were sent`);
    await sleep(POLL_MS);
  }
}
