/** What is asked of the ways of entities to play them: all that happened in a place in a stretch of time. */
import type { Box } from "../picture/cover.ts";
import { indexAt, type Segment, type TrackPoint, unwrapLongitude } from "./segment.ts";

/** A box in degrees with west ≤ east ≤ west + 360, which may lie beyond ±180. */
export interface Region {
  west: number;
  south: number;
  east: number;
  north: number;
}

/** The smallest region that holds some boxes, each with west ≤ east, of which one side of ±180 is meant that is nearer to `lon`. */
export function regionOf(boxes: readonly Box[], lon: number): Region {
  const region = { west: Infinity, south: Infinity, east: -Infinity, north: -Infinity };
  for (const [west, south, east, north] of boxes) {
    const shift = unwrapLongitude((west + east) / 2, lon) - (west + east) / 2;
    region.west = Math.min(region.west, west + shift);
    region.east = Math.max(region.east, east + shift);
    region.south = Math.min(region.south, south);
    region.north = Math.max(region.north, north);
  }
  return region.east - region.west <= 360 ? region : { ...region, west: -180, east: 180 };
}

/** A region with so much of its size more on each side. */
export function grown({ west, south, east, north }: Region, share: number): Region {
  const dx = Math.min((east - west) * share, (360 - (east - west)) / 2);
  const dy = (north - south) * share;
  return { west: west - dx, south: south - dy, east: east + dx, north: north + dy };
}

/** Whether a region holds another one. */
export function holds(outer: Region, inner: Region): boolean {
  if (outer.south > inner.south || outer.north < inner.north) return false;
  if (outer.east - outer.west >= 360) return true;
  return [0, 360, -360].some((shift) => outer.west <= inner.west + shift && outer.east >= inner.east + shift);
}

/** What of a segment lies in a stretch of time: its points within, and one before and one after. */
export interface Stretch extends Segment {
  /** When the whole segment begins, Unix ms. */
  first: number;
  /** It has not ended: the entity is where its last point is. */
  open: boolean;
  /** Nothing of it may be told: it has no more than when it begins and ends. */
  hidden?: true;
}

/** A stretch of which nothing may be told. */
export function hiddenStretch(stretch: Stretch): Stretch {
  const points = stretch.points.slice(-1);
  return { ...stretch, attributes: "", labels: [], fences: [], points, hidden: true };
}

/** What of a segment is wanted from `from` to `to`, Unix ms. */
export function stretchOf(segment: Segment, from: number, to: number, open = false): Stretch {
  const { points } = segment;
  const begin = Math.max(0, indexAt(points, from));
  const end = indexAt(points, to) + 2;
  const isWhole = begin === 0 && end >= points.length;
  return { ...segment, points: isWhole ? points : points.slice(begin, end), first: points[0].t, open };
}

/** Whether the bounds of a way meet a region. @param region absent = anywhere */
export function meets(points: readonly TrackPoint[], region: Region | undefined): boolean {
  if (region === undefined) return true;
  const { west, south, east, north } = region;
  let [left, bottom, right, top] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const { lon, lat } of points) {
    left = Math.min(left, lon);
    right = Math.max(right, lon);
    bottom = Math.min(bottom, lat);
    top = Math.max(top, lat);
  }
  if (bottom > north || top < south) return false;
  return [0, 360, -360].some((shift) => left <= east + shift && right >= west + shift);
}
