import { Migration } from "@mikro-orm/migrations";

/** `Fences` makes the column since it was changed; a database that was migrated before has none. */
export class FenceSince extends Migration {
  override up(): void {
    this.addSql("ALTER TABLE fence_version ADD COLUMN IF NOT EXISTS since int");
    this.addSql(`UPDATE fence_version AS made SET since = CASE WHEN definition IS NULL THEN version ELSE 1 + coalesce((
      SELECT max(version) FROM fence_version AS removal
      WHERE removal.name = made.name AND removal.version < made.version AND removal.definition IS NULL), 0) END
      WHERE since IS NULL`);
    this.addSql("ALTER TABLE fence_version ALTER COLUMN since SET NOT NULL");
  }

  /** The column is of `Fences`. */
  override down(): void {}
}
