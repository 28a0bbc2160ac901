import { defineEntity, p } from "@mikro-orm/core";

/** What is sent where. How far it has come is in `webhook_delivery`, which is hot. */
export const Webhook = defineEntity({
  name: "Webhook",
  tableName: "webhook",
  properties: {
    id: p.uuid().primary(),
    url: p.text(),
    /** A CEL expression over `event`; null = all. */
    filter: p.text().nullable(),
    enabled: p.boolean(),
    disabledReason: p.text().nullable(),
    /** Base64. */
    secret: p.text(),
    /** The one before, which signs too until then. */
    previousSecret: p.text().nullable(),
    previousUntil: p.datetime().nullable(),
    createdAt: p.datetime(),
  },
});
