/**
 * Replaces a shard's checkpoint and raises its mark, fenced like a flush, and only under the shard's epoch of now. The mark is updated in
 * the same statement; statements that raise several marks do so in id order (`raise-marks.ts`).
 *
 * Inputs: incarnation, gen, shard, epoch, mark, body.
 */
import type { PoolClient } from "pg";
import type { Checkpoint } from "../actors/ports.ts";

const SQL = `
WITH held AS MATERIALIZED (
  SELECT 1 FROM fence WHERE incarnation = $1 AND gen = $2 AND NOT down FOR SHARE
), written AS (
  INSERT INTO checkpoint AS c (shard, epoch, body)
  SELECT s.id, s.epoch, $6 FROM held, shard AS s WHERE s.id = $3 AND s.owner = $1 AND s.epoch = $4
  ON CONFLICT (shard) DO UPDATE SET epoch = excluded.epoch, body = excluded.body, written_at = now()
  WHERE c.epoch <= excluded.epoch
  RETURNING shard
)
UPDATE mark SET checkpoint = greatest(mark.checkpoint, $5) FROM written WHERE mark.shard = written.shard`;

/** @returns false if the fence does not stand any more, or the shard was claimed again since. */
export async function writeCheckpoint(
  client: PoolClient,
  key: { incarnation: string; gen: number },
  checkpoint: Checkpoint,
): Promise<boolean> {
  const { shard, epoch, mark, body } = checkpoint;
  const result = await client.query({
    name: "write-checkpoint",
    text: SQL,
    values: [
      key.incarnation,
      key.gen,
      shard,
      epoch,
      mark,
      Buffer.from(body.buffer, body.byteOffset, body.byteLength),
    ],
  });
  return result.rowCount === 1;
}
