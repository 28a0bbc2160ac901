/** The reports of one batch that go several ways, by place: parts of one array, sorted by counting. */
import { NOWHERE } from "./shard-lanes.ts";

/**
 * @param shards by index of the report.
 * @param to by shard: the number of its place, or `NOWHERE`.
 * @param places numbers of places are below this.
 * @param part gets each place that has any, with the ascending indices of its reports.
 */
export function divide(
  shards: Uint8Array,
  to: Int16Array,
  places: number,
  part: (place: number, indices: Uint32Array) => void,
): void {
  // By number of the place + 1, since `NOWHERE` comes first.
  const starts = new Uint32Array(places + 2);
  for (const shard of shards) starts[to[shard] + 2] += 1;
  for (let i = 1; i < starts.length; i++) starts[i] += starts[i - 1];
  const next = starts.slice();
  const indices = new Uint32Array(shards.length);
  for (let i = 0; i < shards.length; i++) indices[next[to[shards[i]] + 1]++] = i;
  for (let place = NOWHERE; place < places; place++) {
    const start = starts[place + 1];
    const end = starts[place + 2];
    if (end > start) part(place, indices.subarray(start, end));
  }
}
