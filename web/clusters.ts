/** Clusters: how many entities there are around a place, when they are too many to be shown one by one. */
import { contains } from "../client/bbox.ts";
import type { Bbox, ClusterCell } from "../src/transport/feed/protocol.ts";

/** Pixels of a cluster's circle: one of a thousand is twice as wide as a single one, and one of a million three times. */
export function clusterRadius(count: number): number {
  return 12 + 4 * Math.log10(count);
}

const COMPACT = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });

/** `950`, `1.23K`, `45.6K`, `7.89M`. */
export function clusterText(count: number): string {
  return COMPACT.format(count);
}

/** How many entities the clusters in a box stand for. */
export function countClusters(clusters: readonly ClusterCell[], bbox: Bbox): number {
  let sum = 0;
  for (const [lon, lat, count] of clusters) if (contains(bbox, lon, lat)) sum += count;
  return sum;
}
