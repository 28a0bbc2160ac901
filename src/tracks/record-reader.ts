/** Reads the records of points of a log that grows, wherever its bytes are. */
import type { Late } from "./correct.ts";
import type { PathWriter } from "./path.ts";
import type { TrackPoint } from "./segment.ts";
import { FRESH, MAX_COUNT } from "./track-heads.ts";
import {
  BEGIN,
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

  /** Adds those points to a path, and the last again at `until`, unless that is NaN. */
  writePath(to: PathWriter, last: number, count: number, until: number): void {
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
