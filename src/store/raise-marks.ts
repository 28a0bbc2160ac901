/**
 * Raises the marks of shards that have nothing newer in the journal, so that the next start need not look. Fenced like a flush. Rows are
 * locked in id order: two nodes that update many marks in the order of their plans deadlock (68 of 100 runs of a test). Single nodes only: it
 * relies on what this node remembers of the journal; a node of a cluster asks the journal (`leaveCluster`).
 *
 * Inputs: incarnation, gen, shards, mark.
 */
import type { PoolClient } from "pg";

const SQL = `
WITH held AS MATERIALIZED (
  SELECT 1 FROM fence WHERE incarnation = $1 AND gen = $2 AND NOT down FOR SHARE
), ordered AS MATERIALIZED (
  SELECT shard FROM mark WHERE shard = ANY ($3) AND EXISTS (SELECT FROM held) ORDER BY shard FOR UPDATE
)
UPDATE mark SET checkpoint = greatest(checkpoint, $4) FROM ordered WHERE mark.shard = ordered.shard`;

export async function raiseMarks(
  client: PoolClient,
  key: { incarnation: string; gen: number },
  shards: readonly number[],
  mark: number,
): Promise<void> {
  await client.query(SQL, [key.incarnation, key.gen, shards, mark]);
}
