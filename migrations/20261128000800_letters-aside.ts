import { Migration } from "@mikro-orm/migrations";

/** What of an entity was set aside is found without reading all dead letters. */
export class LettersAside extends Migration {
  override up(): void {
    this.addSql(
      "CREATE INDEX webhook_letter_aside ON webhook_letter (webhook, subject, era, xid, id) WHERE next_at IS NULL AND attempts = 0",
    );
  }

  override down(): void {
    this.addSql("DROP INDEX webhook_letter_aside");
  }
}
