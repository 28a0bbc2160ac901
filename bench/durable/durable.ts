/**
 * `durable`: as `ingest`, with as many ids as a node is for, since what waits to be written of their tracks comes into it only then. And the same reports
 * through what is often used in Muster's place.
 */
import { Fleet } from "../fleet.ts";
import { type IngestSize, measureIngest, SEED } from "../ingest.ts";
import type { Measured, Options } from "../result.ts";
import { sideBySide } from "./side-by-side.ts";

const SIZES: Record<Options["size"], IngestSize> = {
  full: {
    // With 8 the node waited for commits a third of the time, and what it takes was not found.
    ...{ entities: 1_000_000, batchSize: 1_000, connections: 32, binaryInFlight: 32 },
    ...{ warmUpS: 60, saturateS: 60, settleS: 30, offerS: 60, openLoopShare: 0.5 },
  },
  small: {
    ...{ entities: 3_000, batchSize: 250, connections: 4, binaryInFlight: 8 },
    ...{ warmUpS: 0.1, saturateS: 0.4, settleS: 0.1, offerS: 0.4, openLoopShare: 0.5 },
  },
};
/** Peers have no tracks to fill, so they need no minute to come to rest. */
const PEER_TIMES: Record<Options["size"], { warmUpS: number; saturateS: number }> = {
  full: { warmUpS: 15, saturateS: 30 },
  small: { warmUpS: 0.1, saturateS: 0.3 },
};

export async function durable(options: Options): Promise<Measured> {
  const size = SIZES[options.size];
  const { workload_hash, figures } = await measureIngest("durable", size, options);
  if (options.protocol !== "bin") {
    const fleet = new Fleet({ entities: size.entities, seed: SEED });
    const { batchSize, connections } = size;
    const peers = await sideBySide(
      fleet,
      { batchSize, connections, seed: SEED, ...PEER_TIMES[options.size] },
      options,
    );
    for (const [name, perS] of Object.entries(peers)) {
      figures[name] = perS;
      figures[`muster_to_${name.replace("_per_s", "")}_ratio`] = figures.durable_reports_per_s / perS;
    }
  }
  return { workload_hash, figures };
}
