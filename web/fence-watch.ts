/** Keeps the fences that are shown as the node has them. */
import type { FenceFeature } from "./fences.ts";

/** Fences that somebody changes are drawn so soon. */
const FENCES_MS = 30_000;

export interface FenceWatchOptions {
  /** Those in the box of the map. */
  ask(): Promise<readonly FenceFeature[]>;
  /** Told only of others than before; at first there are none. */
  show(fences: readonly FenceFeature[]): void;
  /** Whether the page is seen: else nothing is asked. */
  isSeen(): boolean;
  every(ms: number, run: () => void): void;
}

/** @returns asks at once: for when the map rests. */
export function watchFences({ ask, show, isSeen, every }: FenceWatchOptions): () => void {
  let asked = 0;
  let shown = "[]";
  const look = async () => {
    if (!isSeen()) return;
    const mine = ++asked;
    const fences = await ask();
    const text = JSON.stringify(fences);
    if (mine !== asked || text === shown) return;
    shown = text;
    show(fences);
  };
  const lookAgain = () => void look().catch((error) => console.debug(error));
  every(FENCES_MS, lookAgain);
  lookAgain();
  return lookAgain;
}
