import { Migration } from "@mikro-orm/migrations";

/** Webhooks: what is sent where, how far each has come, and what waits or was given up. */
export class Webhooks extends Migration {
  override up(): void {
    for (const statement of STATEMENTS) this.addSql(statement);
  }

  override down(): void {
    for (const table of ["webhook_letter", "webhook_delivery", "webhook"]) this.addSql(`DROP TABLE ${table}`);
  }
}

const STATEMENTS = [
  `CREATE TABLE webhook (
    id uuid PRIMARY KEY,
    url text NOT NULL,
    filter text,
    enabled boolean NOT NULL,
    disabled_reason text,
    secret text NOT NULL,
    previous_secret text,
    previous_until timestamptz,
    created_at timestamptz NOT NULL
  )`,
  // Apart from webhook, whose rows people change: these are updated all the time. The cursor is that of the last event that is done with.
  `CREATE TABLE webhook_delivery (
    webhook uuid PRIMARY KEY REFERENCES webhook ON DELETE CASCADE,
    holder text,
    generation bigint NOT NULL DEFAULT 0,
    lease_until timestamptz NOT NULL DEFAULT '-infinity',
    era int NOT NULL,
    xid xid8 NOT NULL,
    id bigint NOT NULL,
    redelivered bigint NOT NULL DEFAULT 0,
    delivered bigint NOT NULL DEFAULT 0,
    failures bigint NOT NULL DEFAULT 0,
    gaps bigint NOT NULL DEFAULT 0,
    last_error text,
    last_error_at timestamptz,
    paused_until timestamptz
  ) WITH (fillfactor = 50)`,
  // An event that could not be delivered: next_at says when to try again, and is null once it was given up.
  `CREATE TABLE webhook_letter (
    webhook uuid NOT NULL REFERENCES webhook ON DELETE CASCADE,
    era int NOT NULL,
    xid xid8 NOT NULL,
    id bigint NOT NULL,
    type text NOT NULL,
    subject text NOT NULL,
    time timestamptz NOT NULL,
    data jsonb NOT NULL,
    attempts int NOT NULL,
    failed_since timestamptz,
    next_at timestamptz,
    error text,
    PRIMARY KEY (webhook, era, xid, id)
  )`,
];
