/** The tracks of a node as they grow: when a segment begins and ends, by what reports say. What is in no row yet is in `logs`. */
import {
  MAX_HOLD_MS,
  MAX_KNOWN_SPAN_MS,
  MAX_SEGMENT_MS,
  MAX_SEGMENT_POINTS,
  MAX_SHARD_TRACK_BYTES,
  SHARDS,
  TRACK_DELAY_MS,
} from "../limits.ts";
import { isOfLabels, MAX_SHARD_WAITING_LABEL_BYTES, MAX_WAITING_LABELS, untilEach } from "./changes.ts";
import type { ClosedSegment } from "./ended.ts";
import { type Description, held, inOrder, pointAt, type Segment, type TrackPoint } from "./segment.ts";
import { CARRIED, DELAYED, FRESH } from "./track-heads.ts";
import { TrackLog } from "./track-log.ts";
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

/** Tells what the entity in a slot was until now. */
interface Entities {
  describe(slot: number): Description;
}

export class Tracks {
  logs: TrackLog[] = Array.from({ length: SHARDS }, () => new TrackLog());
  /** For how long an entity that is not heard of is taken to be where it was, ms. */
  readonly holdMs: number;

  /** @param staleAfterMs silence after which an entity is stale. */
  constructor(staleAfterMs: number) {
    this.holdMs = Math.min(staleAfterMs, MAX_HOLD_MS);
  }

  /** What is in memory. */
  get bytes(): number {
    return this.logs.reduce((sum, log) => sum + log.bytes + log.late.bytes, 0);
  }

  /** Whether a shard holds so much that its reports must wait until more of it is in rows. */
  isFull(shard: number): boolean {
    const { bytes, late } = this.logs[shard];
    return bytes + late.bytes >= MAX_SHARD_TRACK_BYTES;
  }

  /**
   * A report with a place was taken.
   * @param heard when the entity was last heard of before, Unix ms.
   */
  reported(shard: number, number: number, fix: Fix, heard: number, entities: Entities, slot: number): void {
    const log = this.logs[shard];
    const { received } = fix;
    const t = Math.floor(Math.min(fix.t, received));
    const isDelayed = received - t > TRACK_DELAY_MS;
    const last = log.last(number);
    const count = log.count(number);
    if (t < last || (count === 0 && fix.late && (t === last || last === -Infinity))) {
      const fits = count > 0 && count < MOST_POINTS && t >= log.first(number) && !isDelayed;
      if (!fits) log.addLate(number, t, fix, received);
      else if (!log.open(number).some((point) => point.t === t)) log.addBefore(number, t, fix);
      if (count > 0) this.#stays(log, number, received, received, heard, entities, slot);
      return;
    }
    if (count > 0 && t - last >= this.holdMs && t >= this.until(last, heard))
      this.#hold(log, number, heard, entities.describe(slot));
    else if (count > 0) this.#goOn(log, number, t, fix, heard, received, entities, slot);
    // What is heard of before its hold is over takes the place of the hold.
    else if (t < this.#heldUntil(log, number)) {
      log.beginAgain(number, received);
      if (log.changes.has(number))
        this.#cut(log, number, t, heard, entities.describe(slot), { ...fix, t }, isDelayed);
    }
    if (log.count(number) > 0) log.add(number, t, fix, received, isDelayed);
    else log.begin(number, t, fix, received, FRESH | (isDelayed ? DELAYED : 0));
  }

  /** A report without a place was taken: as `reported`. The entity is where it was last seen, unless that was long before it was told. */
  stays(
    shard: number,
    number: number,
    { t, received, late }: Pick<Fix, "t" | "received" | "late">,
    heard: number,
    entities: Entities,
    slot: number,
  ): void {
    const log = this.logs[shard];
    const isCurrent = !late && received - t < this.holdMs;
    const at = isCurrent ? Math.floor(Math.min(t, received)) : received;
    if (log.count(number) > 0) this.#stays(log, number, at, received, heard, entities, slot);
    if (log.count(number) > 0 || log.last(number) === -Infinity || !isCurrent) return;
    const until = this.#heldUntil(log, number);
    const from = at < until ? received : at;
    if (from >= until) log.begin(number, from, log.lastPoint(number), received, FRESH);
  }

