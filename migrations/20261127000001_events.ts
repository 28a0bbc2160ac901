import { Migration } from "@mikro-orm/migrations";

/** Events are read: the order in which nothing is skipped, the server that it is true of, and what was dropped of it. */
export class EventLog extends Migration {
  override up(): void {
    for (const statement of STATEMENTS) this.addSql(statement);
  }

  override down(): void {
    this.addSql("DROP TABLE event_floor");
    this.addSql("DROP INDEX event_order");
    this.addSql("DROP INDEX event_subject_order");
    this.addSql("CREATE INDEX ON event (subject, id)");
    this.addSql("ALTER TABLE cluster DROP COLUMN server");
  }
}

const STATEMENTS = [
  // Transaction ids are those of one server: on another, or after a recovery to an earlier moment, they begin lower.
  "ALTER TABLE cluster ADD COLUMN server text NOT NULL DEFAULT ''",
  "CREATE INDEX event_order ON event (era, xid, id)",
  "CREATE INDEX event_subject_order ON event (subject, era, xid, id)",
  "DROP INDEX event_subject_id_idx",
  // The last event that retention has dropped; what comes after it is all there.
  "CREATE TABLE event_floor (era int NOT NULL, xid xid8 NOT NULL, id bigint NOT NULL)",
  "INSERT INTO event_floor VALUES (0, '0', 0)",
];
