import { makeDailyPartitions } from "./daily-partitions.ts";
import type { StoreContext } from "./session.ts";

/** Events are dated by the clock of the database when they are recorded: none is of yesterday. */
export function makeEventPartitions(context: StoreContext): Promise<{ tooLate: string[]; locked: string[] }> {
  return makeDailyPartitions(context, "event", 0);
}
