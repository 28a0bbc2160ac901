/**
 * Retention: drops the daily partitions of events that are too old, and what is as old in the default one. Before they go, the last of them
 * becomes the floor, so that a reader that needs what is gone is told so. Dead letters go with them.
 */
import type { PoolClient } from "pg";
import { MAX_BACKGROUND_ROWS } from "../limits.ts";
import { type Dropped, dropDailyPartitions, type PartitionedTable } from "./daily-partitions.ts";
import { dropDeadLetters } from "./drop-dead-letters.ts";
import { type StoreContext, withClient } from "./session.ts";

/** Input: none. Raises the floor to the last of the rows that a name stands for. */
const raiseFloor = (rows: string) => `
UPDATE event_floor f SET era = e.era, xid = e.xid, id = e.id
FROM (SELECT era, xid, id FROM ${rows} ORDER BY era DESC, xid DESC, id DESC LIMIT 1) AS e
WHERE (e.era, e.xid, e.id) > (f.era, f.xid, f.id)`;
/** Inputs: age in ms, number of rows. */
const DELETE_DEFAULT = `
WITH old AS (
  SELECT recorded_at, id FROM event_default WHERE recorded_at < now() - make_interval(secs => $1::float8 / 1000)
  ORDER BY recorded_at, id LIMIT $2
), gone AS (
  DELETE FROM event_default e USING old WHERE e.recorded_at = old.recorded_at AND e.id = old.id RETURNING e.era, e.xid, e.id
), newest AS (SELECT era, xid, id FROM gone ORDER BY era DESC, xid DESC, id DESC LIMIT 1), floor AS (
  UPDATE event_floor f SET era = n.era, xid = n.xid, id = n.id FROM newest n WHERE (n.era, n.xid, n.id) > (f.era, f.xid, f.id)
)
SELECT count(*)::int AS count FROM gone`;

/** @param retentionMs how old an event may be, and for how long a dead letter is kept. */
export async function dropOldEvents(context: StoreContext, retentionMs: number): Promise<Dropped> {
  const outcome = await dropDailyPartitions(context, "event", { retentionMs, reachDays: 0 }, raiseFloorTo);
  for (let count = outcome.locked ? 0 : MAX_BACKGROUND_ROWS; count === MAX_BACKGROUND_ROWS; ) {
    const { rows } = await withClient(context, (client) =>
      client.query<{ count: number }>(DELETE_DEFAULT, [retentionMs, MAX_BACKGROUND_ROWS]),
    );
    count = rows[0]!.count;
  }
  await dropDeadLetters(context, retentionMs);
  return outcome;
}

async function raiseFloorTo(client: PoolClient, name: string): Promise<void> {
  // In the order in which a drop locks; after it nobody writes the last rows of the day.
  await client.query("LOCK TABLE event IN ACCESS EXCLUSIVE MODE");
  await client.query(raiseFloor(name));
}

/** Events are dated by the clock of the database when they are recorded: none is of yesterday. */
export const EVENT_PARTITIONS: PartitionedTable = {
  name: "event",
  key: "recorded_at",
  rows: "events",
  daysBehind: 0,
  dropOld: dropOldEvents,
};
