/** Letters of webhooks: those that wait, and the dead. Inputs: webhook, then as each says. */
import type { PoolClient } from "pg";
import type { JsonObject } from "../actors/messages.ts";
import type { Cursor } from "../events/cursor.ts";
import type { Letter } from "../webhooks/ports.ts";

const COLUMNS = `era, xid::text::float8 AS xid, id::float8 AS id, type, subject, extract(epoch FROM time)::float8 * 1000 AS time, data, attempts,
  extract(epoch FROM failed_since)::float8 * 1000 AS failed_since, extract(epoch FROM next_at)::float8 * 1000 AS next_at, error, refusals`;
const WAITING = `SELECT ${COLUMNS}, EXISTS (
  SELECT FROM webhook_letter a WHERE a.webhook = $1 AND a.subject = webhook_letter.subject AND a.next_at IS NULL AND a.attempts = 0
    AND (a.era, a.xid, a.id) > (webhook_letter.era, webhook_letter.xid, webhook_letter.id)
) AS has_aside
FROM webhook_letter WHERE webhook = $1 AND next_at IS NOT NULL
ORDER BY webhook_letter.era, webhook_letter.xid, webhook_letter.id LIMIT $2`;
const DEAD = `SELECT ${COLUMNS} FROM webhook_letter
WHERE webhook = $1 AND next_at IS NULL AND (era, webhook_letter.xid, webhook_letter.id) > ($3, $4::text::xid8, $5)
ORDER BY webhook_letter.era, webhook_letter.xid, webhook_letter.id LIMIT $2`;
/** Of one entity after a cursor: what was never tried, and what waits, which may have been told to since the letters were read. */
const [NEVER_TRIED, WAITS] = ["next_at IS NULL AND attempts = 0", "next_at IS NOT NULL"].map(
  (which) => `(SELECT ${COLUMNS} FROM webhook_letter
WHERE webhook = $1 AND subject = $6 AND ${which} AND (era, webhook_letter.xid, webhook_letter.id) > ($3, $4::text::xid8, $5)
ORDER BY webhook_letter.era, webhook_letter.xid, webhook_letter.id LIMIT $2)`,
);
const ASIDE = `${NEVER_TRIED} UNION ALL ${WAITS} ORDER BY era, xid, id LIMIT $2`;
/** Removes dead letters after a cursor, some at a time. */
const REMOVE_DEAD = `
WITH next AS MATERIALIZED (
  SELECT era, xid, id FROM webhook_letter WHERE webhook = $1 AND next_at IS NULL AND (era, xid, id) > ($3, $4::text::xid8, $5)
  ORDER BY era, xid, id LIMIT $2
), gone AS (
  DELETE FROM webhook_letter l USING next n WHERE l.webhook = $1 AND l.era = n.era AND l.xid = n.xid AND l.id = n.id AND l.next_at IS NULL
)
SELECT era, xid::text::float8 AS xid, id::float8 AS id FROM next ORDER BY next.era DESC, next.xid DESC, next.id DESC LIMIT 1`;
/** Of the given cursors (JSON), or of all if they are null; so many at most. Whoever holds the webhook is told by a number that rises. */
const REDELIVER = `
WITH chosen AS MATERIALIZED (
  (SELECT l.era, l.xid, l.id FROM webhook_letter l
  WHERE $3::json IS NULL AND l.webhook = $1 AND l.next_at IS NULL ORDER BY l.era, l.xid, l.id LIMIT $2)
  UNION ALL
  (SELECT l.era, l.xid, l.id FROM json_to_recordset($3::json) AS c (era int, xid text, id bigint), LATERAL (
    SELECT era, xid, id FROM webhook_letter
    WHERE webhook = $1 AND era = c.era AND xid = c.xid::xid8 AND id = c.id AND next_at IS NULL
  ) AS l LIMIT $2)
), again AS (
  UPDATE webhook_letter l SET next_at = now(), attempts = 0, failed_since = NULL, refusals = 0 FROM chosen c
  WHERE l.webhook = $1 AND l.era = c.era AND l.xid = c.xid AND l.id = c.id RETURNING 1
), told AS (
  UPDATE webhook_delivery SET redelivered = redelivered + 1 WHERE webhook = $1 AND EXISTS (SELECT FROM chosen)
)
SELECT count(*)::int AS count FROM again`;

interface Row {
  era: number;
  xid: number;
  id: number;
  type: string;
  subject: string;
  time: number;
  data: JsonObject;
  attempts: number;
  failed_since: number | null;
  next_at: number | null;
  error: string | null;
  refusals: number;
  has_aside?: boolean;
}

export async function waitingLetters(client: PoolClient, webhook: string, limit: number): Promise<Letter[]> {
  return (await client.query<Row>(WAITING, [webhook, limit])).rows.map(letterOf);
}

export async function deadLetters(
  client: PoolClient,
  webhook: string,
  after: Cursor,
  limit: number,
): Promise<Letter[]> {
  const { era, xid, id } = after;
  return (await client.query<Row>(DEAD, [webhook, limit, era, xid, id])).rows.map(letterOf);
}

export async function asideLetters(
  client: PoolClient,
  webhook: string,
  subject: string,
  after: Cursor,
  limit: number,
): Promise<Letter[]> {
  const { era, xid, id } = after;
  return (await client.query<Row>(ASIDE, [webhook, limit, era, xid, id, subject])).rows.map(letterOf);
}

/** Removes `limit` dead letters after a cursor. @returns the cursor of the last; nothing if there is none any more. */
export async function removeDeadLetters(
  client: PoolClient,
  webhook: string,
  after: Cursor,
  limit: number,
): Promise<Cursor | undefined> {
  const { era, xid, id } = after;
  return (await client.query<Cursor>(REMOVE_DEAD, [webhook, limit, era, xid, id])).rows[0];
}

/** @returns how many are tried again. */
export async function redeliverLetters(
  client: PoolClient,
  webhook: string,
  cursors: readonly Cursor[] | undefined,
  limit: number,
): Promise<number> {
  const chosen =
    cursors && JSON.stringify(cursors.map(({ era, xid, id }) => ({ era, xid: String(xid), id })));
  const { rows } = await client.query<{ count: number }>(REDELIVER, [webhook, limit, chosen ?? null]);
  return rows[0]!.count;
}

function letterOf(row: Row): Letter {
  const { era, xid, id, type, subject, time, data, attempts, refusals } = row;
  return {
    event: { cursor: { era, xid, id }, type, subject, time: Math.round(time), data },
    attempts,
    failedSince: row.failed_since ?? undefined,
    nextAt: row.next_at ?? undefined,
    error: row.error ?? undefined,
    refusals,
    hasAside: row.has_aside,
  };
}
