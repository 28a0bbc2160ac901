/** The newest events, in memory: all that come after `start`, up to `end`. */
import { MAX_EVENT_WINDOW } from "../limits.ts";
import { type Cursor, compareCursors } from "./cursor.ts";
import type { EventPage, LoggedEvent } from "./ports.ts";

export class EventWindow {
  #start: Cursor;
  #end: Cursor;
  #events: LoggedEvent[] = [];

  constructor(at: Cursor) {
    this.#start = this.#end = at;
  }

  get end(): Cursor {
    return this.#end;
  }

  /** Adds what was read after `end`. */
  append({ events, next }: EventPage): void {
    this.#events.push(...events);
    this.#end = next;
    const surplus = this.#events.length - MAX_EVENT_WINDOW;
    if (surplus <= 0) return;
    this.#start = this.#events[surplus - 1]!.cursor;
    this.#events = this.#events.slice(surplus);
  }

  /** Leaves out what is about an entity. */
  forget(subject: string): void {
    this.#events = this.#events.filter((event) => event.subject !== subject);
  }

  /** The events after a cursor, `limit` at most; `undefined` if some of them are not here any more. */
  after(cursor: Cursor, limit: number): LoggedEvent[] | undefined {
    if (compareCursors(cursor, this.#start) < 0) return undefined;
    let low = 0;
    let high = this.#events.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (compareCursors(this.#events[middle]!.cursor, cursor) <= 0) low = middle + 1;
      else high = middle;
    }
    return this.#events.slice(low, low + limit);
  }
}
