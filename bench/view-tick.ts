/**
 * What one view costs in one tick, beside its bytes: the server's CPU time with many small views, less that with one, by views and ticks.
 * The views of a run hold about equally much; those that hold nothing get no frames.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { BASE_TICK_MS } from "../src/limits.ts";
import { coverOf } from "../src/picture/cover.ts";
import type { Bbox } from "../src/transport/feed/protocol.ts";
import { Fleet } from "./fleet.ts";
import { startFeedServer, watch } from "./moving-feed.ts";
import { Random } from "./random.ts";
import type { Options } from "./result.ts";
import type { BenchServer } from "./server-process.ts";
import { chooseViewports, type Viewport } from "./viewports.ts";

const SEED = 20_263;
const RATE = 10;
/** Near the south pole, where the fleet never is. */
const NOWHERE: Bbox = [10, -89, 11, -88];
/** What views hold, about. */
const HELD = [0, 10, 200] as const;
const SPREAD = 0.1;

interface Size {
  entities: number;
  views: readonly number[];
  warmUpS: number;
  measuredS: number;
}

/** Few entities, so that moving them hides nothing. */
export const VIEW_TICK_SIZES: Record<Options["size"], Size> = {
  full: { entities: 10_000, views: [1_000, 5_000], warmUpS: 4, measuredS: 8 },
  small: { entities: 1_000, views: [50], warmUpS: 0.3, measuredS: 0.6 },
};

/** Figures by what a view holds and how many views there are. */
export async function viewTicks(options: Options): Promise<Record<string, number>> {
  const size = VIEW_TICK_SIZES[options.size];
  const fleet = new Fleet({ entities: size.entities, seed: SEED });
  await using server = await startFeedServer(options, fleet, RATE);
  const figures: Record<string, number> = {};
  const alone = await cpuShare(options, server, viewportsOf(fleet, 1, 200), size);
  for (const views of size.views)
    for (const held of HELD) {
      const share = await cpuShare(options, server, viewportsOf(fleet, views, held), size);
      const name = held === 0 ? "empty" : `of_${held}`;
      figures[`view_tick_${views}_views_${name}_us`] = ((share - alone) / (views - 1)) * BASE_TICK_MS * 1_000;
    }
  return figures;
}

function viewportsOf(fleet: Fleet, count: number, held: number): readonly Viewport[] {
  if (held === 0) return Array(count).fill({ bbox: NOWHERE, cover: coverOf(NOWHERE) });
  return chooseViewports(fleet, count, [held * (1 - SPREAD), held * (1 + SPREAD)], new Random(SEED));
}

/** Cores that the server uses while these views are open. */
async function cpuShare(
  options: Options,
  server: BenchServer,
  viewports: readonly Viewport[],
  { warmUpS, measuredS }: Size,
): Promise<number> {
  await using _ = await watch(server, viewports, "bin", RATE, options);
  await sleep(warmUpS * 1_000);
  const read = async () => ({ cpuS: (await server.metrics()).cpuS, at: performance.now() });
  const before = await read();
  await sleep(measuredS * 1_000);
  const after = await read();
  return ((after.cpuS - before.cpuS) / (after.at - before.at)) * 1_000;
}
