/** Where a reader begins. */
import { type Cursor, compareCursors, parseCursor, START } from "./cursor.ts";
import type { Moment } from "./ports.ts";

/** Why a cursor is of no use. `type` is stable. */
export class CursorError extends Error {
  override readonly name = "CursorError";
  readonly type: "bad-cursor" | "cursor-gone";

  constructor(type: CursorError["type"]) {
    super(
      type === "bad-cursor"
        ? "a cursor is one that Muster gave, `start` or `now`"
        : "events after this cursor are older than what is kept: begin at `start` or `now`",
    );
    this.type = type;
  }
}

/** @param after a cursor, `start` (the oldest that is kept) or `now`. @throws CursorError */
export function positionOf(after: string, moment: Moment): Cursor {
  if (after === "start") return START;
  if (after === "now") return moment.end;
  const cursor = parseCursor(after);
  if (cursor === undefined || compareCursors(cursor, moment.bound) > 0) throw new CursorError("bad-cursor");
  if (compareCursors(cursor, moment.floor) < 0) throw new CursorError("cursor-gone");
  return cursor;
}

/** Whether retention has dropped events after a cursor that its reader was promised: at the start nobody was promised any. */
export function isGone(cursor: Cursor, floor: Cursor): boolean {
  return compareCursors(cursor, START) !== 0 && compareCursors(cursor, floor) < 0;
}
