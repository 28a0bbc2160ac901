/**
 * Edges of one polygon that cross: most often places in the wrong order, of which nobody knows what they were to enclose. Edges may touch, at places and along
 * each other, as holes do that reach the outline. It is for what is written now: fences that were taken before this was looked for go on as they are.
 */
import type { Place, Ring, Shape } from "./definition.ts";
import { type Edges, edgesOf } from "./edges.ts";
import { FenceError } from "./errors.ts";

/** Degrees, some 0.1 m: places that are rounded to 6 digits lie on an edge no better than so. */
const TOUCH = 1e-6;
/** Pairs of edges that are compared in one go: 1 ms or so. */
const PAIRS = 100_000;

/**
 * Looks for edges of a shape that cross, of all rings of a polygon. Yields each millisecond or so: an outline of 10,000 places takes 5 ms,
 * but edges that all run slantwise across the whole polygon are compared each with each, which takes 0.3 s.
 * @param isMulti whether it was written as a MultiPolygon: its places have another address then.
 * @throws FenceError
 */
export function* refuseCrossings(shape: Shape, isMulti: boolean): Generator<void, void> {
  if (shape.is !== "area") return;
  for (const [i, rings] of shape.polygons.entries()) {
    const edges = edgesOf(rings);
    const found = yield* crossing(edges);
    if (found === undefined) continue;
    const at = isMulti ? `/geometry/coordinates/${i}` : "/geometry/coordinates";
    const [first, second] = found.map((edge) => ({ path: `${at}/${addressOf(rings, edge)}`, edge }));
    throw new FenceError(
      "crossing-edges",
      second!.path,
      `the edge ${written(edges, second!.edge)} crosses the edge ${written(edges, first!.edge)}, which begins at ${first!.path}; the places of a ring follow each other around it`,
    );
  }
}

/** @returns the numbers of two edges, the smaller first. */
function* crossing(edges: Edges): Generator<void, [number, number] | undefined> {
  const axis = sweptAxis(edges);
  const count = edges.length / 4;
  const low = new Float64Array(count);
  const high = new Float64Array(count);
  for (let edge = 0; edge < count; edge++) {
    low[edge] = Math.min(edges[4 * edge + axis]!, edges[4 * edge + 2 + axis]!);
    high[edge] = Math.max(edges[4 * edge + axis]!, edges[4 * edge + 2 + axis]!);
  }
  const order = Uint32Array.from(low.keys()).sort((a, b) => low[a]! - low[b]!);
  let left = PAIRS;
  for (let i = 0; i < count; i++) {
    const one = order[i]!;
    for (let j = i + 1; j < count; j++) {
      const other = order[j]!;
      if (low[other]! > high[one]!) break;
      if (cross(edges, 4 * one, 4 * other)) return one < other ? [one, other] : [other, one];
      if (--left > 0) continue;
      left = PAIRS;
      yield;
    }
  }
  return undefined;
}

/** The one along which edges are shorter, as parts of the whole: fewer of them are beside each other then. 0 = longitude. */
function sweptAxis(edges: Edges): 0 | 1 {
  const share = [0, 1].map((axis) => {
    let [low, high, sum] = [Infinity, -Infinity, 0];
    for (let at = axis; at < edges.length; at += 4) {
      low = Math.min(low, edges[at]!);
      high = Math.max(high, edges[at]!);
      sum += Math.abs(edges[at + 2]! - edges[at]!);
    }
    return sum / (high - low);
  });
  return share[0]! <= share[1]! ? 0 : 1;
}

/** @param a where the one begins among the numbers. */
function cross(edges: Edges, a: number, b: number): boolean {
  return areApart(edges, a, b) && areApart(edges, b, a);
}

/** Whether the line of an edge has the ends of another one on either side, both farther than a touch. */
function areApart(edges: Edges, line: number, edge: number): boolean {
  const x = edges[line]!;
  const y = edges[line + 1]!;
  const dx = edges[line + 2]! - x;
  const dy = edges[line + 3]! - y;
  const one = dx * (edges[edge + 1]! - y) - dy * (edges[edge]! - x);
  const other = dx * (edges[edge + 3]! - y) - dy * (edges[edge + 2]! - x);
  if (one > 0 === other > 0) return false;
  return Math.min(Math.abs(one), Math.abs(other)) > TOUCH * Math.sqrt(dx * dx + dy * dy);
}

/** Ring and place where an edge begins, as a JSON pointer has them. */
function addressOf(rings: readonly Ring[], edge: number): string {
  let left = edge;
  let ring = 0;
  for (; left >= rings[ring]!.length - 1; ring++) left -= rings[ring]!.length - 1;
  return `${ring}/${left}`;
}

function written(edges: Edges, edge: number): string {
  const place = (at: number): Place => [edges[at]!, edges[at + 1]!];
  return `from ${JSON.stringify(place(4 * edge))} to ${JSON.stringify(place(4 * edge + 2))}`;
}
