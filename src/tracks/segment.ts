/** A piece of an entity's way, as it is kept: one row each. */

/** Where an entity was. Absent numbers are NaN. */
export interface TrackPoint {
  /** Fix time, whole Unix ms. */
  t: number;
  /** Degrees; of one segment without a jump at 180°, so that they may lie beyond it. */
  lon: number;
  lat: number;
  alt: number;
  /** Metres per second, in steps of 0.1. */
  speed: number;
  /** Degrees, in steps of 0.1. */
  course: number;
}

/** What an entity was during a whole segment. */
export interface Description {
  kind: string;
  state: string;
  /** JSON text of an object, or empty. */
  attributes: string;
  labels: readonly string[];
  /** Names of those that it was inside of, sorted. */
  fences: readonly string[];
}

/**
 * An entity's way from its first point to its last. Of two that follow each other without a gap the later starts with the last point of the
 * earlier, so an instant belongs to the one with first ≤ instant < last.
 */
export interface Segment extends Description {
  id: string;
  /** When this was known, Unix ms: which version it is of the segment with this id and first point. */
  recorded: number;
  /** Nothing was heard after the last point but one; the last is where and until when it was taken to be still there. */
  hold: boolean;
  /** Two at least, by ascending time. */
  points: readonly TrackPoint[];
}

/** The same longitude, −180 … 180. */
export function wrapLongitude(lon: number): number {
  return lon >= -180 && lon <= 180 ? lon : ((((lon + 180) % 360) + 360) % 360) - 180;
}

/** The longitude that is the same as `lon` and nearest to `near`. */
export function unwrapLongitude(lon: number, near: number): number {
  return lon + 360 * Math.round((near - lon) / 360);
}

/** The index of the last point that is not after `t`, −1 if all are. */
export function indexAt(points: readonly TrackPoint[], t: number): number {
  let low = 0;
  let high = points.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (points[middle].t <= t) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** Where an entity was at `t`: between two points in proportion to time, with speed and course of the earlier; after the last one there. */
export function pointAt(points: readonly TrackPoint[], t: number): TrackPoint | undefined {
  const index = indexAt(points, t);
  if (index < 0) return undefined;
  const from = points[index];
  const to = points[index + 1];
  if (to === undefined || from.t === t) return { ...from, lon: wrapLongitude(from.lon) };
  const share = (t - from.t) / (to.t - from.t);
  return {
    ...from,
    lon: wrapLongitude(from.lon + (to.lon - from.lon) * share),
    lat: from.lat + (to.lat - from.lat) * share,
    alt: Number.isNaN(to.alt) ? from.alt : from.alt + (to.alt - from.alt) * share,
  };
}

/** With the last of them once more, at `until`: where and until when the entity was taken to be still there. */
export function held(points: readonly TrackPoint[], until: number): TrackPoint[] {
  return [...points, { ...points.at(-1)!, t: until }];
}

/** By ascending time, one for each instant (the last given counts), and without a jump at 180°. */
export function inOrder(given: readonly TrackPoint[]): TrackPoint[] {
  const sorted = given.every((point, i) => i === 0 || given[i - 1].t < point.t)
    ? given
    : [...new Map(given.map((point) => [point.t, point])).values()].sort((a, b) => a.t - b.t);
  let near = sorted[0].lon;
  return sorted.map((point) => {
    near = unwrapLongitude(point.lon, near);
    return near === point.lon ? point : { ...point, lon: near };
  });
}
