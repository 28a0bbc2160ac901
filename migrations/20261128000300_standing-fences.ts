import { Migration } from "@mikro-orm/migrations";

/** A start reads the fences that are there: it must not pass over all that ever were. */
export class StandingFences extends Migration {
  override up(): void {
    this.addSql(
      "CREATE INDEX fence_version_standing ON fence_version (revision) WHERE is_newest AND definition IS NOT NULL",
    );
  }

  override down(): void {
    this.addSql("DROP INDEX fence_version_standing");
  }
}
