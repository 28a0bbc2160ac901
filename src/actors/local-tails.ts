/** What this node has in memory of the tracks of its shards, and in no row yet. Looks at all of it, a slice at a time. */
import type { Clock } from "../clock.ts";
import { SLICE_MS } from "../limits.ts";
import { isWithin } from "../picture/query.ts";
import type { ClosedSegment } from "../tracks/ended.ts";
import { compareIds, compareInShards } from "../tracks/id-order.ts";
import { openSegments } from "../tracks/open-segments.ts";
import type {
  StretchPage,
  StretchQuery,
  TailPage,
  ThenQuery,
  ThenRecord,
  TrackTails,
} from "../tracks/ports.ts";
import { type Segment, wrapLongitude } from "../tracks/segment.ts";
import { meets, type Stretch, stretchOf } from "../tracks/stretch.ts";
import { recordThen } from "../tracks/then.ts";
import type { TrackLog } from "../tracks/track-log.ts";
import { segmentOf } from "../tracks/tracks.ts";
import type { EntityTable } from "./entity-table.ts";
import type { Shard } from "./shard.ts";
import { shardOf } from "./shard-hash.ts";

/** Entities looked at between two looks at the clock. */
const LOOK = 256;
const NONE: readonly ClosedSegment[] = [];

/** What is in memory at an instant, if it tells of the entity then; and the segment with which it began, which rows may have a hold in place of. */
interface Found {
  segment: Segment | undefined;
  begun: Segment;
}

