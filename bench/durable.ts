/** `durable`: as `ingest`, with as many ids as a node is for. What waits to be written of their tracks comes into it only then. */
import { type IngestSize, measureIngest } from "./ingest.ts";
import type { Measured, Options } from "./result.ts";

const SIZES: Record<Options["size"], IngestSize> = {
  full: {
    ...{ entities: 1_000_000, batchSize: 1_000, connections: 8, binaryInFlight: 32 },
    ...{ warmUpS: 60, saturateS: 60, offerS: 20, openLoopShare: 0.5 },
  },
  small: {
    ...{ entities: 3_000, batchSize: 250, connections: 4, binaryInFlight: 8 },
    ...{ warmUpS: 0.1, saturateS: 0.4, offerS: 0.4, openLoopShare: 0.5 },
  },
};

export function durable(options: Options): Promise<Measured> {
  return measureIngest("durable", SIZES[options.size], options);
}
