/**
 * Whether the role may do what a node does sooner or later: each day it makes partitions and drops old ones, and a newer program migrates. Only who has the rights of the
 * owner may, whatever is granted besides; a role that may not would serve for a day and end then.
 */
import type { PoolClient } from "pg";
import { StoreStartError } from "./errors.ts";

/** What migrations have made, as far as it does not belong to another of these, but for partitions. */
export const RELATIONS = [
  ...["mikro_orm_migrations", "cluster", "node", "shard", "fence", "configuration"],
  ...["journal", "journal_id", "journal_ring", "mark", "checkpoint"],
  ...["entity", "event", "event_floor", "track", "track_tail"],
  ...["machine", "fence_version", "fence_count", "fence_area"],
  ...["webhook", "webhook_delivery", "webhook_letter"],
  ...["access_role", "access_key"],
];

/** Input: names. Those that are not there yet will be the role's own. */
const SQL = `
WITH made AS (SELECT to_regclass(name)::oid AS relation FROM unnest($1::text[]) AS name),
missed AS (
  SELECT DISTINCT r.rolname, r.rolsuper FROM pg_class c JOIN pg_roles r ON r.oid = relowner
  WHERE (c.oid IN (SELECT relation FROM made)
      OR c.oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent IN (SELECT relation FROM made)))
    AND NOT pg_has_role(relowner, 'USAGE')
)
SELECT quote_ident(current_user) AS role, quote_ident(current_schema()) AS schema,
  has_schema_privilege(current_schema(), 'CREATE') AS "mayCreate",
  (SELECT string_agg(quote_ident(rolname), ', ' ORDER BY rolname) FROM missed) AS owners,
  (SELECT bool_or(rolsuper) FROM missed) AS "ofSuperuser"`;

interface Rights {
  role: string;
  schema: string | null;
  mayCreate: boolean | null;
  owners: string | null;
  ofSuperuser: boolean | null;
}

/** @param where the database, for the sentence. @throws StoreStartError */
export async function checkRights(client: PoolClient, where: string): Promise<void> {
  const { rows } = await client.query<Rights>(SQL, [RELATIONS]);
  const { role, schema, mayCreate, owners, ofSuperuser } = rows[0]!;
  if (owners !== null) {
    // Whoever is given the role of a superuser can become one.
    const remedy = ofSuperuser
      ? `restore with pg_restore --no-owner --role=${role}, or let ALTER TABLE … OWNER TO ${role} make it their owner`
      : `start Muster as that role, or GRANT ${owners} TO ${role}`;
    throw new StoreStartError(
      "not-owner",
      `the tables of ${where} belong to ${owners}, whose rights ${role} has not: ${remedy}`,
    );
  }
  if (mayCreate === false) {
    throw new StoreStartError(
      "not-owner",
      `${role} may make no tables in the schema ${schema} of ${where}: GRANT CREATE ON SCHEMA ${schema} TO ${role}`,
    );
  }
}
