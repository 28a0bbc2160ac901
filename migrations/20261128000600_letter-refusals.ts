import { Migration } from "@mikro-orm/migrations";

/** How often an event failed with events of others taken between, so that the next who delivers the webhook knows what the endpoint refuses. */
export class LetterRefusals extends Migration {
  override up(): void {
    this.addSql("ALTER TABLE webhook_letter ADD COLUMN refusals int NOT NULL DEFAULT 0");
  }

  override down(): void {
    this.addSql("ALTER TABLE webhook_letter DROP COLUMN refusals");
  }
}
