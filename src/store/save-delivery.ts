/**
 * Saves what came of the deliveries of one webhook: how far it is, letters, counts. The row that a taker updates is updated first, so whoever was
 * overtaken finds another generation and saves nothing.
 *
 * The step is looked up before: a save may be given up, and land when later ones did, or when an erasure has deleted what is in it. A node that is
 * down is told no step, as an erasure does not wait until it has forgotten.
 *
 * Inputs: webhook, holder, generation, cursor (era, xid, id), delivered, failures, gaps, error, paused until (Unix ms), why it is disabled, letters
 * and delivered letters (JSON), step.
 */
import type { PoolClient } from "pg";
import type { Progress } from "../webhooks/ports.ts";

/** Inputs: webhook, holder, generation, incarnation. */
const STEP = `
SELECT d.step FROM webhook_delivery d, fence f
WHERE d.webhook = $1 AND d.holder = $2 AND d.generation = $3 AND f.incarnation = $4 AND NOT f.down`;

const SQL = `
WITH held AS (
  UPDATE webhook_delivery SET step = step + 1, era = $4, xid = $5::text::xid8, id = $6, delivered = delivered + $7, failures = failures + $8, gaps = gaps + $9,
    last_error = coalesce($10, last_error), last_error_at = CASE WHEN $10::text IS NULL THEN last_error_at ELSE now() END,
    paused_until = to_timestamp($11::float8 / 1000)
  WHERE webhook = $1 AND holder = $2 AND generation = $3 AND step = $15 RETURNING webhook
), disabled AS (
  UPDATE webhook SET enabled = false, disabled_reason = $12 FROM held WHERE webhook.id = held.webhook AND $12::text IS NOT NULL
), done AS (
  DELETE FROM webhook_letter l USING held, json_to_recordset($14::json) AS d (era int, xid text, id bigint)
  WHERE l.webhook = held.webhook AND l.era = d.era AND l.xid = d.xid::xid8 AND l.id = d.id
), kept AS (
  INSERT INTO webhook_letter (webhook, era, xid, id, type, subject, time, data, attempts, failed_since, next_at, error, refusals)
  SELECT held.webhook, e.era, e.xid::xid8, e.id, e.type, e.subject, to_timestamp(e.time / 1000), e.data, e.attempts,
    to_timestamp(e.failed_since / 1000), to_timestamp(e.next_at / 1000), e.error, coalesce(e.refusals, 0)
  FROM held, json_to_recordset($13::json) AS e (era int, xid text, id bigint, type text, subject text, time float8, data jsonb,
    attempts int, failed_since float8, next_at float8, error text, refusals int)
  ON CONFLICT (webhook, era, xid, id) DO UPDATE SET attempts = excluded.attempts, failed_since = excluded.failed_since,
    next_at = excluded.next_at, error = excluded.error, refusals = excluded.refusals
)
SELECT 1 FROM held`;

/** @returns false if another holds it now, or this incarnation is down. */
export async function saveDelivery(
  client: PoolClient,
  incarnation: string,
  webhook: string,
  holder: string,
  generation: number,
  progress: Progress,
): Promise<boolean> {
  const { cursor, delivered, failures, gaps, error, pausedUntil, disabledReason } = progress;
  const letters = progress.letters.map(({ event, attempts, failedSince, nextAt, error, refusals }) => ({
    ...keyOf(event.cursor),
    type: event.type,
    subject: event.subject,
    time: event.time,
    data: event.data,
    attempts,
    failed_since: failedSince,
    next_at: nextAt,
    error,
    refusals,
  }));
  const done = JSON.stringify(progress.done.map(keyOf));
  const values = [
    ...[webhook, holder, generation, cursor.era, cursor.xid, cursor.id, delivered, failures, gaps],
    ...[error, pausedUntil, disabledReason, JSON.stringify(letters), done],
  ];
  // Once, but for an erasure or a save of before that comes between.
  for (;;) {
    const { rows } = await client.query<{ step: string }>({
      name: "delivery-step",
      text: STEP,
      values: [webhook, holder, generation, incarnation],
    });
    const [found] = rows;
    if (found === undefined) return false;
    const { rowCount } = await client.query({
      name: "save-delivery",
      text: SQL,
      values: [...values, found.step],
    });
    if (rowCount === 1) return true;
  }
}

function keyOf({ era, xid, id }: Progress["cursor"]): { era: number; xid: string; id: number } {
  return { era, xid: String(xid), id };
}
