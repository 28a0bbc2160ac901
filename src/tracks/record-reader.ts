/** Reads the records of points of a log that grows, wherever its bytes are. */
import type { Late } from "./correct.ts";
import type { ClosedSegment } from "./ended.ts";
import type { PathWriter } from "./path.ts";
import type { TrackPoint } from "./segment.ts";
import { FRESH, MAX_COUNT } from "./track-heads.ts";
import {
  BEGIN,
  backOf,
  findPoints,
  NOWHERE,
  type PointRecord,
  type Records,
  readPointInto,
  readRecord,
} from "./track-records.ts";

/** Where the points of one segment begin, while it is copied, and the one that is. */
const FOUND = new Uint32Array(MAX_COUNT);
const READ = { ...NOWHERE };
/** The most segments that are followed side by side. */
export const MAX_WALK = 8;
/** Where each of them is. */
const WALKED = new Uint32Array(MAX_WALK);

export class RecordReader {
  readonly #records: Records;

  constructor(records: Records) {
    this.#records = records;
  }

  point(at: number): PointRecord {
    return readRecord(this.#records.at(at)) as PointRecord;
  }

  /** The late point of the record that begins there. */
  late(at: number): Late {
    const { point, recorded } = this.point(at);
    return { point, received: recorded };
  }

  /** Where the last `count` records up to the one at `last` begin, in the order in which they came. Until the next call. */
  find(last: number, count: number): Uint32Array {
    findPoints(this.#records, last, count, FOUND);
    return FOUND;
  }

  /**
   * Looks at the points of segments `from` … `to` − 1, at most `MAX_WALK`, side by side: in one segment each point is where the next one says, and so a wait
   * for memory of its own. @returns as `Rows.touch`
   */
  walk(segments: readonly ClosedSegment[], from: number, to: number): number {
    let most = 0;
    for (let i = from; i < to; i++) {
      const { last, count } = segments[i]!;
      WALKED[i - from] = last;
      most = Math.max(most, count);
    }
    let sum = 0;
    for (let step = 1; step < most; step++) {
      for (let i = from; i < to; i++) {
        if (step >= segments[i]!.count) continue;
        const back = backOf(this.#records.at(WALKED[i - from]));
        WALKED[i - from] -= back;
        sum += back;
      }
    }
    return sum;
  }

  /** Adds the points of a segment that ended to a path, as they came, and the last again at `until`, unless that is NaN. */
  writePath(to: PathWriter, { last, count, until }: ClosedSegment): void {
    const found = this.find(last, count);
    for (let i = 0; i < count; i++) {
      readPointInto(this.#records.at(found[i]), READ);
      to.add(READ);
    }
    if (!Number.isNaN(until)) to.add(Object.assign(READ, { t: until }));
  }

  /** The first point of a segment, if it may take the place of a hold: then it begins with what was known, but does not go on with a segment. */
  begunAgain(at: number): TrackPoint | undefined {
    const { tag, state, point } = this.point(at);
    return (tag & BEGIN) !== 0 && (state & FRESH) === 0 ? point : undefined;
  }
}
