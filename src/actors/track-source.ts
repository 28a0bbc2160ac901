/** What of the tracks of this node is to be written as rows, shard by shard, as it is durable. */
import type { Late } from "../tracks/correct.ts";
import type { ClosedSegment, LatePoint } from "../tracks/ended.ts";
import { PackedSegments } from "../tracks/packed-segments.ts";
import type { TrackLog } from "../tracks/track-log.ts";
import type { EntityTable } from "./entity-table.ts";

/** Rows to be written. */
export interface SegmentBatch {
  /** Until the next batch is asked for. */
  segments: PackedSegments;
  /** They are in the database: they are not needed any more. */
  written(): void;
}

/** Late points, of which rows are to be corrected. */
export interface LateBatch {
  entities: {
    id: string;
    points: Late[];
    /** What is at this time or after it is not in rows yet, Unix ms. */
    end: number;
  }[];
  written(): void;
}

export class TrackSource {
  readonly #table: EntityTable;
  /** Where the last look ended, so that each shard has its turn. */
  #shard = 0;
  readonly #segments = new PackedSegments();

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
      for (const one of closed) {
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

  /** Of points whose segments are in rows. @param limit entities, at most. */
  late(limit: number): LateBatch | undefined {
    const entities: LateBatch["entities"] = [];
    const taken: { log: TrackLog; points: Set<LatePoint> }[] = [];
    this.#eachLog((log, shard) => {
      if (log.late.length === 0) return true;
      const points = new Set<LatePoint>();
      for (const [number, ofOne] of Map.groupBy(log.late, ({ number }) => number)) {
        if (entities.length >= limit) break;
        const id = this.#idOf(shard, number);
        const end = firstInMemory(log, number);
        const ready = ofOne.filter((one) => log.isDurable(one) && one.point.t < end);
        if (ready.length === 0) continue;
        for (const one of ready) points.add(one);
        if (id !== undefined) entities.push({ id, points: ready, end });
      }
      if (points.size > 0) taken.push({ log, points });
      return entities.length < limit;
    });
    if (taken.length === 0) return undefined;
    const written = () => {
      for (const { log, points } of taken) log.late = log.late.filter((one) => !points.has(one));
    };
    return { entities, written };
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

/** The first time that is in memory and in no row, Unix ms. */
function firstInMemory(log: TrackLog, number: number): number {
  const closed = log.closed.find((one) => one.number === number);
  if (closed !== undefined) return log.points(closed.last, closed.count)[0].t;
  return log.count(number) > 0 ? log.first(number) : Infinity;
}
