/**
 * Of an entity that is refused few events wait (EV46). Later ones are set aside: in the table, as dead letters that were never tried, and not in
 * memory. When the last that waits of the entity is done with, the next come from there, so that all come in order; until none is left there,
 * new ones are set aside too.
 */
import type { Cursor } from "../events/cursor.ts";
import type { LoggedEvent } from "../events/ports.ts";
import type { Letter } from "./ports.ts";

/** The oldest that were set aside. */
export interface Aside {
  letters: Letter[];
  isAll: boolean;
}

/**
 * Reads the next after the last that waits. Their 24 h begin now: they were to be sent after it. What does not pass stays where it is.
 * @param read reads `limit` at most after a cursor. @param now Unix ms.
 * @throws StoreAway
 */
export async function nextAside(
  read: (after: Cursor) => Promise<Letter[]>,
  last: Cursor,
  limit: number,
  passes: (event: LoggedEvent) => boolean,
  now: number,
): Promise<Aside> {
  for (let after = last; ; ) {
    const found = await read(after);
    const isAll = found.length < limit;
    const letters = found
      .filter(({ event }) => passes(event))
      .map(({ event }): Letter => ({ event, attempts: 0, nextAt: now }));
    if (letters.length > 0 || isAll) return { letters, isAll };
    after = found.at(-1)!.event.cursor;
  }
}

/** Of each entity of which nothing that waits passes any more, the last, if what is set aside comes after it. */
export function lastsDropped(
  waiting: readonly Letter[],
  passes: (event: LoggedEvent) => boolean,
): Iterable<Letter> {
  const lasts = new Map<string, Letter>();
  for (const letter of waiting) if (letter.hasAside) lasts.set(letter.event.subject, letter);
  for (const { event } of waiting) if (passes(event)) lasts.delete(event.subject);
  return lasts.values();
}
