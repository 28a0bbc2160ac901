/**
 * Gives shards away: the generation rises and the shards become free, in one statement, so that no pause of this node can come between. The
 * rise waits for flushes and checkpoints that hold the fence, and shuts out those that come later with the old generation.
 *
 * The generation is compared: a release that hung on a dead connection must not land after the generation was settled anew, as the node's next
 * flush would then look like one of an evicted node.
 *
 * Inputs: incarnation, gen, shards.
 */
import type { PoolClient } from "pg";
import type { FenceKey } from "./fence.ts";

const SQL = `
WITH fenced AS (
  UPDATE fence SET gen = gen + 1 WHERE incarnation = $1 AND gen = $2 AND NOT down RETURNING gen
), ordered AS MATERIALIZED (
  SELECT s.id FROM fenced, shard s WHERE s.owner = $1 AND s.id = ANY ($3) ORDER BY s.id FOR UPDATE OF s
), freed AS (
  UPDATE shard SET owner = NULL FROM ordered WHERE shard.id = ordered.id
)
SELECT gen FROM fenced`;

const RAISE = "UPDATE fence SET gen = gen + 1 WHERE incarnation = $1 AND NOT down RETURNING gen";

/** Shuts out all that was begun before. @returns the new generation; `undefined` if this incarnation is down. */
export async function raiseGeneration(client: PoolClient, incarnation: string): Promise<number | undefined> {
  const { rows } = await client.query<{ gen: number }>(RAISE, [incarnation]);
  return rows[0]?.gen;
}

/** @returns the new generation; `undefined` if the fence does not stand with this one. */
export async function releaseShards(
  client: PoolClient,
  key: FenceKey,
  shards: readonly number[],
): Promise<number | undefined> {
  const { rows } = await client.query<{ gen: number }>(SQL, [key.incarnation, key.gen, shards]);
  return rows[0]?.gen;
}
