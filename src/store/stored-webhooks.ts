/** Webhooks behind their ports. Not by MikroORM's entity manager: its statements have no deadline, and those that nobody answers would keep the connections of flushes. */
import { type Cursor, START } from "../events/cursor.ts";
import { MAX_BACKGROUND_ROWS } from "../limits.ts";
import { MAX_WEBHOOKS } from "../webhooks/limits.ts";
import type {
  Webhook as Configured,
  DeliveryStore,
  Held,
  Letter,
  Progress,
  WebhookChange,
  WebhookStatus,
  WebhookStore,
} from "../webhooks/ports.ts";
import { holdWebhooks } from "./hold-webhooks.ts";
import { asideLetters, deadLetters, redeliverLetters, removeDeadLetters, waitingLetters } from "./letters.ts";
import { saveDelivery } from "./save-delivery.ts";
import { inTransaction, type StoreContext, withClient } from "./session.ts";
import { webhookStatuses } from "./webhook-statuses.ts";

/**
 * It begins at this moment: what commits later is sent. Not made if there are as many as there may be.
 * Inputs: id, url, filter, enabled, secret, when it is made (Unix ms), how many there may be.
 */
const CREATE = `
WITH made AS (
  INSERT INTO webhook (id, url, filter, enabled, secret, created_at)
  SELECT $1::uuid, $2, $3, $4::boolean, $5, to_timestamp($6::float8 / 1000) WHERE (SELECT count(*) FROM webhook) < $7 RETURNING id
)
INSERT INTO webhook_delivery (webhook, era, xid, id)
SELECT made.id, era, pg_snapshot_xmin(pg_current_snapshot()), 0 FROM made, cluster`;

const FIND = "SELECT url, enabled FROM webhook WHERE id = $1";

/** Inputs: id; url, enabled or null; whether there is another filter, and which or null for none. */
const CHANGE = `
UPDATE webhook SET url = coalesce($2, url), enabled = coalesce($3, enabled), filter = CASE WHEN $4 THEN $5 ELSE filter END,
  disabled_reason = CASE WHEN $3::boolean IS NULL THEN disabled_reason END
WHERE id = $1`;

/** As if nothing had failed yet. Another generation, so that what was under way before saves nothing that it found out. */
const BEGIN_ANEW = `
WITH anew AS (
  UPDATE webhook_delivery SET paused_until = NULL, generation = generation + 1 WHERE webhook = $1 RETURNING webhook
)
UPDATE webhook_letter l SET next_at = now(), attempts = 0, failed_since = NULL, refusals = 0 FROM anew
WHERE l.webhook = anew.webhook AND l.next_at IS NOT NULL`;

const SECRET = "SELECT secret FROM webhook WHERE id = $1";

/**
 * A rotation that is under way may have been answered to nobody: then the receiver has only the secret of before it, which keeps its time.
 * One that lands when a later one did finds another secret, and does nothing.
 * Inputs: webhook, secret, until when that of before signs (Unix ms), the secret of before.
 */
const ROTATE = `
UPDATE webhook SET secret = $2,
  previous_secret = CASE WHEN previous_until > clock_timestamp() THEN previous_secret ELSE secret END,
  previous_until = CASE WHEN previous_until > clock_timestamp() THEN previous_until ELSE to_timestamp($3::float8 / 1000) END
WHERE id = $1 AND secret = $4 RETURNING extract(epoch FROM previous_until)::float8 * 1000 AS until`;

export class StoredWebhooks implements WebhookStore, DeliveryStore {
  readonly #context: StoreContext;
  readonly #incarnation: string;

  /** @param incarnation of this node: once it is down it delivers nothing. */
  constructor(context: StoreContext, incarnation: string) {
    this.#context = context;
    this.#incarnation = incarnation;
  }

  create(webhook: Omit<Configured, "secrets" | "disabledReason"> & { secret: string }): Promise<boolean> {
    const { id, url, where, enabled, secret, createdAt } = webhook;
    const values = [id, url, where ?? null, enabled, secret, createdAt, MAX_WEBHOOKS];
    return withClient(this.#context, async (client) => (await client.query(CREATE, values)).rowCount === 1);
  }

  statuses(id?: string): Promise<WebhookStatus[]> {
    return withClient(this.#context, (client) => webhookStatuses(client, id));
  }

  change(id: string, { url, where, enabled }: WebhookChange): Promise<boolean> {
    return inTransaction(this.#context, async (client) => {
      const { rows } = await client.query<{ url: string; enabled: boolean }>(FIND, [id]);
      const [found] = rows;
      if (found === undefined) return false;
      const isOther = url !== undefined && url !== found.url;
      // Before the webhook itself is written: in the order in which who delivers it saves.
      if (isOther || (enabled === true && !found.enabled)) await client.query(BEGIN_ANEW, [id]);
      const filter = [where !== undefined, where ?? null];
      const { rowCount } = await client.query(CHANGE, [id, url ?? null, enabled ?? null, ...filter]);
      return rowCount === 1;
    });
  }

  rotate(id: string, secret: string, previousUntil: number): Promise<number | undefined> {
    return withClient(this.#context, async (client) => {
      // Once, but for a rotation that comes between.
      for (;;) {
        const { rows: webhooks } = await client.query<{ secret: string }>(SECRET, [id]);
        if (webhooks.length === 0) return undefined;
        const values = [id, secret, previousUntil, webhooks[0]!.secret];
        const { rows } = await client.query<{ until: number }>(ROTATE, values);
        if (rows.length > 0) return rows[0]!.until;
      }
    });
  }

  async remove(id: string): Promise<boolean> {
    // Some a statement, so that each ends in time; what is removed need not be the next time, if this is cut off.
    for (let after: Cursor | undefined = START; after !== undefined; ) {
      const last: Cursor = after;
      after = await withClient(this.#context, (client) =>
        removeDeadLetters(client, id, last, MAX_BACKGROUND_ROWS),
      );
    }
    return withClient(this.#context, async (client) => {
      const { rowCount } = await client.query("DELETE FROM webhook WHERE id = $1", [id]);
      return rowCount === 1;
    });
  }

  deadLetters(id: string, after: Cursor, limit: number): Promise<Letter[]> {
    return withClient(this.#context, (client) => deadLetters(client, id, after, limit));
  }

  redeliver(id: string, cursors: readonly Cursor[] | undefined, limit: number): Promise<number> {
    return withClient(this.#context, (client) => redeliverLetters(client, id, cursors, limit));
  }

  hold(holder: string, leaseMs: number): Promise<Held[]> {
    return withClient(this.#context, (client) => holdWebhooks(client, this.#incarnation, holder, leaseMs));
  }

  async release(holder: string): Promise<void> {
    await withClient(this.#context, (client) =>
      client.query("UPDATE webhook_delivery SET lease_until = '-infinity' WHERE holder = $1", [holder]),
    );
  }

  waiting(id: string, limit: number): Promise<Letter[]> {
    return withClient(this.#context, (client) => waitingLetters(client, id, limit));
  }

  aside(id: string, subject: string, after: Cursor, limit: number): Promise<Letter[]> {
    return withClient(this.#context, (client) => asideLetters(client, id, subject, after, limit));
  }

  save(id: string, holder: string, generation: number, progress: Progress): Promise<boolean> {
    return withClient(this.#context, (client) =>
      saveDelivery(client, this.#incarnation, id, holder, generation, progress),
    );
  }
}
