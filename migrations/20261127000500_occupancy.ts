import { Migration } from "@mikro-orm/migrations";

/** Which fences entities are inside of, as rows of `track` say already. */
export class Occupancy extends Migration {
  override up(): void {
    this.addSql("ALTER TABLE entity ADD COLUMN fences text[] NOT NULL DEFAULT '{}'");
  }

  override down(): void {
    this.addSql("ALTER TABLE entity DROP COLUMN fences");
  }
}
