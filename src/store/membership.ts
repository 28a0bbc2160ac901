/**
 * Who may write: this process as an incarnation with a lease and a fence row, and the shards that it owns.
 *
 * A single node has a database for itself: one that renews its lease keeps others out. One that does not is waited for until its lease has run
 * out, and is then evicted; one that ran on this machine and whose process is gone is evicted at once. Nodes of a cluster share a database, and
 * keep single nodes out. They start beside each other whatever their leases say: after an outage of the database all have run out, and
 * only a node that has renewed for a while may judge (`claim-free.ts`).
 */
import { randomUUID } from "node:crypto";
import type { PoolClient } from "pg";
import { LEASE_MS } from "../cluster/ports.ts";
import { lockEra, raiseEra } from "./era.ts";
import { StoreStartError } from "./errors.ts";
import { bootId, isOfThisBoot, isRunning } from "./process-identity.ts";
import { inTransaction, type StoreContext } from "./session.ts";

export const LEASE_SECONDS = LEASE_MS / 1_000;
const OTHERS = `
SELECT n.incarnation, n.url, n.pid, n.boot_id, n.clustered, n.lease_until::text AS lease,
  extract(epoch FROM n.lease_until - clock_timestamp())::float8 * 1000 AS left
FROM node n JOIN fence f USING (incarnation) WHERE NOT f.down ORDER BY n.incarnation`;
const JOIN = `
INSERT INTO node (incarnation, url, version, pid, boot_id, clustered, lease_until)
VALUES ($1, $2, $3, $4, $5, $6, clock_timestamp() + make_interval(secs => ${LEASE_SECONDS}))`;
const RENEW = `
UPDATE node n SET lease_until = clock_timestamp() + make_interval(secs => ${LEASE_SECONDS})
FROM fence f WHERE n.incarnation = $1 AND f.incarnation = n.incarnation AND NOT f.down`;
const CLAIM = `
WITH ordered AS MATERIALIZED (
  SELECT s.id FROM shard s LEFT JOIN fence f ON f.incarnation = s.owner
  WHERE s.id = ANY ($2) AND (s.owner IS NULL OR s.owner = $1 OR f.down) ORDER BY s.id FOR UPDATE OF s
)
UPDATE shard SET owner = $1, epoch = epoch + 1 FROM ordered WHERE shard.id = ordered.id
RETURNING shard.id::int AS id, shard.epoch`;

/** In the order of the shards, as all that raise marks. */
const SETTLE_MARKS = `
WITH newest AS (SELECT max(id) AS id FROM journal),
settled AS MATERIALIZED (
  SELECT m.shard FROM mark m JOIN shard s ON s.id = m.shard, newest
  WHERE s.owner = $1 AND m.checkpoint < newest.id AND m.shard NOT IN (
    SELECT part.shard FROM journal j CROSS JOIN unnest(j.shards) AS part (shard) JOIN mark m USING (shard) WHERE j.id > m.checkpoint
  ) ORDER BY m.shard FOR UPDATE OF m
)
UPDATE mark SET checkpoint = newest.id FROM settled, newest WHERE mark.shard = settled.shard`;

interface Other {
  incarnation: string;
  url: string;
  pid: number;
  boot_id: string;
  clustered: boolean;
  lease: string;
  /** Of its lease, ms; negative = it has run out. */
  left: number;
}

/** A live node renews its lease within this time, ms. */
const LOOK_AGAIN_MS = 500;
/** A node of a cluster that has not renewed for so long is none that waits for the database to be back. */
const GONE_MS = 600_000;
/** A look at the others, a lease that was just renewed, and room for a slow machine. */
const LONGEST_WAIT_MS = 2 * LEASE_SECONDS * 1_000;

export interface JoinOptions {
  url: string;
  version: string;
  /** Nobody else can have this database: the folder is locked. */
  alone: boolean;
  /** One of many nodes on this database. */
  clustered: boolean;
}

/**
 * Joins as a new incarnation, evicting those that are dead; waits for the lease of one that may be.
 * @throws StoreStartError `in-use-by-another-node`
 */
export async function join(
  context: StoreContext,
  options: JoinOptions,
): Promise<{ incarnation: string; era: number }> {
  const { clock } = context;
  const end = clock.monotonic() + LONGEST_WAIT_MS;
  const first = new Map<string, string>();
  for (;;) {
    const attempt = await inTransaction(context, (client) => tryJoin(client, options));
    if ("incarnation" in attempt) return attempt;
    const { alive } = attempt;
    const renewed = (first.get(alive.incarnation) ?? alive.lease) !== alive.lease;
    if (renewed || clock.monotonic() > end) {
      throw new StoreStartError(
        "in-use-by-another-node",
        `the database is in use by the node at ${alive.url} (process ${alive.pid})${whatToDo(alive, options)}`,
      );
    }
    first.set(alive.incarnation, alive.lease);
    await new Promise<void>((resolve) =>
      clock.schedule(Math.min(LOOK_AGAIN_MS, Math.max(0, alive.left)), resolve),
    );
  }
}

