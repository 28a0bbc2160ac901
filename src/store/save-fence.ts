/** Makes the next version of a fence. */
import type { PoolClient } from "pg";
import { MAX_FENCE_POINTS_KEPT, MAX_FENCES } from "../actors/fences/limits.ts";
import type { FenceChange, FenceDraft, FenceVersion } from "../actors/fences/ports.ts";
import { sameJson } from "../actors/machine/values.ts";
import type { IfVersion } from "../actors/ports.ts";
import { makeNextVersion, versionOf, type Wanted } from "./next-version.ts";
import { readFence } from "./read-fences.ts";

const COUNT = "SELECT fences, points FROM fence_count";
const ADD = "UPDATE fence_count SET fences = fences + $1, points = points + $2";
const SUPERSEDE = "UPDATE fence_version SET is_newest = false WHERE name = $1 AND version = $2";
const INSERT = `
INSERT INTO fence_version (name, version, since, revision, definition, points) VALUES ($1, $2, $3, $4, $5, $6)
RETURNING extract(epoch FROM changed_at)::float8 * 1000 AS changed_at`;

/** Within a transaction. */
export async function saveFence(
  client: PoolClient,
  wanted: Wanted<FenceDraft>,
  ifVersion: IfVersion | undefined,
): Promise<FenceChange> {
  const { name, definition } = wanted;
  const points = wanted.definition === undefined ? 0 : wanted.points;
  /** What it adds to all. */
  const more = { fences: definition === undefined ? 0 : 1, points };
  return makeNextVersion<FenceVersion, FenceChange>(client, {
    part: "fences",
    ifVersion,
    removes: definition === undefined,
    async readLast() {
      const last = await readFence(client, name);
      if (last === undefined) return undefined;
      const { points, ...version } = last;
      more.points -= points;
      if (version.definition !== undefined) more.fences--;
      return version;
    },
    async refuse(last) {
      if (definition === undefined) return undefined;
      if (last !== undefined && sameJson(last.definition, definition))
        return { is: "unchanged", version: last };
      const kept = (await client.query<{ fences: number; points: number }>(COUNT)).rows[0]!;
      if (more.fences > 0 && kept.fences >= MAX_FENCES) return { is: "too-many", of: "fences" };
      if (more.points > 0 && kept.points + more.points > MAX_FENCE_POINTS_KEPT)
        return { is: "too-many", of: "points" };
      return undefined;
    },
    async insert(version, revision, last) {
      await client.query(ADD, [more.fences, more.points]);
      if (last !== undefined) await client.query(SUPERSEDE, [name, last.version]);
      const since = last?.definition !== undefined && definition !== undefined ? last.since : version;
      const text = definition === undefined ? null : JSON.stringify(definition);
      const { rows } = await client.query<{ changed_at: number }>(INSERT, [
        ...[name, version, since, revision, text, points],
      ]);
      return versionOf({ name, version, since, revision, definition: definition ?? null, ...rows[0]! });
    },
  });
}
