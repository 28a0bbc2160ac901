import type { Cursor } from "../events/cursor.ts";
import type { Letter, Progress } from "./ports.ts";

/** Events that are read together. */
export interface Page {
  progress: Progress;
  letters: Letter[];
  /** By subject, what is left with the one that is being sent first. */
  under: Map<string, Letter[]>;
  /** It is saved: what comes of requests that are under way goes with their letters. */
  isOver: boolean;
}

/** What came of a letter: an error, or it was taken. */
export interface Landed {
  letter: Letter;
  error: string | undefined;
}

/** Nothing came of anything yet. */
export function noProgress(cursor: Cursor): Progress {
  return { cursor, delivered: 0, failures: 0, gaps: 0, letters: [], done: [] };
}

/** Counts an attempt. @param error why it failed, if it did. */
export function count(progress: Progress, error: string | undefined): void {
  if (error === undefined) progress.delivered++;
  else {
    progress.failures++;
    progress.error = error;
  }
}

/** How many were given up, but for those that are set aside, and of entities that were erased meanwhile. */
export function countDead(letters: readonly Letter[], forgotten: ReadonlySet<string>): number {
  const isDead = ({ event, attempts, nextAt }: Letter) =>
    nextAt === undefined && attempts > 0 && !forgotten.has(event.subject);
  return letters.filter(isDead).length;
}
