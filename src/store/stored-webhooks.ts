/** Webhooks behind their ports: configuration by MikroORM, what is hot by SQL. */
import type { MikroORM } from "@mikro-orm/postgresql";
import type { Cursor } from "../events/cursor.ts";
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
import { asStoreError } from "./errors.ts";
import { holdWebhooks } from "./hold-webhooks.ts";
import { deadLetters, redeliverLetters, waitingLetters } from "./letters.ts";
import { Webhook } from "./model/webhook.ts";
import { saveDelivery } from "./save-delivery.ts";
import { type StoreContext, withClient } from "./session.ts";
import { webhookStatuses } from "./webhook-statuses.ts";

/** Of this moment: what commits later is sent. */
const BEGIN = `
INSERT INTO webhook_delivery (webhook, era, xid, id)
SELECT ?::uuid, era, pg_snapshot_xmin(pg_current_snapshot()), 0 FROM cluster`;

/** As if nothing had failed yet. Another generation, so that what was under way before saves nothing that it found out. */
const BEGIN_ANEW = `
WITH anew AS (
  UPDATE webhook_delivery SET paused_until = NULL, generation = generation + 1 WHERE webhook = ?::uuid RETURNING webhook
)
UPDATE webhook_letter l SET next_at = now(), attempts = 0, failed_since = NULL FROM anew
WHERE l.webhook = anew.webhook AND l.next_at IS NOT NULL`;

/**
 * A rotation that is under way may have been answered to nobody: then the receiver has only the secret of before it, which keeps its time.
 * Inputs: webhook, secret, until when that of before signs, Unix ms.
 */
const ROTATE = `
UPDATE webhook SET secret = $2,
  previous_secret = CASE WHEN previous_until > clock_timestamp() THEN previous_secret ELSE secret END,
  previous_until = CASE WHEN previous_until > clock_timestamp() THEN previous_until ELSE to_timestamp($3::float8 / 1000) END
WHERE id = $1 RETURNING extract(epoch FROM previous_until)::float8 * 1000 AS until`;

export class StoredWebhooks implements WebhookStore, DeliveryStore {
  readonly #context: StoreContext;
  readonly #orm: MikroORM;

  constructor(context: StoreContext, orm: MikroORM) {
    this.#context = context;
    this.#orm = orm;
  }

  create(webhook: Omit<Configured, "secrets" | "disabledReason"> & { secret: string }): Promise<boolean> {
    const { id, url, where, enabled, secret, createdAt } = webhook;
    return this.#configure((em) =>
      em.transactional(async (tx) => {
        if ((await tx.count(Webhook)) >= MAX_WEBHOOKS) return false;
        const filter = where ?? null;
        tx.create(Webhook, { id, url, filter, enabled, secret, createdAt: new Date(createdAt) });
        await tx.flush();
        await tx.execute(BEGIN, [id]);
        return true;
      }),
    );
  }

  statuses(id?: string): Promise<WebhookStatus[]> {
    return withClient(this.#context, (client) => webhookStatuses(client, id));
  }

  change(id: string, { url, where, enabled }: WebhookChange): Promise<boolean> {
    return this.#configure((em) =>
      em.transactional(async (tx) => {
        const found = await tx.findOne(Webhook, { id });
        if (found === null) return false;
        const isOther = url !== undefined && url !== found.url;
        // Before the webhook itself is written: in the order in which who delivers it saves.
        if (isOther || (enabled === true && !found.enabled)) await tx.execute(BEGIN_ANEW, [id]);
        if (url !== undefined) found.url = url;
        if (where !== undefined) found.filter = where;
        if (enabled !== undefined) {
          found.enabled = enabled;
          found.disabledReason = null;
        }
        await tx.flush();
        return true;
      }),
    );
  }

  rotate(id: string, secret: string, previousUntil: number): Promise<number | undefined> {
    return withClient(this.#context, async (client) => {
      const { rows } = await client.query<{ until: number }>(ROTATE, [id, secret, previousUntil]);
      return rows[0]?.until;
    });
  }

  remove(id: string): Promise<boolean> {
    return this.#configure(async (em) => (await em.nativeDelete(Webhook, { id })) === 1);
  }

  deadLetters(id: string, after: Cursor, limit: number): Promise<Letter[]> {
    return withClient(this.#context, (client) => deadLetters(client, id, after, limit));
  }

  redeliver(id: string, cursors: readonly Cursor[] | undefined, limit: number): Promise<number> {
    return withClient(this.#context, (client) => redeliverLetters(client, id, cursors, limit));
  }

  hold(holder: string, leaseMs: number): Promise<Held[]> {
    return withClient(this.#context, (client) => holdWebhooks(client, holder, leaseMs));
  }

  async release(holder: string): Promise<void> {
    await withClient(this.#context, (client) =>
      client.query("UPDATE webhook_delivery SET lease_until = '-infinity' WHERE holder = $1", [holder]),
    );
  }

  waiting(id: string, limit: number): Promise<Letter[]> {
    return withClient(this.#context, (client) => waitingLetters(client, id, limit));
  }

  save(id: string, holder: string, generation: number, progress: Progress): Promise<boolean> {
    return withClient(this.#context, (client) => saveDelivery(client, id, holder, generation, progress));
  }

  async #configure<T>(work: (em: MikroORM["em"]) => Promise<T>): Promise<T> {
    try {
      return await work(this.#orm.em.fork());
    } catch (error) {
      throw asStoreError(error);
    }
  }
}
