import { Migration } from "@mikro-orm/migrations";

/** Rows of the table `entity` are written behind, also by who has given the shard away: none may come back that a later owner has deleted. */
export class Deletions extends Migration {
  override up(): void {
    // The epoch under which a row of the shard was deleted last: rows of older epochs are not written any more.
    this.addSql("ALTER TABLE mark ADD COLUMN rows_epoch int NOT NULL DEFAULT 0");
  }

  override down(): void {
    this.addSql("ALTER TABLE mark DROP COLUMN rows_epoch");
  }
}
