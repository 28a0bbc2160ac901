/**
 * Retention: drops the daily partitions of tracks that are too old, and deletes from the default one what was both and recorded so long ago: a
 * recording of old days that was played lately is kept.
 */
import { type Dropped, dropDailyPartitions, type PartitionedTable } from "../daily-partitions.ts";
import { type StoreContext, withClient } from "../session.ts";

const COUNT_BLOCKS =
  "SELECT (pg_relation_size('track_default') / current_setting('block_size')::int)::int AS blocks";
/** Inputs: age in ms, first row and the one after the last, by place. An index would cost each row of it, and hours to make where there are many. */
const DELETE_DEFAULT = `
DELETE FROM track_default WHERE ctid >= $2::tid AND ctid < $3::tid
  AND greatest(recorded, upper(t_range)) < now() - make_interval(secs => $1::float8 / 1000)`;
/** Of one statement, a MB: it is to end however large the partition is, and on the embedded store flushes wait behind it. */
const BLOCKS = 128;
/** A row reaches into the next day. */
const REACH_DAYS = 1;

/** @param retentionMs how old a track may be. */
export async function dropOldTracks(context: StoreContext, retentionMs: number): Promise<Dropped> {
  const outcome = await dropDailyPartitions(context, "track", { retentionMs, reachDays: REACH_DAYS });
  if (outcome.locked) return outcome;
  const { rows } = await withClient(context, (client) => client.query<{ blocks: number }>(COUNT_BLOCKS));
  for (let block = 0; block < rows[0]!.blocks; block += BLOCKS) {
    const places = [`(${block},0)`, `(${block + BLOCKS},0)`];
    await withClient(context, (client) => client.query(DELETE_DEFAULT, [retentionMs, ...places]));
  }
  return outcome;
}

/** Reports may come late; those that are later still are found in the default partition. */
export const TRACK_PARTITIONS: PartitionedTable = {
  name: "track",
  key: "first",
  rows: "tracks",
  daysBehind: 2,
  dropOld: dropOldTracks,
};