/** No entity has this number. */
const NOBODY = -1;
/** So many pages are collected before what is beyond the first is thrown away. */
const PAGES_KEPT = 4;

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
    const missing = () => this.#table.shards.map(({ index }) => index).filter((index) => !isOpen(index));
    return {
      at: async (query) => ({ pages: [await this.at(query, isOpen)], missing: missing() }),
      of: async (id) => ({
        segments: this.of(id),
        missing: missing().filter((shard) => shard === shardOf(id)),
      }),
      during: async (query) => ({ pages: [await this.during(query, isOpen)], missing: missing() }),
    };
  }

  /** Of the shards for which `open` is true. */
  async at(query: ThenQuery, open: (shard: number) => boolean): Promise<TailPage> {
    const page: TailPage = { records: [], more: false, elsewhere: [] };
    const turns = this.#turns();
    for (const shard of this.#table.shards) {
      if (!open(shard.index)) continue;
      const { nextNumber } = shard;
      let ended = this.#endedOf(shard);
      for (let number = 0; number < nextNumber; number++) {
        if (number % LOOK === 0 && (await turns())) {
          if (!open(shard.index)) break;
          ended = this.#endedOf(shard);
        }
        const found = this.#segmentAt(shard, number, ended.get(number) ?? NONE, query);
        if (found === undefined) continue;
        const { segment, begun } = found;
        const record = segment && recordThen(segment, query, this.#version(shard, number));
        if (record !== undefined) page.records.push(record);
        else if (this.#replaces(begun, query)) page.elsewhere.push(begun.id);
        if (page.records.length > PAGES_KEPT * (query.limit + 1)) cut(page, query.limit);
      }
    }
    cut(page, query.limit);
    return page;
  }

  /** Of an entity of an open shard: by ascending time, the open segment with what there is. */
  of(id: string): Segment[] {
    const shard = this.#table.shards[shardOf(id)];
    if (shard.status === "closed") return [];
    const slot = this.#table.picture.find(id);
    const number = slot < 0 ? NOBODY : this.#table.number.of(slot);
    const log = this.#table.tracks.logs[shard.index];
    const isOfIt = (closed: ClosedSegment) =>
      closed.number === number || shard.departed.get(closed.number) === id;
    const ended = log.closed.filter(isOfIt);
    const segments = ended
      .map((closed) => segmentOf(log, id, closed))
      .filter(({ points }) => points.length > 1);
    return log.count(number) > 0 ? [...segments, ...this.#openOf(log, shard, number)] : segments;
  }

  /** Of the shards for which `open` is true: what meets a stretch of time and a region. Ends with the shard in which the page is full. */
  async during(
    query: StretchQuery & { after?: string; limit: number },
    open: (shard: number) => boolean,
  ): Promise<StretchPage> {
    const { after, limit } = query;
    const page: StretchPage = { stretches: [], more: false };
    const ids = query.ids && Map.groupBy(query.ids, shardOf);
    const begin = after === undefined ? 0 : shardOf(after);
    const turns = this.#turns();
    for (const shard of this.#table.shards) {
      if (shard.index < begin || !open(shard.index) || ids?.has(shard.index) === false) continue;
      if (page.stretches.length >= limit) {
        page.more = true;
        break;
      }
      let ended = this.#endedOf(shard);
      let looked = 0;
      for (const number of this.#numbers(shard, ids?.get(shard.index))) {
        if (looked++ % LOOK === 0 && (await turns())) {
          if (!open(shard.index)) break;
          ended = this.#endedOf(shard);
        }
        const id = this.#idOf(shard, number);
        if (id === undefined) continue;
        if (after !== undefined && shard.index === begin && compareIds(id, after) <= 0) continue;
        page.stretches.push(...this.#stretches(shard, number, ended.get(number) ?? NONE, query));
        if (page.stretches.length > PAGES_KEPT * limit) cutStretches(page, limit);
      }
    }
    cutStretches(page, limit);
    return page;
  }

  /** By number; until others have their turn. What becomes a row then, is found there, and may not be where it was in the log. */
  #endedOf(shard: Shard): Map<number, ClosedSegment[]> {
    return Map.groupBy(this.#table.tracks.logs[shard.index].closed, ({ number }) => number);
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

  #stretches(shard: Shard, number: number, ended: readonly ClosedSegment[], query: StretchQuery): Stretch[] {
    const { from, to, region } = query;
    const log = this.#table.tracks.logs[shard.index];
    const id = this.#idOf(shard, number)!;
    const found: Stretch[] = [];
    for (const closed of ended) {
      const segment = segmentOf(log, id, closed);
      const { points } = segment;
      if (points.length < 2) continue;
      const isThen = points[0].t <= to && points.at(-1)!.t >= from;
      if ((isThen || this.#isWhereHoldWas(points[0].t, closed.recorded, query)) && meets(points, region))
        found.push(stretchOf(segment, from, to));
    }
    const first = log.first(number);
    if (log.count(number) === 0 || first > to) return found;
    // Of most nothing but the last point is wanted.
    const isWhereHoldWas = this.#isWhereHoldWas(first, log.recorded(number), query);
    const open = this.#openOf(log, shard, number, log.last(number) <= from && !isWhereHoldWas);
    const until = this.#until(log, shard, number);
    for (const [i, segment] of open.entries()) {
      const isLast = i === open.length - 1;
      const { points } = segment;
      const begin = i === 0 ? first : points[0].t;
      const end = isLast ? until : points.at(-1)!.t;
      const isThen = begin <= to && end >= from;
      if (!(isThen || (i === 0 && isWhereHoldWas)) || !meets(points, region)) continue;
      const isOpen = isLast && until > to;
      const known = isLast && !isOpen ? heldUntil(segment, until) : segment;
      found.push({ ...stretchOf(known, from, to, isOpen), first: begin });
    }
    return found;
  }

  /** Whether a row that the query finds may be the hold that a segment takes the place of. That has been where the segment begins, so both are found. */
  #isWhereHoldWas(first: number, recorded: number, { from, to }: StretchQuery): boolean {
    const { holdMs } = this.#table.tracks;
    return recorded - first >= holdMs && first <= to && first + 2 * holdMs >= from;
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

  /** The segment at an instant, if it was known then. */
  #segmentAt(
    shard: Shard,
    number: number,
    ended: readonly ClosedSegment[],
    { t, after, known = Infinity }: ThenQuery,
  ): Found | undefined {
    const log = this.#table.tracks.logs[shard.index];
    if (log.last(number) === -Infinity) return undefined;
    const id = this.#idOf(shard, number);
    if (id === undefined || (after !== undefined && compareIds(id, after) <= 0)) return undefined;
    if (log.count(number) > 0 && log.first(number) <= t) {
      const recorded = log.recorded(number);
      if (recorded > known) return undefined;
      const isNow =
        log.last(number) <= Math.min(t, known) && recorded - log.first(number) < this.#table.tracks.holdMs;
      const open = this.#openOf(log, shard, number, isNow);
      const isThere = t < this.#until(log, shard, number);
      const segment = open.findLast(({ points }) => isThere && points[0].t <= t);
      return { segment: segment && segment.recorded <= known ? segment : undefined, begun: open[0] };
    }
    for (const closed of ended) {
      const segment = segmentOf(log, id, closed);
      const { points } = segment;
      if (points[0].t <= t && t < points.at(-1)!.t)
        return segment.recorded <= known ? { segment, begun: segment } : undefined;
    }
    return undefined;
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

  /** Whether a row that the query finds may be the hold that a segment takes the place of: it was recorded after that had begun and ended. */
  #replaces({ points, recorded }: Segment, { bbox }: ThenQuery): boolean {
    const { t, lon, lat } = points[0];
    const within = bbox === undefined || isWithin(wrapLongitude(lon), lat, bbox);
    return within && recorded - t >= this.#table.tracks.holdMs;
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

function heldUntil(segment: Segment, t: number): Segment {
  return { ...segment, hold: true, points: [...segment.points, { ...segment.points.at(-1)!, t }] };
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
