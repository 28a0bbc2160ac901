/**
 * Replaces a shard's checkpoint and raises its mark, fenced like a flush, and only under the shard's epoch of now. The mark is updated in
 * the same statement; statements that raise several marks do so in id order (`raise-marks.ts`). It never goes back: a checkpoint that hung
 * on a dead connection and lands after a newer one would lose what the newer one covers.
 *
 * Inputs: incarnation, gen, shard, epoch, mark, body; number and bytes of the piece of tracks (no bytes = none), the first number that is still wanted.
 */
import type { PoolClient } from "pg";
import type { Checkpoint } from "../actors/ports.ts";
import { bytesOf } from "./binary-values.ts";

const SQL = `
WITH held AS MATERIALIZED (
  SELECT 1 FROM fence WHERE incarnation = $1 AND gen = $2 AND NOT down FOR SHARE
), ahead AS MATERIALIZED (
  SELECT m.shard, s.epoch FROM held, mark AS m JOIN shard AS s ON s.id = m.shard
  WHERE m.shard = $3 AND m.checkpoint <= $5 AND s.owner = $1 AND s.epoch = $4 FOR UPDATE OF m
), written AS (
  INSERT INTO checkpoint AS c (shard, epoch, body)
  SELECT shard, epoch, $6 FROM ahead
  ON CONFLICT (shard) DO UPDATE SET epoch = excluded.epoch, body = excluded.body, written_at = now()
  WHERE c.epoch <= excluded.epoch
  RETURNING shard
), dropped AS (
  DELETE FROM track_tail t USING written w WHERE t.shard = w.shard AND t.no < $9
), kept AS (
  INSERT INTO track_tail (shard, no, body)
  SELECT shard, $7, $8 FROM written WHERE octet_length($8::bytea) > 0
  ON CONFLICT (shard, no) DO UPDATE SET body = excluded.body
)
UPDATE mark SET checkpoint = $5 FROM written WHERE mark.shard = written.shard`;

const NO_TAIL = { no: 0, firstNo: 0, body: new Uint8Array(0) };

/** @returns false if the fence does not stand any more, the shard was claimed again since, or its mark is past this one. */
export async function writeCheckpoint(
  client: PoolClient,
  key: { incarnation: string; gen: number },
  checkpoint: Checkpoint,
): Promise<boolean> {
  const { shard, epoch, mark, body, tail = NO_TAIL } = checkpoint;
  const result = await client.query({
    name: "write-checkpoint",
    text: SQL,
    values: [
      key.incarnation,
      key.gen,
      shard,
      epoch,
      mark,
      bytesOf(body),
      tail.no,
      bytesOf(tail.body),
      tail.firstNo,
    ],
  });
  return result.rowCount === 1;
}
