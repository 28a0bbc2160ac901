/** Reads versions of fences. */
import type { PoolClient } from "pg";
import type { FenceVersion } from "../actors/fences/ports.ts";
import type { JsonObject } from "../actors/messages.ts";
import { versionOf } from "./next-version.ts";

/** Points of one page, if it has more than one fence: they are parsed and made ready in one go, some 5 ms. */
const PAGE_POINTS = 5_000;

const REVISION = "SELECT revision::float8 FROM configuration WHERE name = 'fences'";

/**
 * The next $2 of the newest versions after revision $1, as far as they have $3 points; one at least. Removed ones, of which there may be thousands for
 * each that is there, only after revision $4; those that are there have an index of their own. (With 600,000 removed, a start reads 200 in 5 ms.)
 */
const NEWEST = `
WITH page AS MATERIALIZED (
  SELECT name, version, revision, points, sum(points) OVER (ORDER BY revision) AS until FROM (
    (SELECT name, version, revision, points FROM fence_version
      WHERE is_newest AND definition IS NOT NULL AND revision > $1 ORDER BY revision LIMIT $2)
    UNION ALL
    (SELECT name, version, revision, points FROM fence_version
      WHERE is_newest AND definition IS NULL AND revision > greatest($1, $4) ORDER BY revision LIMIT $2)
  ) AS newest ORDER BY revision LIMIT $2
)
SELECT name, version, since, revision::float8, definition, extract(epoch FROM changed_at)::float8 * 1000 AS changed_at
FROM page JOIN fence_version USING (name, version, revision)
WHERE until <= $3 OR until = page.points ORDER BY revision`;

const LAST = `
SELECT name, version, since, revision::float8, definition, extract(epoch FROM changed_at)::float8 * 1000 AS changed_at, points
FROM fence_version WHERE name = $1 ORDER BY version DESC LIMIT 1`;

interface Row {
  name: string;
  version: number;
  since: number;
  revision: number;
  definition: JsonObject | null;
  changed_at: number;
}

/** Of the newest change of fences. */
export async function readFenceRevision(client: PoolClient): Promise<number> {
  const { rows } = await client.query<{ revision: number }>(REVISION);
  return rows[0]!.revision;
}

/** By ascending revision. Empty = there are no more. */
export async function readFences(
  client: PoolClient,
  revision: number,
  limit: number,
  removedAfter: number,
): Promise<FenceVersion[]> {
  const { rows } = await client.query<Row>(NEWEST, [revision, limit, PAGE_POINTS, removedAfter]);
  return rows.map(versionOf);
}

/** The newest version of one fence, and how many points it has. */
export async function readFence(
  client: PoolClient,
  name: string,
): Promise<(FenceVersion & { points: number }) | undefined> {
  const { rows } = await client.query<Row & { points: number }>(LAST, [name]);
  return rows[0] && versionOf(rows[0]);
}
