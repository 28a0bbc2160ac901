/** Roles behind their port: the row of each, as it is now. */
import type { PoolClient } from "pg";
import { MAX_ROLES } from "../access/limits.ts";
import type { Grant, Role } from "../access/ports.ts";
import type { RoleChange, RoleStore, StoredRole } from "../access/store-ports.ts";
import { sameJson } from "../actors/machine/values.ts";
import type { IfVersion } from "../actors/ports.ts";
import { isMeant, raiseRevision, takeTurn } from "./next-version.ts";
import { inTransaction, type StoreContext, withClient } from "./session.ts";

const PART = "roles";
const COLUMNS =
  "r.name, r.revision::float8 AS version, r.grants, extract(epoch FROM r.changed_at)::float8 * 1000 AS changed_at";

/** No row = nothing is newer; one without a name = there is no role any more. Input: a revision. */
const SINCE = `
SELECT c.revision::float8 AS revision, ${COLUMNS} FROM configuration c LEFT JOIN access_role r ON true
WHERE c.name = '${PART}' AND c.revision > $1`;
const FIND = `SELECT ${COLUMNS} FROM access_role r WHERE name = $1`;
const COUNT = "SELECT count(*)::int AS n FROM access_role";
/** Inputs: name, revision, grants. */
const SAVE = `
INSERT INTO access_role AS r (name, revision, grants) VALUES ($1, $2, $3)
ON CONFLICT (name) DO UPDATE SET revision = $2, grants = $3, changed_at = now() RETURNING ${COLUMNS}`;
const REMOVE = "DELETE FROM access_role WHERE name = $1";

interface Row {
  name: string;
  version: number;
  grants: Grant[];
  changed_at: number;
}

export class StoredRoles implements RoleStore {
  readonly #context: StoreContext;

  constructor(context: StoreContext) {
    this.#context = context;
  }

  since(revision: number): ReturnType<RoleStore["since"]> {
    return withClient(this.#context, async (client) => {
      type Found = { revision: number } & (Row | { name: null });
      const { rows } = await client.query<Found>(SINCE, [revision]);
      if (rows.length === 0) return undefined;
      const roles = rows.flatMap((row) => (row.name === null ? [] : roleOf(row)));
      return { revision: rows[0]!.revision, roles };
    });
  }

  save(role: Role, ifVersion?: IfVersion): Promise<RoleChange> {
    return inTransaction(this.#context, (client) => saveRole(client, role, ifVersion));
  }

  remove(name: string, ifVersion?: IfVersion): ReturnType<RoleStore["remove"]> {
    return inTransaction(this.#context, async (client) => {
      const revision = await takeTurn(client, PART);
      const last = await find(client, name);
      if (!isMeant(last?.version, { ifVersion, removes: true })) return otherVersion(last);
      await client.query(REMOVE, [name]);
      await raiseRevision(client, PART, revision);
      return { is: "removed" };
    });
  }
}

/** Within a transaction. */
export async function saveRole(
  client: PoolClient,
  { name, grants }: Role,
  ifVersion: IfVersion | undefined,
): Promise<RoleChange> {
  const revision = await takeTurn(client, PART);
  const last = await find(client, name);
  if (!isMeant(last?.version, { ifVersion, removes: false })) return otherVersion(last);
  if (last !== undefined && sameJson(last.grants as never, grants as never))
    return { is: "unchanged", role: last };
  if (last === undefined) {
    const { rows } = await client.query<{ n: number }>(COUNT);
    if (rows[0]!.n >= MAX_ROLES) return { is: "too-many" };
  }
  const saved = await client.query<Row>(SAVE, [name, revision, JSON.stringify(grants)]);
  await raiseRevision(client, PART, revision);
  return { is: "saved", role: roleOf(saved.rows[0]!), created: last === undefined };
}

async function find(client: PoolClient, name: string): Promise<StoredRole | undefined> {
  const { rows } = await client.query<Row>(FIND, [name]);
  return rows[0] && roleOf(rows[0]);
}

function otherVersion(last: StoredRole | undefined): { is: "other-version"; version?: number } {
  return { is: "other-version", ...(last && { version: last.version }) };
}

function roleOf({ name, version, grants, changed_at }: Row): StoredRole {
  return { name, version, grants, changedAt: Math.round(changed_at) };
}
