/** What the database says, asked directly and not by way of nodes. */
import { execute } from "../test/support/postgres-server.ts";
import type { AtRest, Decided, Recorded } from "./history.ts";

export interface StoredShard {
  id: number;
  epoch: number;
  owner: string | null;
  /** Address of the owner; null if there is none, or it is down. */
  url: string | null;
  /** The owner's lease has not run out. */
  alive: boolean;
}

/** Who owns what. Rejects while the database is away. */
export function readShards(databaseUrl: string): Promise<StoredShard[]> {
  return execute<StoredShard>(
    databaseUrl,
    `SELECT s.id, s.epoch, s.owner, CASE WHEN NOT f.down THEN n.url END AS url,
       coalesce(n.lease_until > clock_timestamp() AND NOT f.down, false) AS alive
     FROM shard s LEFT JOIN node n ON n.incarnation = s.owner LEFT JOIN fence f USING (incarnation) ORDER BY s.id`,
  );
}

/** Runs a statement. */
export type Ask = <R>(sql: string) => Promise<R[]>;

export function asking(databaseUrl: string): Ask {
  return (sql) => execute(databaseUrl, sql);
}

/** The table `entity`, which follows behind. */
export async function readEntities(ask: Ask): Promise<AtRest[]> {
  const rows = await ask<{ id: string; alt: number | null; epoch: number; seq: string; state: string }>(
    "SELECT id, alt, epoch, seq, state FROM entity ORDER BY id",
  );
  return rows.map(({ id, alt, epoch, seq, state }) => [id, alt ?? 0, epoch, Number(seq), state]);
}

/** Changes of state and liveness, in the order in which they were recorded. */
export async function readRecorded(ask: Ask): Promise<Recorded["rows"]> {
  const rows = await ask<{ id: string; subject: string; type: string; from: string; to: string }>(
    `SELECT id, subject, type, data ->> 'from' AS from, data ->> 'to' AS to
     FROM event WHERE type IN ('state.changed', 'liveness.changed') ORDER BY id`,
  );
  return rows.map(({ id, subject, type, from, to }) => [Number(id), subject, type, from, to]);
}

/** What was decided on commands, in the order in which it was recorded. */
export async function readDecided(ask: Ask): Promise<Decided["rows"]> {
  const rows = await ask<{ row: string; subject: string; id: string; type: string; state: string }>(
    `SELECT id AS row, subject, type, data ->> 'id' AS id, data ->> 'state' AS state
     FROM event WHERE type IN ('command.accepted', 'command.refused') ORDER BY event.id`,
  );
  return rows.map(({ row, subject, id, type, state }) => [
    Number(row),
    subject,
    id,
    type === "command.accepted",
    state,
  ]);
}

/** Ends all connections of nodes, as an operator or a fail-over does. */
export async function terminateBackends(databaseUrl: string): Promise<void> {
  await execute(
    databaseUrl,
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
  );
}
