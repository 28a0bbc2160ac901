/**
 * Renews the lease of a node of a cluster and reads the cluster, in one round trip, by the clock of the server.
 *
 * `FOR SHARE` keeps apart renewal and eviction: a lease that was renewed is not evicted, an evicted one is not renewed. A flush or a claim
 * under way does not hold it up.
 *
 * Input: incarnation, its URL if that is another one than at its join.
 */
import type { PoolClient } from "pg";
import { type Claimed, type ClusterState, LEASE_MS, type Member } from "../cluster/ports.ts";

const SQL = `
WITH held AS MATERIALIZED (
  SELECT incarnation FROM fence WHERE incarnation = $1 AND NOT down FOR SHARE
), renewed AS (
  UPDATE node SET lease_until = clock_timestamp() + make_interval(secs => ${LEASE_MS / 1_000}),
    url = coalesce($2::text, node.url)
  FROM held WHERE node.incarnation = held.incarnation RETURNING 1
)
SELECT (
  SELECT json_agg(json_build_object(
    'incarnation', n.incarnation, 'version', n.version, 'draining', n.draining,
    'url', CASE WHEN n.incarnation = $1 THEN coalesce($2::text, n.url) ELSE n.url END,
    'leaseLeftMs', CASE WHEN n.incarnation = $1 THEN ${LEASE_MS}
      ELSE greatest(0, extract(epoch FROM n.lease_until - clock_timestamp()) * 1000)::float8 END
  ) ORDER BY n.incarnation)
  FROM node n JOIN fence f USING (incarnation) WHERE NOT f.down
) AS members, (
  SELECT json_agg(json_build_array(CASE WHEN f.down THEN NULL ELSE s.owner END, s.epoch) ORDER BY s.id)
  FROM shard s LEFT JOIN fence f ON f.incarnation = s.owner
) AS shards
FROM renewed`;

interface Row {
  members: Member[];
  shards: [owner: string | null, epoch: number][];
}

/** @returns `undefined` if this incarnation is down. */
export async function renewLease(
  client: PoolClient,
  incarnation: string,
  url: string | undefined,
): Promise<ClusterState | undefined> {
  const { rows } = await client.query<Row>({ name: "renew-lease", text: SQL, values: [incarnation, url] });
  const row = rows[0];
  if (row === undefined) return undefined;
  const shards = row.shards.map(([owner, epoch]): Claimed => (owner === null ? { epoch } : { owner, epoch }));
  return { members: row.members, shards };
}
