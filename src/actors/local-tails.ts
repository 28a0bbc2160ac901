/** What this node has in memory of the tracks of its shards, and in no row yet. Looks at all of it, a slice at a time. */
import type { Clock } from "../clock.ts";
import { SLICE_MS, TRACK_DELAY_MS } from "../limits.ts";
import { isWithin } from "../picture/query.ts";
import { roundDegrees } from "../picture/record.ts";
import { current } from "../tracks/current.ts";
import type { ClosedSegment } from "../tracks/ended.ts";
import { compareIds, compareInShards } from "../tracks/id-order.ts";
import type { LatePoints } from "../tracks/late-points.ts";
import { openSegments } from "../tracks/open-segments.ts";
import { type PermittedPast, permittedPast } from "../tracks/permitted-past.ts";
import type {
  StretchPage,
  StretchQuery,
  TailPage,
  ThenQuery,
  ThenRecord,
  TrackTails,
} from "../tracks/ports.ts";
import { held, type Segment, wrapLongitude } from "../tracks/segment.ts";
import { hiddenStretch, meets, type Stretch, stretchOf } from "../tracks/stretch.ts";
import { recordThen } from "../tracks/then.ts";
import type { TrackLog } from "../tracks/track-log.ts";
import { segmentOf } from "../tracks/tracks.ts";
import type { EntityTable } from "./entity-table.ts";
import { closedAmong, type Shard } from "./shard.ts";
import { shardOf } from "./shard-hash.ts";

/** Entities looked at between two looks at the clock, of which nothing came late. */
const LOOK = 256;

/** So many pages are collected before what is beyond the first is thrown away. */
const PAGES_KEPT = 4;

/** What of a shard has ended or came late, by number. */
interface Kept {
  ended: Map<number, ClosedSegment[]>;
  late: LatePoints;
}

export class LocalTails {
  readonly #table: EntityTable;
  readonly #clock: Clock;

  constructor(table: EntityTable, clock: Clock) {
    this.#table = table;
    this.#clock = clock;
  }

  /** For a node that has all shards. */
  get alone(): TrackTails {
    const isOpen = (shard: number) => this.#table.shards[shard].status !== "closed";
    const missing = () => closedAmong(this.#table.shards);
    return {
      at: async (query) => ({ pages: [await this.at(query, isOpen)], missing: missing() }),
      of: async ({ id, known }) => ({
        segments: this.of(id, known),
        missing: missing().filter((shard) => shard === shardOf(id)),
      }),
      during: async (query) => ({ pages: [await this.during(query, isOpen)], missing: missing() }),
      labels: async (ids) => {
        const shards = new Set(ids.map(shardOf));
        return { labels: this.labels(ids), missing: missing().filter((shard) => shards.has(shard)) };
      },
    };
  }

  /** That entities have now, of those that are there. */
  labels(ids: readonly string[]): Map<string, readonly string[]> {
    const labels = new Map<string, readonly string[]>();
    for (const id of ids) {
      const of = this.#labelsOf(id);
      if (of !== undefined) labels.set(id, of);
    }
    return labels;
  }

  #labelsOf(id: string): readonly string[] | undefined {
    const { picture } = this.#table;
    const slot = picture.find(id);
    return slot < 0 ? undefined : (picture.columns.labels.get(slot) ?? []);
  }

