/**
 * Retention: drops the daily partitions of tracks that are too old, and deletes from the default one what was both and recorded so long ago: a
 * recording of old days that was played lately is kept.
 */
import { MAX_BACKGROUND_ROWS } from "../../limits.ts";
import { type Dropped, dropDailyPartitions, type PartitionedTable } from "../daily-partitions.ts";
import { type StoreContext, withClient } from "../session.ts";

/** Inputs: age in ms, number of rows. */
const DELETE_DEFAULT = `
DELETE FROM track_default WHERE ctid IN (
  SELECT ctid FROM track_default
  WHERE greatest(recorded, upper(t_range)) < now() - make_interval(secs => $1::float8 / 1000) LIMIT $2
)`;
/** A row reaches into the next day. */
const REACH_DAYS = 1;

/** @param retentionMs how old a track may be. */
export async function dropOldTracks(context: StoreContext, retentionMs: number): Promise<Dropped> {
  const outcome = await dropDailyPartitions(context, "track", { retentionMs, reachDays: REACH_DAYS });
  for (let count = outcome.locked ? 0 : MAX_BACKGROUND_ROWS; count === MAX_BACKGROUND_ROWS; ) {
    const deleted = await withClient(context, (client) =>
      client.query(DELETE_DEFAULT, [retentionMs, MAX_BACKGROUND_ROWS]),
    );
    count = deleted.rowCount ?? 0;
  }
  return outcome;
}

/** Reports may come late; those that are later still are found in the default partition. */
export const TRACK_PARTITIONS: PartitionedTable = {
  name: "track",
  rows: "tracks",
  daysBehind: 2,
  dropOld: dropOldTracks,
};
