/** Segments as they are written as rows: with the points of all of them in one piece, and without an object for each. */
import type { ClosedSegment } from "./ended.ts";
import { type PathPlace, PathWriter } from "./path.ts";
import type { Description, Segment } from "./segment.ts";
import type { TrackLog } from "./track-log.ts";
import { segmentOf } from "./tracks.ts";

/** As `Segment`, where its points are among those of others. */
export interface PackedSegment {
  id: string;
  recorded: number;
  hold: boolean;
  description: Description;
  path: PathPlace;
}

export class PackedSegments {
  readonly list: PackedSegment[] = [];
  readonly paths = new PathWriter();

  static of(segments: readonly Segment[]): PackedSegments {
    const packed = new PackedSegments();
    for (const segment of segments) packed.add(segment);
    return packed;
  }

  /** Starts again with the same memory. */
  clear(): void {
    this.list.length = 0;
    this.paths.clear();
  }

  add(segment: Segment): void {
    this.paths.begin();
    for (const point of segment.points) this.paths.add(point);
    this.#end(segment.id, segment, segment.hold);
  }

  /** The row of a segment that ended: the same as `segmentOf`. Between two reports of the same time there is nothing, and no row. */
  addEnded(log: TrackLog, id: string, ended: ClosedSegment): void {
    this.paths.begin();
    log.reader.writePath(this.paths, ended);
    if (this.paths.isInOrder) this.#end(id, ended, !Number.isNaN(ended.until));
    else {
      const segment = segmentOf(log, id, ended);
      if (segment.points.length > 1) this.add(segment);
    }
  }

  #end(id: string, description: Description & { recorded: number }, hold: boolean): void {
    const { recorded } = description;
    this.list.push({ id, recorded, hold, description, path: this.paths.end() });
  }
}
