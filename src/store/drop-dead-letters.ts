/**
 * Retention of dead letters, which hold whole events. They are dated by when they were to be sent, and given up a day after that: so they can be
 * tried again for as long as the events beside them are kept.
 *
 * Inputs: age in ms, number of rows.
 */
import { MAX_BACKGROUND_ROWS } from "../limits.ts";
import { WEBHOOK_GIVE_UP_MS } from "../webhooks/limits.ts";
import { type StoreContext, withClient } from "./session.ts";

/** One that is being tried again, or erased, is left to whoever does it. */
const SQL = `
WITH old AS (
  SELECT webhook, era, xid, id FROM webhook_letter
  WHERE next_at IS NULL AND failed_since < now() - make_interval(secs => $1::float8 / 1000)
  ORDER BY failed_since LIMIT $2 FOR UPDATE SKIP LOCKED
)
DELETE FROM webhook_letter l USING old o WHERE l.webhook = o.webhook AND l.era = o.era AND l.xid = o.xid AND l.id = o.id`;

/** @param retentionMs for how long they are kept after they were given up. */
export async function dropDeadLetters(context: StoreContext, retentionMs: number): Promise<void> {
  const values = [retentionMs + WEBHOOK_GIVE_UP_MS, MAX_BACKGROUND_ROWS];
  for (let count = MAX_BACKGROUND_ROWS; count === MAX_BACKGROUND_ROWS; ) {
    const { rowCount } = await withClient(context, (client) => client.query(SQL, values));
    count = rowCount ?? 0;
  }
}