  /** Of the shards for which `open` is true. @throws ExpressionError */
  async at(query: ThenQuery, open: (shard: number) => boolean): Promise<TailPage> {
    const page: TailPage = { records: [], more: false, elsewhere: [] };
    const past = permittedPast(query);
    const turns = this.#turns();
    for (const shard of this.#table.shards) {
      if (!open(shard.index)) continue;
      const { nextNumber } = shard;
      let kept = this.#keptOf(shard);
      for (let number = 0; number < nextNumber; number++) {
        if ((number % LOOK === 0 || kept.late.has(number)) && (await turns())) {
          if (!open(shard.index)) break;
          kept = this.#keptOf(shard);
        }
        const id = this.#idOf(shard, number);
        if (id === undefined || (query.after !== undefined && compareIds(id, query.after) <= 0)) continue;
        const segment = this.#segmentAt(shard, number, kept, query);
        const record = segment && recordThen(segment, query, this.#version(shard, number));
        const isTold = past === undefined || (record && past.tells(record, () => this.#labelsOf(id)));
        if (record !== undefined && isTold) page.records.push(record);
        else if (this.#replaces(shard, number, kept, query)) page.elsewhere.push(id);
        if (page.records.length > PAGES_KEPT * (query.limit + 1)) cut(page, query.limit);
      }
    }
    cut(page, query.limit);
    return page;
  }

  /** Of an entity of an open shard: by ascending time. @param known only versions that were known then, Unix ms */
  of(id: string, known?: number): Segment[] {
    const shard = this.#table.shards[shardOf(id)];
    if (shard.status === "closed") return [];
    const kept = this.#keptOf(shard);
    const log = this.#table.tracks.logs[shard.index];
    return [...this.#numbers(shard, [id])]
      .flatMap((number) =>
        this.#current(shard, number, kept, known).map(({ first: _, open, ...segment }) =>
          open
            ? { ...segment, hold: true, points: held(segment.points, this.#until(log, shard, number)) }
            : segment,
        ),
      )
      .sort((a, b) => a.points[0].t - b.points[0].t);
  }

  /** Of the shards for which `open` is true: what meets a stretch of time and a region. Ends with the shard in which the page is full. @throws ExpressionError */
  async during(
    query: StretchQuery & { after?: string; limit: number },
    open: (shard: number) => boolean,
  ): Promise<StretchPage> {
    const { after, limit } = query;
    const page: StretchPage = { stretches: [], more: false };
    const ids = query.ids && Map.groupBy(query.ids, shardOf);
    const begin = after === undefined ? 0 : shardOf(after);
    const past = permittedPast(query);
    const turns = this.#turns();
    for (const shard of this.#table.shards) {
      if (shard.index < begin || !open(shard.index) || ids?.has(shard.index) === false) continue;
      if (page.stretches.length >= limit) {
        page.more = true;
        break;
      }
      let kept = this.#keptOf(shard);
      let looked = 0;
      for (const number of this.#numbers(shard, ids?.get(shard.index))) {
        if ((looked++ % LOOK === 0 || kept.late.has(number)) && (await turns())) {
          if (!open(shard.index)) break;
          kept = this.#keptOf(shard);
        }
        const id = this.#idOf(shard, number);
        if (id === undefined) continue;
        if (after !== undefined && shard.index === begin && compareIds(id, after) <= 0) continue;
        page.stretches.push(...this.#stretches(shard, number, kept, query, past));
        if (page.stretches.length > PAGES_KEPT * limit) cutStretches(page, limit);
      }
    }
    cutStretches(page, limit);
    return page;
  }

  /** Until others have their turn. What becomes a row then, is found there, and may not be where it was in the log. */
  #keptOf(shard: Shard): Kept {
    const { closed, late } = this.#table.tracks.logs[shard.index];
    return { ended: Map.groupBy(closed, ({ number }) => number), late };
  }

  /** The numbers of some entities of a shard, also of former ones with their ids; by default of all. */
  *#numbers(shard: Shard, ids: readonly string[] | undefined): Generator<number> {
    if (ids === undefined) {
      const { nextNumber } = shard;
      for (let number = 0; number < nextNumber; number++) yield number;
      return;
    }
    const wanted = new Set(ids);
    for (const [number, id] of shard.departed) if (wanted.has(id)) yield number;
    for (const id of wanted) {
      const slot = this.#table.picture.find(id);
      if (slot >= 0) yield this.#table.number.of(slot);
    }
  }

  #stretches(
    shard: Shard,
    number: number,
    kept: Kept,
    query: StretchQuery,
    past: PermittedPast | undefined,
  ): Stretch[] {
    const { from, to, region } = query;
    const log = this.#table.tracks.logs[shard.index];
    // Of most nothing but the last point is wanted.
    const isStill =
      past?.readsMotion !== true &&
      !kept.late.has(number) &&
      log.count(number) > 0 &&
      log.last(number) <= from &&
      !(this.#isWhenHoldWas(log.first(number), log.recorded(number), from, to) && log.begunAgain(number));
    const found: Stretch[] = [];
    for (const one of this.#current(shard, number, kept, undefined, isStill)) {
      const { first, open, recorded, points } = one;
      const end = open ? this.#until(log, shard, number) : points.at(-1)!.t;
      const isThen = first <= to && end >= from;
      if (!(isThen || this.#isWhenHoldWas(first, recorded, from, to)) || !meets(points, region)) continue;
      const isOpen = open && end > to;
      const known = open && !isOpen ? { ...one, hold: true, points: held(points, end) } : one;
      const stretch = { ...stretchOf(known, from, to, isOpen), first };
      const isTold = past === undefined || past.tells(one, () => this.#labelsOf(one.id));
      found.push(isTold ? stretch : hiddenStretch(stretch));
    }
    return found;
  }

  /** What counts of a number, by ascending time. @param isStill of the points of what is open only the last is wanted */
  #current(shard: Shard, number: number, { ended, late }: Kept, known?: number, isStill = false): Stretch[] {
    const { logs, holdMs } = this.#table.tracks;
    const log = logs[shard.index];
    const versions: Stretch[] = [];
    for (const closed of ended.get(number) ?? []) {
      const segment = segmentOf(log, this.#idOf(shard, number)!, closed);
      const { points } = segment;
      if (points.length > 1) versions.push({ ...segment, first: points[0].t, open: false });
    }
    if (log.count(number) > 0) {
      const open = this.#openOf(log, shard, number, isStill);
      for (const [i, segment] of open.entries()) {
        const first = i === 0 ? log.first(number) : segment.points[0].t;
        versions.push({ ...segment, first, open: i === open.length - 1 });
      }
    }
    return current(versions, (begin) => log.readLate(late.since(number, begin)), holdMs, known);
  }

  /**
   * Whether a row of then may be the hold that a segment takes the place of. Both begin with the same point; what takes its place was recorded after the
   * silence, or with a report that must not be told as known with that point.
   */
  #isWhenHoldWas(first: number, recorded: number, from: number, to: number): boolean {
    const { holdMs } = this.#table.tracks;
    return recorded - first >= Math.min(holdMs, TRACK_DELAY_MS) && first <= to && first + 2 * holdMs >= from;
  }

  /** Ends a slice of work when it is over. Resolves to whether others had their turn. */
  #turns(): () => Promise<boolean> {
    let end = this.#clock.monotonic() + SLICE_MS;
    return async () => {
      if (this.#clock.monotonic() < end) return false;
      await new Promise<void>((resolve) => this.#clock.yield(resolve));
      end = this.#clock.monotonic() + SLICE_MS;
      return true;
    };
  }

  /** The segment at an instant, as it was known then. */
  #segmentAt(
    shard: Shard,
    number: number,
    kept: Kept,
    { t, known = Infinity }: ThenQuery,
  ): Segment | undefined {
    const log = this.#table.tracks.logs[shard.index];
    if (log.last(number) === -Infinity) return undefined;
    const isOpen = log.count(number) > 0 && log.first(number) <= t && log.recorded(number) <= known;
    if (isOpen && !kept.late.has(number)) {
      if (t >= this.#until(log, shard, number)) return undefined;
      const isNow = log.last(number) <= Math.min(t, known);
      const found = this.#openOf(log, shard, number, isNow).findLast(({ points }) => points[0].t <= t);
      return found && found.recorded <= known ? found : undefined;
    }
    const found = this.#current(shard, number, kept, known).findLast(({ first }) => first <= t);
    if (found === undefined) return undefined;
    return t < (found.open ? this.#until(log, shard, number) : found.points.at(-1)!.t) ? found : undefined;
  }

  #openOf(log: TrackLog, shard: Shard, number: number, isNow = false): Segment[] {
    const description = this.#table.describe(shard.slot(number));
    const until = this.#until(log, shard, number);
    return openSegments(log, number, this.#idOf(shard, number)!, description, until, isNow);
  }

  /** Until when an entity of which something is open is there, Unix ms. */
  #until(log: TrackLog, shard: Shard, number: number): number {
    const { received } = this.#table.picture.columns;
    return this.#table.tracks.until(log.last(number), received.of(shard.slot(number)));
  }

  /** Whether a row that the query finds may be a hold that something in memory takes the place of. */
  #replaces(
    shard: Shard,
    number: number,
    { ended }: Kept,
    { t, bbox, known = Infinity }: ThenQuery,
  ): boolean {
    const log = this.#table.tracks.logs[shard.index];
    const isAsked = (recorded: number, at?: number): boolean => {
      const point = recorded <= known ? log.begunAgain(number, at) : undefined;
      if (point === undefined || !this.#isWhenHoldWas(point.t, recorded, t, t)) return false;
      return bbox === undefined || isWithin(roundDegrees(wrapLongitude(point.lon)), point.lat, bbox);
    };
    if (log.count(number) > 0 && isAsked(log.recorded(number))) return true;
    return (ended.get(number) ?? []).some(({ first, recorded }) => isAsked(recorded, first));
  }

  #idOf(shard: Shard, number: number): string | undefined {
    const slot = shard.slot(number);
    return slot < 0 ? shard.departed.get(number) : this.#table.picture.columns.id[slot];
  }

  #version(shard: Shard, number: number): { epoch: number; seq: number } {
    const slot = shard.slot(number);
    // Of one that is deleted: whoever has its id now is newer.
    return { epoch: shard.epoch, seq: slot < 0 ? 0 : this.#table.picture.columns.seq.of(slot) };
  }
}

function cut(page: TailPage, limit: number): void {
  page.records.sort((a: ThenRecord, b: ThenRecord) => compareIds(a.id, b.id));
  if (page.records.length > limit) shorten(page, limit);
}

function cutStretches(page: StretchPage, limit: number): void {
  page.stretches.sort((a, b) => compareInShards(a.id, b.id) || a.first - b.first);
  if (page.stretches.length > limit) shortenStretches(page, limit);
}

/** Leaves about `count` stretches, of the last entity all. */
export function shortenStretches(page: StretchPage, count: number): void {
  const { id } = page.stretches[count - 1];
  const end = page.stretches.findIndex((one) => compareInShards(one.id, id) > 0);
  if (end < 0) return;
  page.stretches.length = end;
  page.more = true;
}

/** Leaves the first `count` records, and of what is elsewhere what is before the last. */
export function shorten(page: TailPage, count: number): void {
  page.records.length = count;
  page.more = true;
  const end = page.records[count - 1].id;
  page.elsewhere = page.elsewhere.filter((id) => compareIds(id, end) <= 0);
}
