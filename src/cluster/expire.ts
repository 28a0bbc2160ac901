/** Takes reports out whose time is over: those that wait, and those on a link. This node's own answers are waited for. */
import { CLUSTER_COMMIT_WAIT_MS, CLUSTER_WAIT_MS, SHARDS } from "../limits.ts";
import type { Batch, Consignment } from "./consignment.ts";
import type { Places } from "./places.ts";
import type { ShardLanes } from "./shard-lanes.ts";

/**
 * @param now monotonic ms; what was due until then is taken out.
 * @param late gets each of them.
 * @returns the shards that had any.
 */
export function expire(
  now: number,
  lanes: ShardLanes,
  places: Places,
  late: (batch: Batch, index: number) => void,
): Set<number> {
  const touched = new Set<number>();
  for (const { link, cargo: all } of places.links()) {
    for (const cargo of all) {
      const due = link.hasTaken(cargo) ? now - (CLUSTER_COMMIT_WAIT_MS - CLUSTER_WAIT_MS) : now;
      if (cargo.deadline > due) continue;
      expireCargo(cargo, due, lanes, touched, late);
      if (cargo.left === 0) all.delete(cargo);
    }
    link.trim();
  }
  if (lanes.waiting === 0) return touched;
  for (let shard = 0; shard < SHARDS; shard++) {
    for (const { batch, index } of lanes.takeLate(shard, now)) {
      touched.add(shard);
      late(batch, index);
    }
  }
  return touched;
}

function expireCargo(
  cargo: Consignment,
  now: number,
  lanes: ShardLanes,
  touched: Set<number>,
  late: (batch: Batch, index: number) => void,
): void {
  for (let position = 0; position < cargo.count; position++) {
    if (!cargo.has(position)) continue;
    const batch = cargo.batchOf(position);
    if (batch.deadline > now) continue;
    const shard = cargo.shardOf(position);
    cargo.remove(position);
    lanes.underWay[shard] -= 1;
    touched.add(shard);
    late(batch, cargo.indexOf(position));
  }
}
