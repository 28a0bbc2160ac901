/** What a playback reads of history at a time: the ways of all entities in a region, for a while ahead. */
import type { Clock } from "../../clock.ts";
import {
  MAX_PLAYBACK_BYTES,
  MAX_PLAYBACK_ENTITIES,
  PLAYBACK_LEAST_MS,
  PLAYBACK_PREFETCH_MS,
  PLAYBACK_PRESENT_MS,
  PLAYBACK_REREAD_LONGEST_MS,
  PLAYBACK_REREAD_SHARE,
  PLAYBACK_REREAD_SHORTEST_MS,
} from "../../limits.ts";
import type { History } from "../../tracks/history.ts";
import type { Region, Stretch } from "../../tracks/stretch.ts";
import { Way } from "../../tracks/way.ts";

/** Where a playback looks. */
export interface PlayedPlace {
  /** Absent = wherever the ids are. */
  region?: Region;
  ids?: readonly string[];
  /** Only what passes any of these, as it was then and as it is now; absent = all. */
  permitted?: readonly string[] | undefined;
}

export interface WindowQuery extends PlayedPlace {
  /** Unix ms, not after now. */
  from: number;
  /** Until when it reads, less if that is too much; Unix ms. */
  to: number;
  /** Bytes at most, about. */
  bytes: number;
}

/**
 * - `crowded`: more than one playback may hold is there.
 * - `full`: it would be possible if others held less.
 * - `missing`: shards have no owner.
 */
export type ReadFailure = "crowded" | "full" | "missing";

/** Why a playback is to read: what it shows was not read; it comes to where nothing was read; what was read is old. */
export type ReadReason = "unread" | "ends" | "old";

/** Reading takes at most this share of the time. */
const READING_SHARE = 1 / 4;

export class PlayedWindow {
  /** Unix ms, both included. */
  readonly from: number;
  readonly to: number;
  readonly region: Region | undefined;
  readonly #ways: Map<string, readonly Way[]>;
  /** It does not go as far as was asked for, since that was too much. */
  readonly isCut: boolean;
  /** What it takes of memory, about. */
  readonly bytes: number;
  /** When reading began, Unix ms: what came later is not in it. And how long it took, ms. */
  readonly #readAt: number;
  readonly #tookMs: number;

  private constructor({ from, to, region }: WindowQuery, read: WaysRead, readAt: number, tookMs: number) {
    this.from = from;
    this.to = read.to;
    this.region = region;
    this.#ways = read.ways;
    this.isCut = read.to < to;
    this.bytes = read.bytes;
    this.#readAt = readAt;
    this.#tookMs = tookMs;
  }

  /**
   * Reads as far ahead as the bounds allow.
   * @param isWanted asked now and then. @returns `undefined` = it is not wanted any more. @throws StoreAway
   */
  static async read(
    history: History,
    query: WindowQuery,
    clock: Clock,
    isWanted: () => boolean,
  ): Promise<PlayedWindow | ReadFailure | undefined> {
    const { from, to, region, ids, permitted, bytes } = query;
    const readAt = clock.now();
    const began = clock.monotonic();
    const read = new WaysRead(from, to, bytes);
    const { missing } = await history.during(
      { from, to, region, ids, ...(permitted && { permitted }) },
      (page) => (isWanted() ? read.take(page) : -Infinity),
    );
    if (!isWanted()) return undefined;
    if (read.failure !== undefined) return read.failure;
    if (missing.length > 0) return "missing";
    return new PlayedWindow(query, read, readAt, clock.monotonic() - began);
  }

  get ways(): ReadonlyMap<string, readonly Way[]> {
    return this.#ways;
  }

  /** Holds nothing of an entity any more. */
  forget(id: string): void {
    this.#ways.delete(id);
  }

  /** Holds no way of an entity any more that does not pass. @returns whether there was one. @param moments of what is played of it, Unix ms */
  keep(id: string, passes: (way: Way, moments: Iterable<number>) => boolean): boolean {
    const ways = this.#ways.get(id) ?? [];
    const left = ways.filter((way) => passes(way, way.moments(this.from, this.to)));
    if (left.length > 0) this.#ways.set(id, left);
    else this.#ways.delete(id);
    return left.length < ways.length;
  }

  /** Why it is time to read again, if it is, at `now`, Unix ms, while `t` is shown. */
  overAt(t: number, speed: number, now: number): ReadReason | undefined {
    const since = now - this.#readAt;
    const pauseMs = this.#tookMs / READING_SHARE;
    const isNear = speed > 0 && (this.to - t) / speed < PLAYBACK_PREFETCH_MS;
    // What was not yet when it was read comes as time passes, and not by reading at once.
    const reachesNow = this.to >= this.#readAt - PLAYBACK_PRESENT_MS;
    const waitMs = t < this.to ? Math.max(PLAYBACK_REREAD_SHORTEST_MS, pauseMs) : PLAYBACK_PRESENT_MS;
    if (isNear && (!reachesNow || since >= waitMs)) return "ends";
    const reread = Math.min(
      PLAYBACK_REREAD_LONGEST_MS,
      Math.max(PLAYBACK_REREAD_SHORTEST_MS, (this.#readAt - t) * PLAYBACK_REREAD_SHARE),
    );
    return since >= Math.max(reread, pauseMs) ? "old" : undefined;
  }
}

/** Ways as they are read; the time until which they are wanted is halved as often as they are too much. */
class WaysRead {
  readonly ways = new Map<string, Way[]>();
  failure: "crowded" | "full" | undefined;
  to: number;
  bytes = 0;
  readonly #from: number;
  readonly #maxBytes: number;

  constructor(from: number, to: number, maxBytes: number) {
    this.#from = from;
    this.to = to;
    this.#maxBytes = maxBytes;
  }

  /** @returns until when more is wanted */
  take(page: readonly Stretch[]): number {
    for (const stretch of page) {
      const known = this.ways.get(stretch.id);
      const way = Way.of(stretch, known?.at(-1)).upTo(this.to);
      if (way === undefined) continue;
      if (known === undefined) this.ways.set(stretch.id, [way]);
      else known.push(way);
      this.bytes += way.bytes;
    }
    while (this.bytes > this.#maxBytes || this.ways.size > MAX_PLAYBACK_ENTITIES) {
      this.to = this.#from + Math.floor((this.to - this.#from) / 2);
      if (this.to - this.#from < PLAYBACK_LEAST_MS) {
        const isOwn = this.ways.size > MAX_PLAYBACK_ENTITIES || this.#maxBytes >= MAX_PLAYBACK_BYTES;
        this.failure = isOwn ? "crowded" : "full";
        return -Infinity;
      }
      this.#shorten();
    }
    return this.to;
  }

  #shorten(): void {
    this.bytes = 0;
    for (const [id, ways] of this.ways) {
      const left = ways.map((way) => way.upTo(this.to)).filter((way) => way !== undefined);
      if (left.length === 0) this.ways.delete(id);
      else this.ways.set(id, left);
      for (const { bytes } of left) this.bytes += bytes;
    }
  }
}
