/** What tests of the log write, and how they read it. */
import type { Cursor } from "../../src/events/cursor.ts";
import type { EventLog, LoggedEvent } from "../../src/events/ports.ts";
import { openEmbedded, openOnPostgres } from "./rig.ts";

export const STORES = { postgresql: openOnPostgres, embedded: openEmbedded };

export function eventsOf(n: number, subjects: readonly string[]) {
  return subjects.map((subject) => ({
    shard: 1,
    type: "state.changed",
    subject,
    time: 1_000 + n,
    data: { n: `${n}${subject}` },
  }));
}

export async function readAll(
  log: EventLog,
  after: Cursor,
  limit: number,
  subject?: string,
): Promise<LoggedEvent[]> {
  const events: LoggedEvent[] = [];
  for (let cursor = after; ; ) {
    const page = await log.read(cursor, limit, subject);
    events.push(...page.events);
    cursor = page.next;
    if (!page.more) return events;
  }
}

export const textsOf = (events: readonly LoggedEvent[]) => events.map(({ data }) => data.n);
