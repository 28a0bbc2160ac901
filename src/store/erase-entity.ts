/**
 * Deletes what is stored of an entity, as the owner of its shard: some rows a statement, by their keys, so that flushes wait behind none for long.
 *
 * Inputs: as `OWN`, then the id.
 */
import type { PoolClient } from "pg";
import { MAX_BACKGROUND_ROWS } from "../limits.ts";
import type { FenceKey } from "./fence.ts";
import { OWN, type Owned, ownedBy } from "./own-shard.ts";
import { type StoreContext, withClient } from "./session.ts";

const ENTITY = `
WITH ${OWN}, gone AS (DELETE FROM entity USING own WHERE id = $5 RETURNING 1)
SELECT (SELECT count(*) FROM own)::int AS own, (SELECT count(*) FROM gone)::int AS gone`;
const TRACK = `
WITH ${OWN}, last AS MATERIALIZED (
  SELECT max(first) AS first FROM (SELECT first FROM track WHERE entity = $5 ORDER BY first LIMIT ${MAX_BACKGROUND_ROWS}) AS next
), gone AS (
  DELETE FROM track t USING own, last WHERE t.entity = $5 AND t.first <= last.first RETURNING 1
)
SELECT (SELECT count(*) FROM own)::int AS own, (SELECT count(*) FROM gone)::int AS gone`;
/** Also those of the same event beside the last one found. */
const ofEvents = (table: "event" | "webhook_letter") => `
WITH ${OWN}, next AS MATERIALIZED (
  SELECT era, xid, id FROM ${table} WHERE subject = $5 ORDER BY era, xid, id LIMIT ${MAX_BACKGROUND_ROWS}
), last AS MATERIALIZED (
  SELECT era, xid, id FROM next ORDER BY era DESC, xid DESC, id DESC LIMIT 1
), gone AS (
  DELETE FROM ${table} e USING own, last WHERE e.subject = $5 AND (e.era, e.xid, e.id) <= (last.era, last.xid, last.id) RETURNING 1
)
SELECT (SELECT count(*) FROM own)::int AS own, (SELECT count(*) FROM gone)::int AS gone`;
/** What holders of webhooks began to save before does not land any more. In the order in which they are held. */
const STEP = `
WITH ${OWN}, ordered AS MATERIALIZED (
  SELECT d.webhook FROM own, webhook_delivery d ORDER BY d.webhook FOR UPDATE OF d
), stepped AS (
  UPDATE webhook_delivery d SET step = step + 1 FROM ordered WHERE d.webhook = ordered.webhook
)
SELECT (SELECT count(*) FROM own)::int AS own, 0 AS gone, $5::text AS id`;
/** What an erasure deletes; letters last, when nobody has any in memory that could be saved once more. */
export const ROWS = {
  entity: [ENTITY],
  past: [TRACK, ofEvents("event")],
  letters: [STEP, ofEvents("webhook_letter")],
} as const;

/** @returns false if the shard is not this node's under that epoch any more. @throws StoreAway */
export async function eraseRows(
  context: StoreContext,
  key: FenceKey,
  owned: Owned,
  id: string,
  statements: readonly string[],
): Promise<boolean> {
  for (const statement of statements) {
    for (let gone = 1; gone > 0; ) {
      const row = await withClient(context, (client) =>
        erase(client, statement, [...ownedBy(key, owned), id]),
      );
      if (row.own === 0) return false;
      gone = row.gone;
    }
  }
  return true;
}

async function erase(
  client: PoolClient,
  text: string,
  values: unknown[],
): Promise<{ own: number; gone: number }> {
  const { rows } = await client.query<{ own: number; gone: number }>(text, values);
  return rows[0]!;
}
