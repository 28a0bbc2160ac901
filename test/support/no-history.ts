/** Those who have nothing of the past. */
import type { TrackStore, TrackTails } from "../../src/tracks/ports.ts";

export const NO_ROWS: TrackStore = {
  at: async () => [],
  of: async () => [],
  during: async () => [],
  floor: async () => -Infinity,
};

export const NO_TAILS: TrackTails = {
  at: async () => ({ pages: [], missing: [] }),
  of: async () => ({ segments: [], missing: [] }),
  during: async () => ({ pages: [], missing: [] }),
  labels: async () => ({ labels: new Map(), missing: [] }),
};
