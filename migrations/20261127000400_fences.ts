import { Migration } from "@mikro-orm/migrations";

/** Areas that entities enter and leave. The table `fence` is another thing: it keeps nodes out. */
export class Fences extends Migration {
  override up(): void {
    for (const statement of STATEMENTS) this.addSql(statement);
  }

  override down(): void {
    this.addSql("DROP VIEW fence_area");
    for (const table of ["fence_version", "fence_count"]) this.addSql(`DROP TABLE ${table}`);
    this.addSql("DELETE FROM configuration WHERE name = 'fences'");
  }
}

const STATEMENTS = [
  "INSERT INTO configuration (name) VALUES ('fences')",
  // Every version that ever was; definition is null in one that removes the fence; since is the version with which it was made, after the last removal. Whoever starts reads the newest ones in the order of their revisions.
  `CREATE TABLE fence_version (
    name text NOT NULL,
    version int NOT NULL,
    since int NOT NULL,
    revision bigint NOT NULL UNIQUE,
    definition json,
    points int NOT NULL,
    is_newest boolean NOT NULL DEFAULT true,
    changed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (name, version)
  )`,
  "CREATE INDEX fence_version_newest ON fence_version (revision) WHERE is_newest",
  // Of those that are there: whoever saves one must not count all.
  "CREATE TABLE fence_count (fences int NOT NULL, points int NOT NULL)",
  "INSERT INTO fence_count VALUES (0, 0)",
  // For anyone with SQL. Not the area of a circle or a corridor: as a polygon in degrees it would be wrong across 180° and around poles.
  `CREATE VIEW fence_area AS
    SELECT name, version, changed_at, definition->'properties' AS properties,
      (definition->'properties'->>'radius')::float8 AS radius,
      ST_SetSRID(ST_GeomFromGeoJSON(definition->>'geometry'), 4326) AS geometry
    FROM fence_version WHERE is_newest AND definition IS NOT NULL`,
];
