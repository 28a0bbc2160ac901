/** Makes the next version of a machine. */
import type { PoolClient } from "pg";
import { MAX_MACHINE_STATES_KEPT, MAX_MACHINES } from "../actors/machine/limits.ts";
import { timersSince } from "../actors/machine/migrate.ts";
import type { MachineChange, MachineDraft, MachineVersion } from "../actors/machine/ports.ts";
import { sameJson } from "../actors/machine/values.ts";
import type { IfVersion } from "../actors/ports.ts";
import { makeNextVersion, type Wanted } from "./next-version.ts";
import { readMachines } from "./read-machines.ts";

const STATES = "SELECT coalesce(sum(states), 0)::int AS states FROM machine";
const INSERT = `
INSERT INTO machine (name, version, revision, kinds, definition, states, timers_since)
VALUES ($1, $2, $3, $4, $5, $6, $7)
RETURNING extract(epoch FROM changed_at)::float8 * 1000 AS changed_at`;

/** Within a transaction. */
export async function saveMachine(
  client: PoolClient,
  wanted: Wanted<MachineDraft>,
  ifVersion: IfVersion | undefined,
): Promise<MachineChange> {
  const draft = wanted.definition === undefined ? undefined : wanted;
  let newest: MachineVersion[] = [];
  return makeNextVersion<MachineVersion, MachineChange>(client, {
    part: "machines",
    ifVersion,
    removes: draft === undefined,
    async readLast() {
      newest = await readMachines(client, 0);
      return newest.find(({ name }) => name === wanted.name);
    },
    refuse: async () => draft && refuse(client, draft, newest),
    async insert(version, revision, last) {
      const next =
        draft === undefined
          ? { kinds: [], timersSince: {} }
          : {
              kinds: draft.kinds,
              definition: draft.definition,
              timersSince: timersSince(draft.timers, version, last?.timersSince),
            };
      const { rows } = await client.query<{ changed_at: number }>(INSERT, [
        wanted.name,
        version,
        revision,
        next.kinds,
        draft === undefined ? null : JSON.stringify(draft.definition),
        draft?.states ?? 0,
        JSON.stringify(next.timersSince),
      ]);
      return { name: wanted.name, version, revision, ...next, changedAt: Math.round(rows[0]!.changed_at) };
    },
  });
}

/** Why a definition is not taken, or need not be. */
async function refuse(
  client: PoolClient,
  { name, kinds, definition, states }: MachineDraft,
  newest: readonly MachineVersion[],
): Promise<MachineChange | undefined> {
  const last = newest.find((one) => one.name === name);
  if (last !== undefined && sameJson(last.definition, definition) && sameJson([...last.kinds], [...kinds]))
    return { is: "unchanged", version: last };
  for (const other of newest) {
    const kind = other.name === name ? undefined : other.kinds.find((one) => kinds.includes(one));
    if (kind !== undefined) return { is: "kind-taken", kind, by: other.name };
  }
  const others = newest.filter((one) => one.definition !== undefined && one.name !== name);
  if (others.length >= MAX_MACHINES) return { is: "too-many", of: "machines" };
  const kept = await client.query<{ states: number }>(STATES);
  if (kept.rows[0]!.states + states > MAX_MACHINE_STATES_KEPT) return { is: "too-many", of: "states" };
  return undefined;
}
