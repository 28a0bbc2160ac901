/**
 * A way by points that are some time apart, over the segments that it consists of: a line from each point that is kept to the next, told as the segment
 * in which it begins. Where one segment ends and the next begins nothing is kept for that alone, so what an entity was between two points is not told.
 */
import { type Segment, type TrackPoint, unwrapLongitude } from "./segment.ts";

interface Line {
  segment: Segment;
  points: TrackPoint[];
  recorded: number;
  /** Its first point is the last of the line before. */
  follows: boolean;
}

export class Apart {
  readonly #everyMs: number;
  #line: Line | undefined;
  #kept = -Infinity;
  /** Of what was taken last, Unix ms; and its longitude, as that of the line goes on. */
  #end = NaN;
  #lon = NaN;

  constructor(everyMs: number) {
    this.#everyMs = everyMs;
  }

  /** Takes the next segment, by ascending time. @returns lines that have ended */
  take(segment: Segment): Segment[] {
    const { points } = segment;
    const lines: Segment[] = [];
    const first = points[0].t;
    if (this.#line !== undefined && (first !== this.#end || this.#line.points.at(-1)!.t === first)) {
      const isOn = first === this.#end;
      const follows = this.#line.follows || this.#line.points.length > 1;
      lines.push(...this.end(isOn));
      if (isOn) this.#line = this.#begin(segment, points[0], follows);
    }
    for (const point of points) {
      this.#lon = this.#line === undefined ? point.lon : unwrapLongitude(point.lon, this.#lon);
      this.#end = point.t;
      // Of two segments that meet, both have the point.
      if (point.t <= this.#kept || point.t - this.#kept < this.#everyMs) continue;
      this.#kept = point.t;
      if (this.#line === undefined) {
        this.#line = this.#begin(segment, point, false);
        continue;
      }
      this.#line.points.push({ ...point, lon: this.#lon });
      this.#line.recorded = Math.max(this.#line.recorded, segment.recorded);
      if (this.#line.segment === segment) continue;
      lines.push(...this.end());
      this.#line = this.#begin(segment, point, true);
    }
    return lines;
  }

  /** Nothing follows without a gap. @param isOn but a line from its last point. @returns the last line, if it tells more; of one point that point twice */
  end(isOn = false): Segment[] {
    if (this.#line === undefined) return [];
    const { segment, points, recorded, follows } = this.#line;
    this.#line = undefined;
    if (points.length === 1) {
      if (follows || isOn) return [];
      points.push(points[0]);
    }
    const hold = segment.hold && points.at(-1)!.t === segment.points.at(-1)!.t;
    return [{ ...segment, recorded, hold, points }];
  }

  #begin(segment: Segment, point: TrackPoint, follows: boolean): Line {
    this.#lon = point.lon;
    return { segment, points: [point], recorded: segment.recorded, follows };
  }
}
