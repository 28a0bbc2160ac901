/** What readers of events want of the store. Implemented in `store/`. */
import type { EventFact } from "../actors/messages.ts";
import type { Cursor } from "./cursor.ts";

/** An event in its place in the log. */
export interface LoggedEvent extends EventFact {
  readonly cursor: Cursor;
}

/** What one moment of the log looks like. */
export interface Moment {
  /** The last event up to which all is written that ever will be, or `floor`: what commits later comes after it, also after a crash of the database. */
  readonly end: Cursor;
  /** What is under way may commit from here on. No cursor: a crash may take it back. */
  readonly horizon: Cursor;
  /** The last event that retention has dropped. */
  readonly floor: Cursor;
  /** Above the cursors of everything that was written until now. */
  readonly bound: Cursor;
}

export interface EventPage extends Omit<Moment, "end"> {
  /** In order. */
  readonly events: LoggedEvent[];
  /** Where to go on: after it nothing that was read comes again, and nothing is left out. */
  readonly next: Cursor;
  /** There may be more now. */
  readonly more: boolean;
}

/** Each call rejects with `StoreAway` while the database cannot be reached. */
export interface EventLog {
  /** Events after a cursor, `limit` at most, 1 … `MAX_EVENT_ROWS`. @param subject only of this entity. */
  read(after: Cursor, limit: number, subject?: string): Promise<EventPage>;
  moment(): Promise<Moment>;
  /** Who keeps the log's end from moving on, for an operator; empty if that cannot be seen. */
  holders(): Promise<string[]>;
  /** Calls `committed` whenever this node has written events. */
  onCommit(committed: () => void): void;
}
