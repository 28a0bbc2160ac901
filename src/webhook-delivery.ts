/** The webhooks of a node, put together: who delivers them, and what the routes about them need. */
import { type Clock, systemId, systemRandom, systemSecret } from "./clock.ts";
import type { Config } from "./config.ts";
import type { EventAccess } from "./events/access.ts";
import type { EventTail } from "./events/tail.ts";
import type { Log } from "./telemetry/log.ts";
import type { WebhooksOptions } from "./transport/http/routes/webhooks.ts";
import { HttpSender } from "./transport/webhooks/http-sender.ts";
import { Deliverer } from "./webhooks/deliverer.ts";
import { WEBHOOK_SECRET_BYTES } from "./webhooks/limits.ts";
import type { DeliveryStore, WebhookStore } from "./webhooks/ports.ts";

export interface WebhookDeliveryOptions {
  config: Config;
  store: WebhookStore & DeliveryStore;
  /** Of this node; no other has it. */
  holder: string;
  events: EventAccess;
  clock: Clock;
  log: Log;
  /** Tells the other nodes that a webhook was changed: one of them may deliver it. */
  announce(): void;
  fail(error: unknown): void;
}

export interface WebhookDelivery extends AsyncDisposable {
  readonly tail: EventTail;
  readonly deliverer: Deliverer;
  readonly routes: WebhooksOptions;
}

/** Begins to deliver. */
export function openWebhooks(options: WebhookDeliveryOptions): WebhookDelivery {
  const { config, store, holder, events, clock, log, announce, fail } = options;
  const { tail, encoder } = events;
  const allowPrivate = config.webhookPrivate;
  const sender = new HttpSender({ clock, allowPrivate });
  const deliverer = new Deliverer({
    holder,
    deliveries: store,
    tail,
    encoder,
    sender,
    clock,
    random: systemRandom,
    onGap: (webhook) => log.warn({ webhook }, "retention dropped events before this webhook had sent them"),
    onFatal: fail,
  });
  deliverer.start();
  const routes = {
    store,
    encoder,
    allowPrivate,
    newId: systemId,
    newSecret: () => systemSecret(WEBHOOK_SECRET_BYTES).toString("base64"),
    changed: () => {
      announce();
      deliverer.changed();
    },
  };
  return {
    tail,
    deliverer,
    routes,
    async [Symbol.asyncDispose]() {
      await deliverer.stop();
      sender[Symbol.dispose]();
    },
  };
}
