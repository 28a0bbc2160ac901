/** Webhooks with how far they are. Input: the id of one, or null. */
import type { PoolClient } from "pg";
import { MAX_LETTERS_COUNTED } from "../webhooks/limits.ts";
import type { WebhookStatus } from "../webhooks/ports.ts";
import { type WebhookColumns, webhookOf } from "./hold-webhooks.ts";

/** In order, so that they are found by an index also where most letters are of another webhook. */
const letters = (nextAt: "NULL" | "NOT NULL") =>
  `SELECT FROM webhook_letter WHERE webhook = w.id AND next_at IS ${nextAt} ORDER BY era, xid, id LIMIT ${MAX_LETTERS_COUNTED}`;
const SQL = `
SELECT w.id, w.url, w.filter, w.enabled, w.disabled_reason, w.secret, w.previous_secret, extract(epoch FROM w.created_at)::float8 * 1000 AS created_at,
  d.era, d.xid::text::float8 AS xid, d.id::float8 AS at, d.delivered::float8 AS delivered, d.failures::float8 AS failures, d.gaps::float8 AS gaps,
  d.last_error, extract(epoch FROM d.last_error_at)::float8 * 1000 AS last_error_at,
  CASE WHEN d.paused_until > now() THEN extract(epoch FROM d.paused_until)::float8 * 1000 END AS paused_until,
  (SELECT count(*)::float8 FROM (${letters("NOT NULL")}) AS l) AS waiting,
  (SELECT count(*)::float8 FROM (${letters("NULL")}) AS l) AS dead
FROM webhook w JOIN webhook_delivery d ON d.webhook = w.id
WHERE $1::uuid IS NULL OR w.id = $1 ORDER BY w.created_at, w.id`;

interface Row extends WebhookColumns {
  era: number;
  xid: number;
  at: number;
  delivered: number;
  failures: number;
  gaps: number;
  waiting: number;
  dead: number;
  last_error: string | null;
  last_error_at: number | null;
  paused_until: number | null;
}

export async function webhookStatuses(client: PoolClient, id?: string): Promise<WebhookStatus[]> {
  const { rows } = await client.query<Row>(SQL, [id ?? null]);
  return rows.map((row) => ({
    webhook: webhookOf(row),
    cursor: { era: row.era, xid: row.xid, id: row.at },
    delivered: row.delivered,
    failures: row.failures,
    gaps: row.gaps,
    waiting: row.waiting,
    dead: row.dead,
    lastError: row.last_error ?? undefined,
    lastErrorAt: row.last_error_at ?? undefined,
    pausedUntil: row.paused_until ?? undefined,
  }));
}
