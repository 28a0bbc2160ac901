/** What the peers that run in Node have in common: the fleet, its steps, and the pages that the benchmark reads. */
import { parseArgs } from "node:util";
import { createMetrics } from "../../src/telemetry/metrics.ts";
import { Fleet } from "../fleet.ts";
import { TiledFleet } from "./tiled-fleet.ts";

const { values } = parseArgs({
  options: { entities: { type: "string" }, seed: { type: "string" }, batched: { type: "boolean" } },
});
/** Send one message with all records of a tile, in place of one for each. */
export const batched = values.batched === true;

const fleet = new TiledFleet(new Fleet({ entities: Number(values.entities), seed: Number(values.seed) }));
const metrics = createMetrics([]);
let steps = 0;

/**
 * The body of a page: `/metrics`, or `/step`, which moves the fleet, sends all of it and answers with the number of records sent. The benchmark
 * asks for the next step when they have arrived, so that nothing piles up and nobody has to be left out.
 * @param send sends a step to all viewers. @returns how many records
 */
export async function peerPage(path: string, send: (fleet: TiledFleet) => number): Promise<string> {
  if (path.startsWith("/metrics")) return metrics.registry.metrics();
  steps += 1;
  fleet.move(steps / 10);
  return String(send(fleet));
}