  /** Until when an entity is taken to be at its last point, Unix ms. @param heard when it was last heard of, Unix ms. */
  until(last: number, heard: number): number {
    return Math.floor(heard - last < this.holdMs ? heard : last) + this.holdMs;
  }

  /** Whether a report that came late has come before, as far as it is in memory. Then the way would not be another with it. */
  isKnown(shard: number, number: number, fix: Motion & { t: number }): boolean {
    return this.logs[shard].has(number, KNOWN_POINTS, Math.floor(fix.t), fix);
  }

  /**
   * What an entity is changes.
   * @param heard when it was last heard of, Unix ms. @param before what it was until now
   * @param since from when on, Unix ms; from its last point on at the earliest, and by default.
   * @param areLabels labels change: that is kept while nothing is open, too, as what comes later may be from before.
   */
  changes(
    shard: number,
    number: number,
    heard: number,
    before: Description,
    since = -Infinity,
    areLabels = false,
  ): void {
    const log = this.logs[shard];
    const count = log.count(number);
    if (count === 0 && !areLabels) return;
    const at = Math.floor(since);
    const changes = log.changes.of(number);
    const latest = changes.at(-1)?.at ?? log.last(number);
    // What was for no time is not told.
    if (at <= latest) {
      if (changes.every(isOfLabels) && count > 1)
        this.#end(log, number, this.#describe(log, number, before), heard);
      return;
    }
    if (count === 0) {
      const isAlone =
        changes.length >= MAX_WAITING_LABELS || log.changes.labelBytes >= MAX_SHARD_WAITING_LABEL_BYTES;
      log.change(number, at, at, { labels: isAlone ? [] : before.labels }, isAlone);
      return;
    }
    if (changes.length >= this.#mostPoints(log, number, log.state(number)))
      this.#cut(log, number, latest, heard, before);
    log.change(number, at, heard - at > TRACK_DELAY_MS ? heard : at, before);
  }

  /** An entity went stale. @param heard when it was last heard of, Unix ms. */
  silent(shard: number, number: number, heard: number, description: Description): void {
    const log = this.logs[shard];
    if (log.count(number) > 0) this.#hold(log, number, heard, description);
  }

  /**
   * An entity is deleted.
   * @param heard when it was last heard of, Unix ms. @param at when it was deleted, Unix ms.
   * @returns when its way has ended, Unix ms; −∞ = it never began.
   */
  deleted(shard: number, number: number, heard: number, at: number, description: Description): number {
    const log = this.logs[shard];
    if (log.count(number) > 0) this.#hold(log, number, heard, description, at);
    log.changes.dropUntil(number);
    return this.#heldUntil(log, number);
  }

  /** Whether a way of an entity has begun: what comes of a time before that is late. */
  hasBegun(shard: number, number: number): boolean {
    return this.logs[shard].last(number) !== -Infinity;
  }

  /** Forgets a shard. */
  forget(shard: number): void {
    this.logs[shard] = new TrackLog();
  }

  /** Until when it was taken to be at its last point; nothing of it is open. */
  #heldUntil(log: TrackLog, number: number): number {
    return log.last(number) === -Infinity ? -Infinity : log.recorded(number);
  }

