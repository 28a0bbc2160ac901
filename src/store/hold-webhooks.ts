/**
 * Renews the leases that a node has on webhooks and takes those that have run out, in one statement. Rows that another node is about to take are
 * left out; its own it waits for, which it may be saving to. Who takes a webhook raises its generation, which all that is saved must show. A
 * node that is down gets none.
 *
 * Inputs: holder, lease in ms, incarnation.
 */
import type { PoolClient } from "pg";
import type { Held, Webhook } from "../webhooks/ports.ts";

const SQL = `
WITH alive AS MATERIALIZED (
  SELECT FROM fence WHERE incarnation = $3 AND NOT down
), own AS MATERIALIZED (
  SELECT d.webhook, d.lease_until > clock_timestamp() AS renewed
  FROM alive, webhook_delivery d JOIN webhook w ON w.id = d.webhook
  WHERE w.enabled AND d.holder = $1
  ORDER BY d.webhook FOR UPDATE OF d
), free AS MATERIALIZED (
  SELECT d.webhook, false AS renewed
  FROM alive, webhook_delivery d JOIN webhook w ON w.id = d.webhook
  WHERE w.enabled AND d.holder IS DISTINCT FROM $1 AND d.lease_until < clock_timestamp()
  ORDER BY d.webhook FOR UPDATE OF d SKIP LOCKED
), mine AS (
  SELECT * FROM own UNION ALL SELECT * FROM free
), held AS (
  UPDATE webhook_delivery d SET holder = $1, lease_until = clock_timestamp() + make_interval(secs => $2::float8 / 1000),
    generation = d.generation + (NOT mine.renewed)::int
  FROM mine WHERE d.webhook = mine.webhook
  RETURNING d.*
)
SELECT h.generation::float8 AS generation, h.redelivered::float8 AS redelivered, h.era, h.xid::text::float8 AS xid, h.id::float8 AS at,
  extract(epoch FROM h.paused_until)::float8 * 1000 AS paused_until,
  w.id, w.url, w.filter, w.enabled, w.disabled_reason, w.secret,
  CASE WHEN w.previous_until > clock_timestamp() THEN w.previous_secret END AS previous_secret,
  extract(epoch FROM w.created_at)::float8 * 1000 AS created_at
FROM held h JOIN webhook w ON w.id = h.webhook`;

export interface WebhookColumns {
  id: string;
  url: string;
  filter: string | null;
  enabled: boolean;
  disabled_reason: string | null;
  secret: string;
  /** Null if it signs no more. */
  previous_secret: string | null;
  /** Unix ms. */
  created_at: number;
}

interface Row extends WebhookColumns {
  generation: number;
  redelivered: number;
  era: number;
  xid: number;
  at: number;
  paused_until: number | null;
}

export async function holdWebhooks(
  client: PoolClient,
  incarnation: string,
  holder: string,
  leaseMs: number,
): Promise<Held[]> {
  const values = [holder, leaseMs, incarnation];
  const { rows } = await client.query<Row>({ name: "hold-webhooks", text: SQL, values });
  return rows.map((row) => ({
    webhook: webhookOf(row),
    generation: row.generation,
    redelivered: row.redelivered,
    cursor: { era: row.era, xid: row.xid, id: row.at },
    pausedUntil: row.paused_until ?? undefined,
  }));
}

export function webhookOf(row: WebhookColumns): Webhook {
  return {
    id: row.id,
    url: row.url,
    where: row.filter ?? undefined,
    enabled: row.enabled,
    disabledReason: row.disabled_reason ?? undefined,
    secrets: row.previous_secret === null ? [row.secret] : [row.secret, row.previous_secret],
    createdAt: row.created_at,
  };
}
