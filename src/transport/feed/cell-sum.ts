/** Whether clusters have changed. */
import type { Clusters } from "../../picture/clusters.ts";
import type { Cover } from "../../picture/cover.ts";

/** How many cells there are in a cover, and a checksum of them. */
export function cellSum(clusters: Clusters, level: number, cover: Cover): { cells: number; sum: number } {
  let sum = 0;
  let cells = 0;
  clusters.forEach(level, cover, (lon, lat, count) => {
    sum = mixed(mixed(mixed(sum, count), Math.round(lon * 1e4)), Math.round(lat * 1e4));
    cells++;
  });
  return { cells, sum };
}

/** A checksum, and one number more. Each is mixed by itself: of what is added up, changes of two can cancel each other. */
function mixed(sum: number, number: number): number {
  const product = Math.imul(sum ^ number, 0x01000193);
  return (product ^ (product >>> 15)) >>> 0;
}
