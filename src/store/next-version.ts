/**
 * Makes the next version of a thing in a part of the configuration. Every version is kept; one without a definition removes the thing. Revisions of a
 * part are committed in their order, so who has read one lacks none before it.
 */
import type { PoolClient } from "pg";
import type { JsonObject } from "../actors/messages.ts";
import type { IfVersion } from "../actors/ports.ts";

/** Changes of a part come one after the other from here to the end of the transaction. */
const TURN = "SELECT revision::float8 FROM configuration WHERE name = $1 FOR UPDATE";
const RAISE = "UPDATE configuration SET revision = $2 WHERE name = $1";

export interface Version {
  version: number;
  /** Absent = it was removed. */
  definition?: JsonObject;
}

/** As the table `configuration` has it. */
export type Part = "machines" | "fences" | "roles" | "keys";

/** Within a transaction, which has the turn until its end. @returns the revision of what it changes */
export async function takeTurn(client: PoolClient, part: Part): Promise<number> {
  const { rows } = await client.query<{ revision: number }>(TURN, [part]);
  return rows[0]!.revision + 1;
}

/** Something was changed in this turn. */
export async function raiseRevision(client: PoolClient, part: Part, revision: number): Promise<void> {
  await client.query(RAISE, [part, revision]);
}

export interface NextVersion<V extends Version, Refused> {
  part: Part;
  ifVersion: IfVersion | undefined;
  removes: boolean;
  /** The newest version, read in the turn. */
  readLast(): Promise<V | undefined>;
  /** Why it is not made, or need not be. Default: it is. */
  refuse?(last: V | undefined): Promise<Refused | undefined>;
  insert(version: number, revision: number, last: V | undefined): Promise<V>;
}

export type Made<V, Refused> =
  | { is: "saved"; version: V; created: boolean }
  | { is: "other-version"; version?: number }
  | Refused;

/** What is to become of a thing: a version with a definition, or none any more. */
export type Wanted<Draft> = Draft | { name: string; definition?: undefined };

/** A version, of what its row has. */
export function versionOf<Row extends { definition: JsonObject | null; changed_at: number }>({
  definition,
  changed_at,
  ...row
}: Row) {
  return { ...row, ...(definition !== null && { definition }), changedAt: Math.round(changed_at) };
}

/** Within a transaction. */
export async function makeNextVersion<V extends Version, Refused>(
  client: PoolClient,
  next: NextVersion<V, Refused>,
): Promise<Made<V, Refused>> {
  const revision = await takeTurn(client, next.part);
  const last = await next.readLast();
  const isThere = last?.definition !== undefined;
  if (!isMeant(isThere ? last.version : undefined, next))
    return { is: "other-version", ...(isThere && { version: last.version }) };
  const refused = await next.refuse?.(last);
  if (refused !== undefined) return refused;
  await raiseRevision(client, next.part, revision);
  const version = await next.insert((last?.version ?? 0) + 1, revision, last);
  return { is: "saved", created: !isThere, version };
}

/** Whether a change is bound to what is there. @param version the newest one; absent = there is no such thing. */
export function isMeant(
  version: number | undefined,
  { ifVersion, removes }: Pick<NextVersion<Version, unknown>, "ifVersion" | "removes">,
): boolean {
  if (typeof ifVersion === "number") return version === ifVersion;
  if (version === undefined) return !removes && ifVersion !== "any";
  return ifVersion !== "none";
}
