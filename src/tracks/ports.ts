/** What history wants of those who have it: the rows, and what of the tracks is in memory and in no row yet. */
import type { Box } from "../picture/cover.ts";
import type { EntityRecord } from "../picture/record.ts";
import type { Segment } from "./segment.ts";
import type { Region, Stretch } from "./stretch.ts";

/** What of the past may be told. */
export interface Permitting {
  /** CEL texts over `entity`, of which any must be true of what it was then, and any of the same with the labels that it has now. Absent = all of it. */
  permitted?: readonly string[];
}

/** Where everything was. */
export interface ThenQuery extends Permitting {
  /** Unix ms. */
  t: number;
  /** Only what was known then, Unix ms. Absent = all that is known. */
  known?: number;
  /** Only what was within, edges included. */
  bbox?: Box;
  kinds?: readonly string[];
  states?: readonly string[];
  /** How many at most, ≥ 1. */
  limit: number;
  /** Only ids after this one. */
  after?: string;
}

/** What an entity was at an instant. `t` is that of the fix before it. */
export type ThenRecord = Omit<
  EntityRecord,
  "placedAt" | "received" | "source" | "heading" | "accuracy" | "implausible"
> & {
  /** When this was known, RFC 3339. */
  recorded: string;
};

/** What is in memory and may be told: a page in order of id, and who is told elsewhere or not at all by it, whatever the rows say. */
export interface TailPage {
  records: ThenRecord[];
  more: boolean;
  elsewhere: string[];
}

/** An entity's way. */
export interface TrackQuery extends Permitting {
  id: string;
  /** Unix ms, both ends included; ±∞ = without end. */
  from: number;
  to: number;
  /** As in `ThenQuery`. */
  known?: number;
}

/** What is asked of those who have an entity's way in memory. */
export interface TailQuery extends TrackQuery {
  /** Only segments that begin after this, Unix ms; −∞ = all. */
  after: number;
}

/** All that entities did in a stretch of time. */
export interface StretchQuery extends Permitting {
  /** Unix ms, both ends included. */
  from: number;
  to: number;
  /** Only segments whose bounds meet it. */
  region?: Region;
  ids?: readonly string[];
}

/** What of it is in memory: a page in the order of `compareInShards`, of each entity all there is, by ascending time. */
export interface StretchPage {
  stretches: Stretch[];
  more: boolean;
}

export interface TrackStore {
  /** Segments at an instant whose path may be in the box then, in order of id, of one id the later first; `limit` at most. @throws StoreAway */
  at(query: ThenQuery): Promise<Segment[]>;
  /** Segments with a first point after `after`, by ascending time; `limit` at most. @throws StoreAway */
  of(query: TrackQuery & { after: number; limit: number }): Promise<Segment[]>;
  /** Segments that count, in order of id and first point; those after the one that is given, `limit` at most. @throws StoreAway */
  during(query: StretchQuery & { after?: Pick<Stretch, "id" | "first">; limit: number }): Promise<Segment[]>;
  /** Unix ms: what follows a row of then or later is there. What follows an older one is as long as that row is: retention drops the oldest first. @throws StoreAway */
  floor(): Promise<number>;
}

/** What all owners have in memory. */
export interface TrackTails {
  at(query: ThenQuery): Promise<{ pages: TailPage[]; missing: number[] }>;
  /**
   * Of one entity the versions that were known then, by ascending time; what is open as the hold that it will be if nothing more is heard. What is not
   * asked for is there too, but may have no more than when and where it begins and ends: what is in memory takes the place of rows.
   */
  of(query: TailQuery): Promise<{ segments: Segment[]; missing: number[] }>;
  /**
   * What may not be told is there too, as `hidden`: it takes the place of rows.
   * @param query.after only ids after this one, in the order of `compareInShards`. @param query.limit stretches in a page, about
   */
  during(
    query: StretchQuery & { after?: string; limit: number },
  ): Promise<{ pages: StretchPage[]; missing: number[] }>;
  /** The labels that entities have now, of those that are there. @param ids `MAX_LABEL_IDS` at most */
  labels(
    ids: readonly string[],
  ): Promise<{ labels: ReadonlyMap<string, readonly string[]>; missing: number[] }>;
}
