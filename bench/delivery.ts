/** What reached the viewers of a feed, and the server's CPU time for it. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Rate } from "../src/transport/feed/protocol.ts";
import type { BenchServer } from "./server-process.ts";
import type { TickCount } from "./view-counter.ts";
import type { Counts, Viewers } from "./viewers-process.ts";

/** From a publication to its last byte at the last viewer, on a machine that does other things too. */
const ARRIVAL_MS = 30_000;

export interface Delivery {
  /** Moves and full records. */
  delivered: number;
  frames: number;
  bytes: number;
  elapsedS: number;
  cpuS: number;
  viewersCpuS: number;
  /** Turns of views left out because the socket was slow: each costs a snapshot later. */
  skipped: number;
  rssMb: number;
  /** Records by tick, in order. */
  byTick: RecordsByTick;
}
export type RecordsByTick = [tick: number, records: number][];

/** What has arrived of the publications after `first`, up to `last`. */
export interface Arrived {
  first: number;
  last: number;
  byTick: RecordsByTick;
  skipped: number;
}

/**
 * Measures from one pause between two publications to another, so that what was counted is what the CPU was used for.
 * @param isComplete whether all has arrived that was published; waited for, but not for ever.
 */
export async function measure(
  server: BenchServer,
  viewers: Viewers,
  { rate, warmUpTicks, measuredTicks }: { rate: Rate; warmUpTicks: number; measuredTicks: number },
  isComplete: (arrived: Arrived) => boolean = () => true,
): Promise<Delivery> {
  const pause = async (ticks: number) => {
    const tick = await viewers.ticks(ticks);
    await sleep(850 / rate);
    return { tick, at: performance.now(), metrics: await server.metrics(), counts: await viewers.counts() };
  };
  const before = await pause(warmUpTicks);
  const after = await pause(measuredTicks);
  const skippedTurns =
    after.metrics.get("muster_feed_skipped_total") - before.metrics.get("muster_feed_skipped_total");
  const skipped = skippedTurns + after.counts.restarts - before.counts.restarts;
  // One that began while a stalled machine was asked is not among those that the CPU was used for.
  const first = Math.max(...before.counts.ticks.keys());
  const last = after.tick;
  const deadline = performance.now() + ARRIVAL_MS;
  let measured = countsBetween(after.counts, first, last);
  while (!isComplete({ first, last, byTick: recordsOf(measured), skipped }) && performance.now() < deadline) {
    await sleep(50);
    measured = countsBetween(await viewers.counts(), first, last);
  }
  const sum = (of: keyof TickCount) => measured.reduce((total, [, count]) => total + count[of], 0);
  return {
    delivered: sum("records"),
    frames: sum("frames"),
    bytes: sum("bytes"),
    elapsedS: (after.at - before.at) / 1_000,
    cpuS: after.metrics.cpuS - before.metrics.cpuS,
    viewersCpuS: after.counts.cpuS - before.counts.cpuS,
    skipped,
    rssMb: after.metrics.rssMb,
    byTick: recordsOf(measured),
  };
}

/** By tick, in order, without `first`. */
function countsBetween({ ticks }: Counts, first: number, last: number): [tick: number, count: TickCount][] {
  return [...ticks].filter(([tick]) => tick > first && tick <= last).sort(([a], [b]) => a - b);
}

function recordsOf(counts: readonly [tick: number, count: TickCount][]): RecordsByTick {
  return counts.map(([tick, { records }]) => [tick, records]);
}
