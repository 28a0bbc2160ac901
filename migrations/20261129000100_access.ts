import { Migration } from "@mikro-orm/migrations";

/** Roles and keys: who may do what. */
export class Access extends Migration {
  override up(): void {
    for (const statement of STATEMENTS) this.addSql(statement);
  }

  override down(): void {
    for (const table of ["access_key", "access_role"]) this.addSql(`DROP TABLE ${table}`);
    this.addSql("DELETE FROM configuration WHERE name IN ('roles', 'keys')");
  }
}

const STATEMENTS = [
  "INSERT INTO configuration (name) VALUES ('roles'), ('keys')",
  // json, not jsonb: it keeps what people wrote.
  `CREATE TABLE access_role (
    name text PRIMARY KEY,
    revision bigint NOT NULL,
    grants json NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now()
  )`,
  // The SHA-256 of the key: the key itself is nowhere.
  `CREATE TABLE access_key (
    id uuid PRIMARY KEY,
    revision bigint NOT NULL,
    name text NOT NULL,
    hash bytea NOT NULL UNIQUE,
    roles text[] NOT NULL,
    attributes json NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz
  )`,
];
