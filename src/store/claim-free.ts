/**
 * Claims shards that nobody owns, or one that is down; on demand takes down first those whose lease has run out.
 *
 * Locks, in this order: the cluster's row (evictors only: one at a time, as two that evict each other would deadlock), the own fence FOR
 * SHARE, so that whoever evicts this node waits until the claim is complete; the fences of those to be evicted, which waits for their flushes
 * under way; shards, where rows that another holds are left out. The own generation stays: flushes of other shards are under way with it.
 */
import type { PoolClient } from "pg";
import { inTransaction, type StoreContext } from "./session.ts";

const ONE_EVICTOR = "SELECT FROM cluster FOR UPDATE";
const HELD = "SELECT FROM fence WHERE incarnation = $1 AND NOT down FOR SHARE";
const EXPIRED = `
SELECT f.incarnation FROM fence f JOIN node n USING (incarnation)
WHERE f.incarnation <> $1 AND NOT f.down AND n.lease_until < clock_timestamp() ORDER BY f.incarnation FOR UPDATE OF f`;
/** Looks again: while their fences were waited for, some may have renewed. */
const EVICT = `
UPDATE fence SET down = true FROM node n
WHERE fence.incarnation = n.incarnation AND fence.incarnation = ANY ($1) AND n.lease_until < clock_timestamp()`;
/** Rows of the dead are of use to nobody but an operator who looks. An incarnation never returns, and without a fence it can write nothing. */
const BURY = `
DELETE FROM node n USING fence f WHERE f.incarnation = n.incarnation AND f.down
AND n.lease_until < clock_timestamp() - interval '1 hour' AND NOT EXISTS (SELECT FROM shard WHERE owner = n.incarnation)`;
const CLAIM = `
WITH free AS MATERIALIZED (
  SELECT s.id FROM shard s LEFT JOIN fence f ON f.incarnation = s.owner
  WHERE s.id = ANY ($2) AND (s.owner IS NULL OR f.down) ORDER BY s.id FOR UPDATE OF s SKIP LOCKED
)
UPDATE shard SET owner = $1, epoch = epoch + 1 FROM free WHERE shard.id = free.id
RETURNING shard.id::int AS id, shard.epoch`;

/** @returns shard → its new epoch; `undefined` if this incarnation is down. */
export function claimFree(
  context: StoreContext,
  incarnation: string,
  shards: readonly number[],
  evict: boolean,
): Promise<Map<number, number> | undefined> {
  return inTransaction(context, async (client) => {
    if (evict) await client.query(ONE_EVICTOR);
    const held = await client.query(HELD, [incarnation]);
    if (held.rowCount === 0) return undefined;
    if (evict) await evictExpired(client, incarnation);
    const { rows } = await client.query<{ id: number; epoch: number }>(CLAIM, [incarnation, shards]);
    return new Map(rows.map((row) => [row.id, row.epoch]));
  });
}

async function evictExpired(client: PoolClient, incarnation: string): Promise<void> {
  const { rows } = await client.query<{ incarnation: string }>(EXPIRED, [incarnation]);
  if (rows.length > 0) await client.query(EVICT, [rows.map((row) => row.incarnation)]);
  await client.query(BURY);
}