function whatToDo(alive: Other, { clustered }: JoinOptions): string {
  if (clustered) return ", which runs without a cluster: start that one with REDIS_URL too, or stop it";
  if (alive.clustered) {
    return ", which belongs to a cluster: set REDIS_URL to join it, or stop all its nodes to run a single one";
  }
  return "; to run several nodes on a database, set REDIS_URL for each of them";
}

async function tryJoin(
  client: PoolClient,
  options: JoinOptions,
): Promise<{ incarnation: string; era: number } | { alive: Other }> {
  // One node joins at a time.
  const locked = await lockEra(client);
  // Nobody is beside it on a server that the others do not know.
  const others = locked.hasMoved ? [] : (await client.query<Other>(OTHERS)).rows;
  const beside = (other: Other) => options.clustered && other.clustered && !isDead(other);
  const rivals = others.filter((other) => !beside(other));
  const alive = rivals.find((other) => !(options.alone || other.left <= 0 || isDead(other)));
  if (alive !== undefined) return { alive };
  const isBeside = others.some((other) => beside(other) && other.left > -GONE_MS);
  const era = isBeside ? locked.era : await raiseEra(client, locked);
  for (const { incarnation } of rivals) {
    await client.query("UPDATE fence SET down = true WHERE incarnation = $1", [incarnation]);
  }
  const incarnation = randomUUID();
  const { url, version, clustered } = options;
  await client.query(JOIN, [incarnation, url, version, process.pid, bootId(), clustered]);
  await client.query("INSERT INTO fence (incarnation) VALUES ($1)", [incarnation]);
  ours.add(incarnation);
  return { incarnation, era };
}

/** Incarnations that this process has open: their process id says nothing about them. */
const ours = new Set<string>();

/** Whether it ran on this machine and its process is gone. */
function isDead(other: Other): boolean {
  if (ours.has(other.incarnation) || !isOfThisBoot(other.boot_id)) return false;
  return other.pid === process.pid || !isRunning(other.pid);
}

/** Renews the lease. @returns false if this incarnation is down. */
export async function renew(client: PoolClient, incarnation: string): Promise<boolean> {
  const result = await client.query(RENEW, [incarnation]);
  return result.rowCount === 1;
}

/** Claims shards; those that were this node's own get a new epoch too, and the generation rises so that no older flush can land. */
export function claim(
  context: StoreContext,
  incarnation: string,
  shards: readonly number[],
): Promise<{ epochs: Map<number, number>; gen: number } | undefined> {
  return inTransaction(context, async (client) => {
    const fence = await client.query<{ gen: number }>(
      "UPDATE fence SET gen = gen + 1 WHERE incarnation = $1 AND NOT down RETURNING gen",
      [incarnation],
    );
    const gen = fence.rows[0]?.gen;
    if (gen === undefined) return undefined;
    const { rows } = await client.query<{ id: number; epoch: number }>(CLAIM, [incarnation, shards]);
    return { epochs: new Map(rows.map((row) => [row.id, row.epoch])), gen };
  });
}

/** Leaves in order, as the only node: nothing of this incarnation can become durable any more, its shards are free. */
export function leave(context: StoreContext, incarnation: string): Promise<void> {
  ours.delete(incarnation);
  return inTransaction(context, async (client) => {
    await client.query("UPDATE fence SET down = true WHERE incarnation = $1", [incarnation]);
    await client.query("UPDATE shard SET owner = NULL WHERE owner = $1", [incarnation]);
    await client.query("DELETE FROM node n USING fence f WHERE n.incarnation = f.incarnation AND f.down");
  });
}

/**
 * Leaves a cluster in order. Nothing of this incarnation is under way once its fence is down, so what the journal has of its shards is all there is:
 * those that have nothing above their mark get the newest row's id as their mark.
 */
export function leaveCluster(context: StoreContext, incarnation: string): Promise<void> {
  ours.delete(incarnation);
  return inTransaction(context, async (client) => {
    const fence = await client.query(
      "UPDATE fence SET down = true WHERE incarnation = $1 AND NOT down RETURNING 1",
      [incarnation],
    );
    if (fence.rowCount === 0) return;
    await client.query(SETTLE_MARKS, [incarnation]);
    await client.query("UPDATE shard SET owner = NULL WHERE owner = $1", [incarnation]);
    await client.query("DELETE FROM node WHERE incarnation = $1", [incarnation]);
  });
}

/** Why an incarnation that is down can write nothing any more. */
export function evicted(): Error {
  return new Error("another node has taken this node's place in the database");
}
