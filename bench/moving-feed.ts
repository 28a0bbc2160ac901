/** Muster's feed over entities that move inside the server: fan-out alone, and what must arrive of it. */
import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import { BASE_TICK_MS } from "../src/limits.ts";
import type { Rate } from "../src/transport/feed/protocol.ts";
import { type Delivery, measure, type RecordsByTick } from "./delivery.ts";
import type { Fleet } from "./fleet.ts";
import type { Options } from "./result.ts";
import { BenchServer, FEED_SERVER } from "./server-process.ts";
import type { Protocol } from "./viewers.ts";
import { Viewers } from "./viewers-process.ts";
import { countIn, keysAt, type Viewport } from "./viewports.ts";

/** Never reached by what the viewports hold: movement may bring in more than at the start, and clusters would be another benchmark. */
const MAX_IN_VIEW = 100_000;

export interface Pace {
  /** Publications a second; all entities move between two. */
  rate: Rate;
  warmUpTicks: number;
  measuredTicks: number;
}

export function startFeedServer(options: Options, fleet: Fleet, rate: Rate): Promise<BenchServer> {
  const { nodeFlags, server } = options;
  const { entities, seed } = fleet.parameters;
  const args = ["--entities", String(entities), "--seed", String(seed), "--rate", String(rate)];
  return BenchServer.start({ entry: FEED_SERVER, args, nodeFlags, server });
}

/** Opens a view for each viewport. Resolves when all have their snapshot. */
export function watch(
  { url, token }: BenchServer,
  viewports: readonly Viewport[],
  protocol: Protocol,
  rate: Rate,
  { size }: Options,
): Promise<Viewers> {
  const bboxes = viewports.map(({ bbox }) => bbox);
  const max = MAX_IN_VIEW;
  return Viewers.start({
    ...{ of: "feed", url, token, protocol, bboxes, rate, max },
    ...{ expected: "entities", verify: size === "small" },
  });
}

/** Measures, and fails unless each viewer got exactly what its cover held at each publication. */
export async function movingFeed(
  options: Options,
  fleet: Fleet,
  viewports: readonly Viewport[],
  protocol: Protocol,
  pace: Pace,
): Promise<Delivery> {
  const { rate } = pace;
  await using server = await startFeedServer(options, fleet, rate);
  await using viewers = await watch(server, viewports, protocol, rate, options);
  const ticksPerStep = 1_000 / BASE_TICK_MS / rate;
  let expected: RecordsByTick = [];
  const delivery = await measure(server, viewers, pace, ({ first, last, byTick, skipped }) => {
    if (skipped > 0) return true;
    if (expected.length === 0) expected = allRecords(fleet, viewports, rate, first + ticksPerStep, last);
    return isDeepStrictEqual(byTick, expected);
  });
  // Which viewers were left out is not known here, so after that there is nothing exact to compare with.
  if (options.size === "small") assert.equal(delivery.skipped, 0, "no viewer was too slow");
  if (delivery.skipped === 0) assert.deepEqual(delivery.byTick, expected, "records delivered by tick");
  return delivery;
}

/**
 * Records of all viewers at each publication from `first` to `last`: every entity moved before each, so each viewer must get exactly
 * what its cover held then.
 */
function allRecords(
  fleet: Fleet,
  viewports: readonly Viewport[],
  rate: Rate,
  first: number,
  last: number,
): RecordsByTick {
  const ticksPerStep = 1_000 / BASE_TICK_MS / rate;
  const records: RecordsByTick = [];
  for (let tick = first; tick <= last; tick += ticksPerStep) {
    const keys = keysAt(fleet, Math.floor(tick / ticksPerStep) / rate);
    records.push([tick, viewports.reduce((sum, { cover }) => sum + countIn(keys, cover), 0)]);
  }
  return records;
}
