import { Migration } from "@mikro-orm/migrations";

/** Rises with each save of a webhook's holder and with each erasure: a save that was begun before either finds another one, and does nothing. */
export class WebhookStep extends Migration {
  override up(): void {
    this.addSql("ALTER TABLE webhook_delivery ADD COLUMN step bigint NOT NULL DEFAULT 0");
  }

  override down(): void {
    this.addSql("ALTER TABLE webhook_delivery DROP COLUMN step");
  }
}
