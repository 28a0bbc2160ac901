/** What a playback reads of history at a time: the ways of all entities in a region, for a while ahead. */
import type { Clock } from "../../clock.ts";
import {
  MAX_PLAYBACK_ENTITIES,
  PLAYBACK_AHEAD_MS,
  PLAYBACK_LEAST_MS,
  PLAYBACK_LONGEST_MS,
  PLAYBACK_PREFETCH_MS,
  PLAYBACK_PRESENT_MS,
  PLAYBACK_REREAD_LONGEST_MS,
  PLAYBACK_REREAD_SHARE,
  PLAYBACK_REREAD_SHORTEST_MS,
  PLAYBACK_SHORTEST_MS,
} from "../../limits.ts";
import type { History } from "../../tracks/history.ts";
import { holds, type Region, type Stretch } from "../../tracks/stretch.ts";
import { Way } from "../../tracks/way.ts";

/** Where a playback looks. */
export interface PlayedPlace {
  /** Absent = wherever the ids are. */
  region?: Region;
  ids?: readonly string[];
}

export interface WindowQuery extends PlayedPlace {
  /** Unix ms. */
  from: number;
  /** Played seconds a second: how far ahead is read. */
  speed: number;
  /** Points at most, about. */
  points: number;
  /** Not farther ahead than this, ms: what was too much the last time is not tried again at once. */
  most: number;
}

/** Reading takes at most this share of the time. */
const READING_SHARE = 1 / 4;

export class PlayedWindow {
  /** Unix ms, both included. */
  readonly from: number;
  readonly to: number;
  readonly region: Region | undefined;
  readonly ways: ReadonlyMap<string, readonly Way[]>;
  /** `most` for the next one, ms; ∞ if nothing was too much. */
  readonly mostNext: number;
  /** When reading began, Unix ms: what came later is not in it. And how long it took, ms. */
  readonly #readAt: number;
  readonly #tookMs: number;

  private constructor(
    { from, region }: WindowQuery,
    { to, ways }: WaysRead,
    cut: number,
    readAt: number,
    tookMs: number,
  ) {
    this.from = from;
    this.to = to;
    this.region = region;
    this.ways = ways;
    this.mostNext = 2 * cut;
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
  ): Promise<PlayedWindow | "crowded" | "missing" | undefined> {
    const { from, speed, region, ids, most } = query;
    const readAt = clock.now();
    const began = clock.monotonic();
    const ahead = Math.max(PLAYBACK_SHORTEST_MS, Math.min(PLAYBACK_LONGEST_MS, speed * PLAYBACK_AHEAD_MS));
    const wanted = Math.max(from, Math.min(from + Math.min(ahead, most), readAt));
    const read = new WaysRead(from, wanted, query.points);
    const { missing } = await history.during({ from, to: read.to, region, ids }, (page) =>
      isWanted() ? read.take(page) : -Infinity,
    );
    if (!isWanted()) return undefined;
    if (read.isTooMuch) return "crowded";
    if (missing.length > 0) return "missing";
    const cut = read.to < wanted ? read.to - from : Infinity;
    return new PlayedWindow(query, read, cut, readAt, clock.monotonic() - began);
  }

  /** Whether it tells what was in a place at `t`. @param region absent = of the ids that it was read for */
  tells(t: number, region: Region | undefined): boolean {
    if (t < this.from || t > this.to) return false;
    return region === undefined || this.region === undefined || holds(this.region, region);
  }

  /** Whether it ends where nothing more could be read. */
  get endsNow(): boolean {
    return this.to >= this.#readAt - PLAYBACK_PRESENT_MS;
  }

  /** Whether it is time to read again, at `now`, Unix ms, while `t` is shown: for what comes after it, or for what has become known since. */
  isOver(t: number, speed: number, now: number): boolean {
    const since = now - this.#readAt;
    const reread = Math.min(
      PLAYBACK_REREAD_LONGEST_MS,
      Math.max(PLAYBACK_REREAD_SHORTEST_MS, (this.#readAt - t) * PLAYBACK_REREAD_SHARE),
    );
    if (since >= Math.max(reread, this.#tookMs / READING_SHARE)) return true;
    const isNear = speed > 0 && (this.to - t) / speed < PLAYBACK_PREFETCH_MS;
    return (
      isNear &&
      (!this.endsNow || since >= Math.max(PLAYBACK_REREAD_SHORTEST_MS, this.#tookMs / READING_SHARE))
    );
  }
}

/** Ways as they are read; the time until which they are wanted is halved as often as they are too many. */
class WaysRead {
  readonly ways = new Map<string, Way[]>();
  isTooMuch = false;
  to: number;
  readonly #from: number;
  readonly #maxPoints: number;
  #points = 0;

  constructor(from: number, to: number, maxPoints: number) {
    this.#from = from;
    this.to = to;
    this.#maxPoints = maxPoints;
  }

  /** @returns until when more is wanted */
  take(page: readonly Stretch[]): number {
    for (const stretch of page) {
      const way = Way.of(stretch).upTo(this.to);
      if (way === undefined) continue;
      const known = this.ways.get(stretch.id);
      if (known === undefined) this.ways.set(stretch.id, [way]);
      else known.push(way);
      this.#points += way.count;
    }
    while (this.#points > this.#maxPoints || this.ways.size > MAX_PLAYBACK_ENTITIES) {
      this.to = this.#from + Math.floor((this.to - this.#from) / 2);
      if (this.to - this.#from < PLAYBACK_LEAST_MS) {
        this.isTooMuch = true;
        return -Infinity;
      }
      this.#shorten();
    }
    return this.to;
  }

  #shorten(): void {
    this.#points = 0;
    for (const [id, ways] of this.ways) {
      const left = ways.map((way) => way.upTo(this.to)).filter((way) => way !== undefined);
      if (left.length === 0) this.ways.delete(id);
      else this.ways.set(id, left);
      for (const { count } of left) this.#points += count;
    }
  }
}
