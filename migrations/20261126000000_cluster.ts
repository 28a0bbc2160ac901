import { Migration } from "@mikro-orm/migrations";

/** Many nodes on one database: which nodes run in a cluster, and the place in the ring that they share. */
export class ManyNodes extends Migration {
  override up(): void {
    this.addSql("ALTER TABLE node ADD COLUMN clustered boolean NOT NULL DEFAULT false");
    // How often the ring has turned; the part that flushes go to is turns % 4. A single node goes by the newest row instead.
    this.addSql("CREATE TABLE journal_ring (turns bigint NOT NULL)");
    this.addSql("INSERT INTO journal_ring VALUES (0)");
  }

  override down(): void {
    this.addSql("DROP TABLE journal_ring");
    this.addSql("ALTER TABLE node DROP COLUMN clustered");
  }
}
