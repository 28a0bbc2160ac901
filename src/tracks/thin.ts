/** Fewer points of a way. */
import { EARTH_RADIUS } from "../picture/sphere.ts";
import { indexAt, pointAt, type TrackPoint, unwrapLongitude } from "./segment.ts";

const RADIANS = Math.PI / 180;

/** The part of a way between two times, Unix ms, with the places at both ends if it goes on beyond them. */
export function clip(points: readonly TrackPoint[], from: number, to: number): TrackPoint[] {
  const within = points.filter(({ t }) => t >= from && t <= to);
  const edge = (t: number) => {
    const point = pointAt(points, t);
    if (point === undefined) return [];
    // Near the point before it: from the first one a way may lead around the globe.
    return [{ ...point, lon: unwrapLongitude(point.lon, points[indexAt(points, t)].lon), t }];
  };
  if (points[0].t < from && within[0]?.t !== from && points.at(-1)!.t > from) within.unshift(...edge(from));
  if (points.at(-1)!.t > to && within.at(-1)?.t !== to && points[0].t < to) within.push(...edge(to));
  return within;
}

/**
 * A way without points that are not farther than `metres` from the line between those kept (D. Douglas and T. Peucker, "Algorithms for the reduction of
 * the number of points", Cartographica 10, 1973). In the plane that touches the globe at the first point: segments are short.
 */
export function simplify(points: readonly TrackPoint[], metres: number): TrackPoint[] {
  if (points.length < 3) return [...points];
  const scale = Math.cos(points[0].lat * RADIANS);
  const x = points.map(({ lon }) => lon * RADIANS * EARTH_RADIUS * scale);
  const y = points.map(({ lat }) => lat * RADIANS * EARTH_RADIUS);
  const keep = new Uint8Array(points.length);
  keep[0] = keep[points.length - 1] = 1;
  const spans = [[0, points.length - 1]];
  for (let span = spans.pop(); span !== undefined; span = spans.pop()) {
    const [from, to] = span;
    let farthest = -1;
    let greatest = metres;
    for (let i = from + 1; i < to; i++) {
      const distance = toLine(x[i] - x[from], y[i] - y[from], x[to] - x[from], y[to] - y[from]);
      if (distance > greatest) {
        greatest = distance;
        farthest = i;
      }
    }
    if (farthest < 0) continue;
    keep[farthest] = 1;
    spans.push([from, farthest], [farthest, to]);
  }
  return points.filter((_, i) => keep[i] === 1);
}

/** From a point to the line from the origin to (dx, dy). */
function toLine(px: number, py: number, dx: number, dy: number): number {
  const length = dx * dx + dy * dy;
  const share = length === 0 ? 0 : Math.min(1, Math.max(0, (px * dx + py * dy) / length));
  return Math.hypot(px - share * dx, py - share * dy);
}
