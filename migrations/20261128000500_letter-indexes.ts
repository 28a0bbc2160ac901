import { Migration } from "@mikro-orm/migrations";

const INDEXES = {
  webhook_letter_waiting: "(webhook, era, xid, id) WHERE next_at IS NOT NULL",
  webhook_letter_subject: "(subject, era, xid, id)",
  webhook_letter_age: "(failed_since) WHERE next_at IS NULL",
};

/** Dead letters may be millions: what waits, what an entity has and what is old is found without reading all of them. */
export class LetterIndexes extends Migration {
  override up(): void {
    for (const [name, what] of Object.entries(INDEXES))
      this.addSql(`CREATE INDEX ${name} ON webhook_letter ${what}`);
  }

  override down(): void {
    for (const name of Object.keys(INDEXES)) this.addSql(`DROP INDEX ${name}`);
  }
}
