import { Migration } from "@mikro-orm/migrations";

/** Numbers of events begin somewhere else in each database: eras of two may be the same, and so may be their transactions, but an event's `id` stays its own. */
export class EventIds extends Migration {
  override up(): void {
    this.addSql(
      `SELECT setval('event_id_seq', last_value + 1 + floor(random() * ${2 ** 40})::bigint) FROM event_id_seq`,
    );
  }

  /** Numbers only rise. */
  override down(): void {}
}
