/** What fences want of the outside. */
import type { JsonObject } from "../messages.ts";
import type { IfVersion } from "../ports.ts";

/** One version of a fence. It never changes: a change makes another. */
export interface FenceVersion {
  name: string;
  /** From 1, one more with each change, also after a removal. */
  version: number;
  /** The version with which it was made: it has been there without a gap from then on. Of one that removes it: itself. */
  since: number;
  /** Of all fences together: a later change has a higher one. */
  revision: number;
  /** As it was written, and checked (`definition.ts`). Absent = the fence was removed. */
  definition?: JsonObject;
  /** Unix ms. */
  changedAt: number;
}

/** A checked definition, to be the next version. */
export interface FenceDraft {
  name: string;
  definition: JsonObject;
  /** Points of its outline, all rings together. */
  points: number;
}

export type FenceChange =
  /** `created`: there was no such fence. */
  | { is: "saved"; version: FenceVersion; created: boolean }
  /** It is so already. */
  | { is: "unchanged"; version: FenceVersion }
  /** The newest version is not as `ifVersion` says; absent = there is no such fence. */
  | { is: "other-version"; version?: number }
  /** There are `MAX_FENCES`, or all together have `MAX_FENCE_POINTS_KEPT` points. */
  | { is: "too-many"; of: "fences" | "points" };

/** The fences of all nodes. The store rejects with `StoreAway` when the outcome is unknown. */
export interface FenceStore {
  /** Of the newest change that is committed. */
  revision(): Promise<number>;
  /**
   * Of fences with a revision after `revision`: the newest version of each, by ascending revision, `limit` at most. One that is read never lacks a
   * change that was committed before it.
   * @param removedAfter removed ones are told if their revision is after this too: who began to read at it holds none that was removed before.
   */
  since(revision: number, limit: number, removedAfter: number): Promise<FenceVersion[]>;
  save(draft: FenceDraft, ifVersion?: IfVersion): Promise<FenceChange>;
  /** `other-version` without one = there is no such fence. */
  remove(name: string, ifVersion?: IfVersion): Promise<FenceChange>;
}
