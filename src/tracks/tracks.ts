/** The tracks of a node as they grow: when a segment begins and ends, by what reports say. What is in no row yet is in `logs`. */
import {
  MAX_HOLD_MS,
  MAX_SEGMENT_MS,
  MAX_SEGMENT_POINTS,
  MAX_SHARD_TRACK_BYTES,
  SHARDS,
  TRACK_DELAY_MS,
} from "../limits.ts";
import type { ClosedSegment } from "./ended.ts";
import { type Description, inOrder, type Segment, type TrackPoint } from "./segment.ts";
import { CARRIED, DELAYED, FRESH, TrackLog } from "./track-log.ts";
import type { Motion } from "./track-records.ts";

const DAY_MS = 86_400_000;
/** Share of a log's bound beyond which segments become shorter, so that it is not reached. */
const PRESSED_SHARE = 3 / 4;
/** A log would not become smaller by shorter ones. */
const FEWEST_POINTS = 4;
/** Points are counted in a byte; those that come in another order are two. */
const MOST_POINTS = 250;
/** How many points back a late report is known again. */
const KNOWN_POINTS = 256;

/** A report with a place, as the track takes it. */
export interface Fix extends Motion {
  t: number;
  received: number;
  late: boolean;
}

export class Tracks {
  logs: TrackLog[] = Array.from({ length: SHARDS }, () => new TrackLog());
  /** For how long after its last point an entity is taken to be there, ms. */
  readonly holdMs: number;

  /** @param staleAfterMs silence after which an entity is stale. */
  constructor(staleAfterMs: number) {
    this.holdMs = Math.min(staleAfterMs, MAX_HOLD_MS);
  }

  /** What is in memory. */
  get bytes(): number {
    return this.logs.reduce((sum, log) => sum + log.bytes, 0);
  }

  /** Whether a shard holds so much that its reports must wait until more of it is in rows. */
  isFull(shard: number): boolean {
    return this.logs[shard].bytes >= MAX_SHARD_TRACK_BYTES;
  }

  /**
   * A report with a place was taken.
   * @param heard when the entity was last heard of before, Unix ms.
   * @param entities say what the one in `slot` was until now.
   */
  reported(
    shard: number,
    number: number,
    fix: Fix,
    heard: number,
    entities: { describe(slot: number): Description },
    slot: number,
  ): void {
    const log = this.logs[shard];
    const { received } = fix;
    const t = Math.floor(Math.min(fix.t, received));
    const isDelayed = received - t > TRACK_DELAY_MS;
    const last = log.last(number);
    const count = log.count(number);
    if (count > 0 ? t < last : fix.late) {
      const fits = count > 0 && count < MOST_POINTS && t >= log.first(number) && !isDelayed;
      if (fits) log.addBefore(number, t, fix);
      else log.addLate(number, t, fix, received);
      return;
    }
    if (count > 0 && t - last >= this.holdMs) this.#hold(log, number, heard, entities.describe(slot));
    else if (count > 1 && this.#isWhole(log, number, t, isDelayed))
      log.end(number, entities.describe(slot), heard, NaN);
    // What is heard of before its hold is over takes the place of the hold.
    else if (count === 0 && t < last + this.holdMs) log.beginAgain(number, received);
    if (log.count(number) > 0) log.add(number, t, fix, received, isDelayed);
    else log.begin(number, t, fix, received, FRESH | (isDelayed ? DELAYED : 0));
  }

  /** Whether a report that came late has come before, as far as it is in memory. Then the way would not be another with it. */
  isKnown(shard: number, number: number, fix: Motion & { t: number }): boolean {
    return this.logs[shard].has(number, KNOWN_POINTS, Math.floor(fix.t), fix);
  }

  /** What an entity is changes. @param heard when it was last heard of, Unix ms. @param before what it was until now */
  changes(shard: number, number: number, heard: number, before: Description): void {
    const log = this.logs[shard];
    if (log.count(number) > 1) log.end(number, before, heard, NaN);
  }

  /** An entity went stale. @param heard when it was last heard of, Unix ms. */
  silent(shard: number, number: number, heard: number, description: Description): void {
    const log = this.logs[shard];
    if (log.count(number) > 0) this.#hold(log, number, heard, description);
  }

  /** An entity is deleted. @param heard when it was last heard of, Unix ms. @param at when it was deleted, Unix ms. */
  deleted(shard: number, number: number, heard: number, at: number, description: Description): void {
    const log = this.logs[shard];
    if (log.count(number) > 0) this.#hold(log, number, heard, description, at);
  }

  /** Forgets a shard. */
  forget(shard: number): void {
    this.logs[shard] = new TrackLog();
  }

  /** @param end the hold is over then at the latest, Unix ms. */
  #hold(log: TrackLog, number: number, heard: number, description: Description, end = Infinity): void {
    if (log.count(number) > 1) log.end(number, description, heard, NaN);
    const last = log.last(number);
    // Nothing lasts from a moment to the same moment.
    log.end(number, description, NaN, Math.max(last + 1, Math.min(last + this.holdMs, end)));
  }

  /** Whether the next point, at `t`, is for another segment. Of two points at least: there is nothing to end in one. */
  #isWhole(log: TrackLog, number: number, t: number, isDelayed: boolean): boolean {
    const first = log.first(number);
    const state = log.state(number);
    return (
      log.count(number) >= this.#mostPoints(log, number, state) ||
      t - first > MAX_SEGMENT_MS ||
      Math.floor(t / DAY_MS) !== Math.floor(first / DAY_MS) ||
      ((state & CARRIED) === 0 && isDelayed !== ((state & DELAYED) !== 0))
    );
  }

  /** Segments that begin together must not all end together, as rows are written one after the other. */
  #mostPoints(log: TrackLog, number: number, state: number): number {
    const most =
      state & FRESH
        ? MAX_SEGMENT_POINTS / 2 + ((number * 37) % (MAX_SEGMENT_POINTS / 2))
        : MAX_SEGMENT_POINTS;
    const pressure = log.bytes / MAX_SHARD_TRACK_BYTES - PRESSED_SHARE;
    return pressure <= 0 ? most : Math.max(FEWEST_POINTS, most * (1 - pressure / (1 - PRESSED_SHARE)));
  }
}

/** The row of a segment that ended. */
export function segmentOf(log: TrackLog, id: string, closed: ClosedSegment): Segment {
  const { kind, state, attributes, labels, fences, recorded, until } = closed;
  const points: TrackPoint[] = inOrder(log.points(closed.last, closed.count));
  const hold = !Number.isNaN(until);
  if (hold) points.push({ ...points.at(-1)!, t: until });
  return { id, kind, state, attributes, labels, fences, recorded, hold, points };
}
