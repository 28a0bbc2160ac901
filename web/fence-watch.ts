/** Keeps the fences that are shown as the node has them. */
import type { FenceFeature } from "./fences.ts";
import { Forbidden, Unauthorized } from "./rest.ts";

/** Fences that somebody changes are drawn so soon. Where nothing changes, an answer is its head. */
const FENCES_MS = 5_000;

/** Fences, and what says whether others are the same. */
export interface FenceList {
  tag: string | null;
  fences: readonly FenceFeature[];
}

export interface FenceWatchOptions {
  /** Those in the box of the map. @param known the tag of those that are shown @returns undefined if they are the same */
  ask(known: string | null, signal: AbortSignal): Promise<FenceList | undefined>;
  /** Told only of others than before. */
  show(fences: readonly FenceFeature[]): void;
  /** Whether the page is seen: else nothing is asked. */
  isSeen(): boolean;
  every(ms: number, run: () => void): void;
}

/** What may not be asked is not shown and not asked again. @returns asks at once: for when the map rests, or the page is seen again. */
export function watchFences({ ask, show, isSeen, every }: FenceWatchOptions): () => void {
  let asking: AbortController | undefined;
  let shown: string | null = null;
  let isForbidden = false;
  const look = async () => {
    if (isForbidden || !isSeen()) return;
    asking?.abort();
    const mine = new AbortController();
    asking = mine;
    try {
      const list = await ask(shown, mine.signal);
      if (mine.signal.aborted || list === undefined) return;
      shown = list.tag;
      show(list.fences);
    } catch (error) {
      if (mine.signal.aborted) return;
      isForbidden = error instanceof Forbidden || error instanceof Unauthorized;
      if (isForbidden) show([]);
      else console.debug(error);
    } finally {
      if (asking === mine) asking = undefined;
    }
  };
  // A line that needs longer for an answer is not given up for the next question.
  every(FENCES_MS, () => void (asking ?? look()));
  void look();
  return () => void look();
}