  /** @param end the hold is over then at the latest, Unix ms. */
  #hold(log: TrackLog, number: number, heard: number, description: Description, end = Infinity): void {
    const until = Math.min(this.until(log.last(number), heard), end);
    this.#cut(log, number, until - 1, heard, description);
    const before = this.#describe(log, number, description);
    if (log.count(number) > 1) this.#end(log, number, before, heard);
    // Nothing lasts from a moment to the same moment.
    log.end(number, before, NaN, Math.max(log.last(number) + 1, until));
  }

  /** What is open ends with its last point, and what follows tells from then on that it is there: from when that was known. */
  #end(log: TrackLog, number: number, description: Description, heard: number): void {
    log.end(number, description, log.state(number) & DELAYED ? heard : log.last(number), NaN);
  }

  /** What is open is to have another point at `t`: it ends where the entity changed until then, and if it is whole. */
  #goOn(
    log: TrackLog,
    number: number,
    t: number,
    to: Motion,
    heard: number,
    received: number,
    entities: Entities,
    slot: number,
  ): void {
    const isDelayed = received - t > TRACK_DELAY_MS;
    if (log.changes.has(number))
      this.#cut(log, number, t, heard, entities.describe(slot), { ...to, t }, isDelayed);
    const isApart = this.#isKnownApart(log, number, isDelayed, received);
    const isAlone = log.count(number) === 1;
    if (!isAlone && (isApart || this.#isWhole(log, number, t)))
      this.#end(log, number, this.#describe(log, number, entities.describe(slot)), heard);
    // One report is a hold until what follows is known, which takes its place.
    if (isAlone && isApart && received > log.recorded(number) && !log.changes.has(number)) {
      this.#hold(log, number, heard, entities.describe(slot));
      log.beginAgain(number, received);
    }
  }

  /** What is open ends at each change until `at`, on the way to the next point if there is one; what follows begins there. */
  #cut(
    log: TrackLog,
    number: number,
    at: number,
    heard: number,
    description: Description,
    to?: TrackPoint,
    isDelayed = false,
  ): void {
    const before = untilEach(log.changes.of(number), description);
    const changes = log.changes.of(number).filter((change) => change.at <= at);
    for (const [i, change] of changes.entries()) {
      const last = log.lastPoint(number);
      const wasDelayed = (log.state(number) & DELAYED) !== 0;
      if (log.count(number) > 1 && this.#isWhole(log, number, change.at))
        this.#end(log, number, before[i], heard);
      const recorded = log.recorded(number);
      if (to === undefined) log.addStill(number, change.at, last);
      else log.add(number, change.at, pointAt(inOrder([last, to]), change.at)!, recorded, wasDelayed);
      // What came long after the change must not be told as known since.
      const begins = !(isDelayed && i === changes.length - 1);
      log.end(number, before[i], change.recorded, NaN, begins);
    }
  }

  /** What an entity was at its last point. @param now what it is */
  #describe(log: TrackLog, number: number, now: Description): Description {
    return log.changes.has(number) ? untilEach(log.changes.of(number), now)[0] : now;
  }

  /** An entity of which something is open is heard of: if it would be missed without, there is another point. After silence it ends, if that was not noticed yet. */
  #stays(
    log: TrackLog,
    number: number,
    at: number,
    received: number,
    heard: number,
    entities: Entities,
    slot: number,
  ): void {
    const last = log.last(number);
    if (received - last < this.holdMs) return;
    if (received - heard >= this.holdMs) this.#hold(log, number, heard, entities.describe(slot));
    if (received >= this.until(last, heard)) return;
    const t = Math.floor(at > last ? at : received);
    const point = log.lastPoint(number);
    this.#goOn(log, number, t, point, heard, t, entities, slot);
    log.addStill(number, t, point);
  }

  /** Whether the next point, at `t`, is for another segment. Of two points at least: there is nothing to end in one. */
  #isWhole(log: TrackLog, number: number, t: number): boolean {
    const first = log.first(number);
    return (
      log.count(number) >= this.#mostPoints(log, number, log.state(number)) ||
      t - first > MAX_SEGMENT_MS ||
      Math.floor(t / DAY_MS) !== Math.floor(first / DAY_MS)
    );
  }

  /** Whether what is open must not be told as known with what is received now: only one of them came late, or both did, so long one after the other. */
  #isKnownApart(log: TrackLog, number: number, isDelayed: boolean, received: number): boolean {
    const state = log.state(number);
    if (state & CARRIED) return false;
    const isLong = isDelayed && received - log.recorded(number) > MAX_KNOWN_SPAN_MS;
    return isLong || isDelayed !== ((state & DELAYED) !== 0);
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
  const own = inOrder(log.points(closed.last, closed.count));
  const hold = !Number.isNaN(until);
  const points = hold ? held(own, until) : own;
  return { id, kind, state, attributes, labels, fences, recorded, hold, points };
}
