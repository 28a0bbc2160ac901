/** What of the tracks of this node is to be written as rows, shard by shard, as it is durable. */

import { MAX_LATE_SPAN_MS } from "../limits.ts";
import { untilEach } from "../tracks/changes.ts";
import type { Late } from "../tracks/correct.ts";
import type { ClosedSegment } from "../tracks/ended.ts";
import { oldest } from "../tracks/late-points.ts";
import { PackedSegments } from "../tracks/packed-segments.ts";
import { MAX_WALK } from "../tracks/record-reader.ts";
import type { Description } from "../tracks/segment.ts";
import type { TrackLog } from "../tracks/track-log.ts";
import type { EntityTable } from "./entity-table.ts";

/** Rows to be written. */
export interface SegmentBatch {
  /** Until the next batch is asked for. */
  segments: PackedSegments;
  /** They are in the database: they are not needed any more. */
  written(): void;
}

/** Late points of an entity, of which rows are to be corrected. */
export interface LateOfEntity {
  id: string;
  /** The oldest, by ascending time; of the same time as they came. One at least. */
  points: Late[];
  /** What is at this time or after it is not in rows yet, Unix ms. */
  end: number;
  /** Until then another may have had the id, Unix ms; −∞ = none had. */
  former: number;
  /** What the entity was, as far as it is in memory: for a time of which rows do not tell it. */
  otherwise: Description | undefined;
  /** What is before this time is in rows: it is not needed any more. */
  written(before: number): void;
}

export class TrackSource {
  readonly #table: EntityTable;
  /** Where the last look ended, so that each shard has its turn. */
  #shard = 0;
  readonly #segments = new PackedSegments();
  /** The sum of what was looked at, so that nobody leaves the looking out. */
  walked = 0;

  constructor(table: EntityTable) {
    this.#table = table;
  }

  /** For how long an entity is taken to be where it was last heard of, ms. */
  get holdMs(): number {
    return this.#table.tracks.holdMs;
  }

  /** @param limit segments, at most. @returns nothing if none is to be written now. */
  segments(limit: number): SegmentBatch | undefined {
    const segments = this.#segments;
    segments.clear();
    const taken: { log: TrackLog; closed: ClosedSegment[] }[] = [];
    let room = limit;
    this.#eachLog((log, shard) => {
      const durable = log.closed.findIndex((closed) => !log.isDurable(closed));
      const closed = log.closed.slice(0, Math.min(room, durable < 0 ? room : durable));
      if (closed.length === 0) return true;
      taken.push({ log, closed });
      room -= closed.length;
      for (const [i, one] of closed.entries()) {
        if (i % MAX_WALK === 0)
          this.walked += log.reader.walk(closed, i, Math.min(i + MAX_WALK, closed.length));
        const id = this.#idOf(shard, one.number);
        if (id !== undefined) segments.addEnded(log, id, one);
      }
      return room > 0;
    });
    if (taken.length === 0) return undefined;
    const written = () => {
      for (const { log, closed } of taken) {
        const done = new Set(closed);
        log.closed = log.closed.filter((one) => !done.has(one));
      }
    };
    return { segments, written };
  }

  /**
   * Of points whose segments are in rows.
   * @param most entities and points, at most. @param isAside of which entities there are to be none.
   */
  late(most: { entities: number; points: number }, isAside: (id: string) => boolean): LateOfEntity[] {
    const found = new Map<string, LateOfEntity>();
    let { points } = most;
    const share = Math.ceil(points / 2);
    this.#eachLog((log, shard) => {
      if (log.late.size === 0) return true;
      const ended = this.#endedOf(log, shard);
      for (const number of log.late.numbers()) {
        const id = this.#idOf(shard, number);
        // Of one whose id is another's now, when that has had its turn.
        if (id !== undefined && (found.has(id) || isAside(id))) continue;
        const { times, places, turns } = log.late.of(number);
        const durable = turns.findLastIndex((turn) => log.isDurable({ turn })) + 1;
        if (durable === 0) continue;
        const former = id === undefined ? -Infinity : this.#table.shards[shard].formerWays.end(id);
        const end = id === undefined ? Infinity : this.#end(log, shard, number, former, ended.get(id));
        // The others have their turn while one has very many.
        const ready = oldest(times, durable, end, Math.min(points, share), MAX_LATE_SPAN_MS);
        if (ready.length === 0) continue;
        const taken = ready.map((i) => turns[i]);
        const late = log.readLate(ready.map((i) => places[i]));
        const written = (before: number) => {
          const gone = taken.filter((_, i) => late[i].point.t < before);
          log.late.remove(number, new Set(gone), late.at(-1)!.point.t);
        };
        if (id === undefined) {
          written(Infinity);
          continue;
        }
        const otherwise = this.#description(log, shard, number, ended.get(id));
        found.set(id, { id, points: late, end, former, otherwise, written });
        points -= ready.length;
        if (found.size >= most.entities || points <= 0) return false;
      }
      return true;
    });
    return [...found.values()];
  }

  /** Of each id of which something came late, the first segment that ended and is in no row: it may be of who had the id before. */
  #endedOf({ closed, late }: TrackLog, shard: number): Map<string, ClosedSegment> {
    const { departed } = this.#table.shards[shard];
    const first = new Map<string, ClosedSegment>();
    for (const one of closed) {
      if (!late.has(one.number) && !departed.has(one.number)) continue;
      const id = this.#idOf(shard, one.number);
      if (id !== undefined && !first.has(id)) first.set(id, one);
    }
    return first;
  }

  /** What is corrected now goes until then, Unix ms: to what is in memory and in no row, to where a way of before ended, or may begin yet. */
  #end(
    log: TrackLog,
    shard: number,
    number: number,
    former: number,
    ended: ClosedSegment | undefined,
  ): number {
    let end = Infinity;
    if (ended !== undefined) end = log.points(ended.last, ended.count)[0].t;
    else if (log.count(number) > 0) end = log.first(number);
    if (log.late.of(number).times.some((time) => time < former)) return Math.min(end, former);
    const slot = this.#table.shards[shard].slot(number);
    const isToBegin = slot >= 0 && log.last(number) === -Infinity;
    return isToBegin ? Math.min(end, Math.ceil(this.#table.picture.columns.t.of(slot))) : end;
  }

  /** What is known of an entity the earliest in memory. @param ended of its id */
  #description(log: TrackLog, shard: number, number: number, ended?: ClosedSegment): Description | undefined {
    // Numbers ascend: this is not of who has the id since.
    if (ended !== undefined && ended.number <= number) return ended;
    const slot = this.#table.shards[shard].slot(number);
    if (slot < 0) return undefined;
    const now = this.#table.describe(slot);
    return untilEach(log.changes.of(number), now)[0] ?? now;
  }

  #idOf(shard: number, number: number): string | undefined {
    const slot = this.#table.shards[shard].slot(number);
    return slot < 0 ? this.#table.shards[shard].departed.get(number) : this.#table.picture.columns.id[slot];
  }

  /** @param look says whether to go on. */
  #eachLog(look: (log: TrackLog, shard: number) => boolean): void {
    const { logs } = this.#table.tracks;
    for (let i = 0; i < logs.length; i++) {
      const shard = (this.#shard + i) % logs.length;
      if (look(logs[shard], shard)) continue;
      this.#shard = shard;
      return;
    }
  }
}
