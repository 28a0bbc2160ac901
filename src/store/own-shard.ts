/**
 * Lets a statement in that acts as the owner of a shard under an epoch, fenced like a flush: whoever takes the shard waits for it, or it does nothing.
 *
 * Inputs: incarnation, gen, shard, epoch. `held` has a row if the fence stands, `own` if the shard is its incarnation's too.
 */
import type { FenceKey } from "./fence.ts";

export const OWN = `
held AS MATERIALIZED (
  SELECT 1 FROM fence WHERE incarnation = $1 AND gen = $2 AND NOT down FOR SHARE
), own AS MATERIALIZED (
  SELECT 1 FROM held, shard WHERE shard.id = $3 AND shard.owner = $1 AND shard.epoch = $4
)`;

/** A shard under an epoch of it. */
export interface Owned {
  shard: number;
  epoch: number;
}

export function ownedBy({ incarnation, gen }: FenceKey, { shard, epoch }: Owned): unknown[] {
  return [incarnation, gen, shard, epoch];
}
