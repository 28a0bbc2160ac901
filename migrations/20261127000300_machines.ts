import { Migration } from "@mikro-orm/migrations";

/** Machines that are changed while entities run them. */
export class Machines extends Migration {
  override up(): void {
    for (const statement of STATEMENTS) this.addSql(statement);
  }

  override down(): void {
    for (const table of ["machine", "configuration"]) this.addSql(`DROP TABLE ${table}`);
  }
}

const STATEMENTS = [
  // What all nodes hold. Whoever changes something locks its row first, so that revisions are committed in their order.
  "CREATE TABLE configuration (name text PRIMARY KEY, revision bigint NOT NULL DEFAULT 0)",
  "INSERT INTO configuration (name) VALUES ('machines')",
  // Every version that ever was; definition is null in one that removes the machine. json, not jsonb: it keeps the order in which people wrote it.
  `CREATE TABLE machine (
    name text NOT NULL,
    version int NOT NULL,
    revision bigint NOT NULL UNIQUE,
    kinds text[] NOT NULL,
    definition json,
    states int NOT NULL,
    timers_since json NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (name, version)
  )`,
];
