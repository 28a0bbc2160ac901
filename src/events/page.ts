/** One page of events that pass a filter. */
import { MAX_EVENT_ROWS, MAX_EVENT_SCAN } from "../limits.ts";
import type { Cursor } from "./cursor.ts";
import type { EventTest } from "./filter.ts";
import type { EventLog, LoggedEvent } from "./ports.ts";
import { CursorError, isGone } from "./position.ts";

export interface FilteredPage {
  events: LoggedEvent[];
  next: Cursor;
  /** There may be more now, also if the page is short: only so many events are looked at. */
  more: boolean;
}

/** @param subject only of this entity; absent = of all. @throws StoreAway, and CursorError `cursor-gone` if retention has overtaken it */
export async function readPage(
  log: EventLog,
  after: Cursor,
  limit: number,
  test: EventTest,
  subject?: string,
): Promise<FilteredPage> {
  const events: LoggedEvent[] = [];
  let cursor = after;
  for (let looked = 0; looked < MAX_EVENT_SCAN; looked += MAX_EVENT_ROWS) {
    const page = await log.read(cursor, MAX_EVENT_ROWS, subject);
    if (isGone(cursor, page.floor)) {
      if (looked === 0) throw new CursorError("cursor-gone");
      // What was read until here is whole; whoever asks for more is refused.
      break;
    }
    for (const event of page.events) {
      if (!test(event)) continue;
      events.push(event);
      if (events.length < limit) continue;
      const isLast = event === page.events.at(-1);
      const more = !isLast || (page.more && (await log.read(event.cursor, 1, subject)).events.length > 0);
      return { events, next: event.cursor, more };
    }
    cursor = page.next;
    if (!page.more) return { events, next: cursor, more: false };
  }
  return { events, next: cursor, more: true };
}
