/**
 * Where something is in the log of events: (era, transaction, number), the order in which a reader that goes on after a cursor skips nothing.
 * Its text is opaque to clients; it is also the `id` of the event that stands there.
 */

export interface Cursor {
  /** Which server gave the transaction ids. */
  readonly era: number;
  /** The transaction that wrote the event. Below 2^53, which no server reaches. */
  readonly xid: number;
  readonly id: number;
}

/** Before all events: the place of who has read none, told as `start`. Numbers would be a place before what was dropped since, and be refused. */
export const START: Cursor = { era: 0, xid: 0, id: 0 };

const TEXT = /^(\d{1,10})-(\d{1,16})-(\d{1,16})$/;
const MAX_ERA = 2 ** 31 - 1;

export function cursorText(cursor: Cursor): string {
  const { era, xid, id } = cursor;
  return compareCursors(cursor, START) === 0 ? "start" : `${era}-${xid}-${id}`;
}

/** @returns `undefined` if it is no cursor. */
export function parseCursor(text: string): Cursor | undefined {
  const parts = TEXT.exec(text);
  if (parts === null) return undefined;
  const [era, xid, id] = parts.slice(1).map(Number);
  const isCursor = era <= MAX_ERA && Number.isSafeInteger(xid) && Number.isSafeInteger(id);
  return isCursor ? { era, xid, id } : undefined;
}

/** Negative if `a` comes before `b`, 0 if they are the same. */
export function compareCursors(a: Cursor, b: Cursor): number {
  return a.era - b.era || a.xid - b.xid || a.id - b.id;
}
