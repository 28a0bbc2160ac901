/** Reads versions of machines. */
import type { PoolClient } from "pg";
import type { MachineVersion } from "../actors/machine/ports.ts";
import type { JsonObject } from "../actors/messages.ts";
import { versionOf } from "./next-version.ts";

/** The newest version of each machine, if its revision is after $1. */
const NEWEST = `
SELECT DISTINCT ON (name) name, version, revision::float8, kinds, definition, timers_since,
  extract(epoch FROM changed_at)::float8 * 1000 AS changed_at
FROM machine WHERE revision > $1 ORDER BY name, version DESC`;

interface Row {
  name: string;
  version: number;
  revision: number;
  kinds: string[];
  definition: JsonObject | null;
  timers_since: Record<string, number>;
  changed_at: number;
}

export async function readMachines(client: PoolClient, revision: number): Promise<MachineVersion[]> {
  const { rows } = await client.query<Row>(NEWEST, [revision]);
  return rows.map(({ timers_since, ...row }) => ({ ...versionOf(row), timersSince: timers_since }));
}
