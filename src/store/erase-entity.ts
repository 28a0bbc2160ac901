/**
 * Deletes what is stored of an entity, as the owner of its shard: some rows a statement, by their keys, so that flushes wait behind none for long.
 * Each statement begins after the last key of the one before: what was deleted there is still in the index, and would be passed over again.
 *
 * An upper bound of several columns would not end a scan of the index: events are deleted key by key.
 *
 * Inputs: as `OWN`, the id, and the key to begin after, if rows are deleted by keys. `last` is the last key, null when none is left.
 */
import type { PoolClient } from "pg";
import { MAX_BACKGROUND_ROWS } from "../limits.ts";
import type { FenceKey } from "./fence.ts";
import { OWN, type Owned, ownedBy } from "./own-shard.ts";
import { type StoreContext, withClient } from "./session.ts";

interface Statement {
  text: string;
  /** A key before all; absent = it deletes all at once. */
  begin?: string;
}

const OWNED = "(SELECT count(*) FROM own)::int AS own";
/** Inputs: as `OWN`, and the ids. */
const ENTITIES = `
WITH ${OWN}, gone AS (DELETE FROM entity USING own WHERE id = ANY ($5::text[]))
SELECT ${OWNED}`;
const TRACK = {
  begin: "-infinity",
  text: `
WITH ${OWN}, last AS MATERIALIZED (
  SELECT max(first) AS first FROM (
    SELECT first FROM track WHERE entity = $5 AND first > $6::text::timestamptz ORDER BY first LIMIT ${MAX_BACKGROUND_ROWS}
  ) AS next
), gone AS (
  DELETE FROM track t USING own
  WHERE t.entity = $5 AND t.first > $6::text::timestamptz AND t.first <= (SELECT first FROM last)
)
SELECT ${OWNED}, (SELECT to_json(first) #>> '{}' FROM last) AS last`,
};
const AFTER = "(($6::json ->> 0)::int, ($6::json ->> 1)::xid8, ($6::json ->> 2)::bigint)";
/** Of letters also those of the same event beside the last one found. */
const ofEvents = (table: "event" | "webhook_letter") => ({
  begin: '[0, "0", 0]',
  text: `
WITH ${OWN}, next AS MATERIALIZED (
  SELECT era, xid, id FROM ${table} WHERE subject = $5 AND (era, xid, id) > ${AFTER} ORDER BY era, xid, id LIMIT ${MAX_BACKGROUND_ROWS}
), gone AS (
  DELETE FROM ${table} e USING own, next n WHERE e.subject = $5 AND e.era = n.era AND e.xid = n.xid AND e.id = n.id
)
SELECT ${OWNED},
  (SELECT json_build_array(era, xid::text, id)::text FROM next ORDER BY next.era DESC, next.xid DESC, next.id DESC LIMIT 1) AS last`,
});
/** What holders of webhooks began to save before does not land any more. In the order in which they are held. */
const STEP = {
  text: `
WITH ${OWN}, ordered AS MATERIALIZED (
  SELECT d.webhook FROM own, webhook_delivery d ORDER BY d.webhook FOR UPDATE OF d
), stepped AS (
  UPDATE webhook_delivery d SET step = step + 1 FROM ordered WHERE d.webhook = ordered.webhook
)
SELECT ${OWNED}, nullif($5::text, $5) AS last`,
};
/** What an erasure deletes beside the row in `entity`; letters last, when nobody has any in memory that could be saved once more. */
export const ROWS = {
  past: [TRACK, ofEvents("event")],
  letters: [STEP, ofEvents("webhook_letter")],
} satisfies Record<string, Statement[]>;

/** @returns false if the shard is not this node's under that epoch any more. @throws StoreAway */
export async function eraseRows(
  context: StoreContext,
  key: FenceKey,
  owned: Owned,
  id: string,
  statements: readonly Statement[],
): Promise<boolean> {
  const given = [...ownedBy(key, owned), id];
  for (const { text, begin } of statements) {
    // Until one that looks from the beginning finds nothing: rows may have come behind the last key.
    for (let after = begin, isFirst = true; ; isFirst = after === begin) {
      const values = after === undefined ? given : [...given, after];
      const { own, last } = await withClient(context, (client) => erase(client, text, values));
      if (own === 0) return false;
      if (last === null && isFirst) break;
      after = last ?? begin;
    }
  }
  return true;
}

/** Of the last known state of some, few enough for one statement. @returns as `eraseRows`. @throws StoreAway */
export async function unlistRows(
  context: StoreContext,
  key: FenceKey,
  owned: Owned,
  ids: readonly string[],
): Promise<boolean> {
  const { own } = await withClient(context, (client) =>
    erase(client, ENTITIES, [...ownedBy(key, owned), ids]),
  );
  return own > 0;
}

interface Erased {
  own: number;
  last: string | null;
}

async function erase(client: PoolClient, text: string, values: unknown[]): Promise<Erased> {
  return (await client.query<Erased>(text, values)).rows[0]!;
}
