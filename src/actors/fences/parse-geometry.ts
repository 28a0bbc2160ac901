/**
 * From the geometry of a GeoJSON feature to a shape. As RFC 7946 says: an edge is straight in degrees, so one of more than 180° of longitude is refused,
 * and an area across the antimeridian is cut there into a MultiPolygon. Inside is what is enclosed by an odd number of rings of a polygon: rings may turn either way.
 * That edges cross is not looked for here, for what is stored may have some: see `crossing-edges.ts`. The third number of a position, its height, is left out: `floor` and `ceiling` say what counts.
 */
import { member } from "../machine/definition-members.ts";
import { isObject } from "../messages.ts";
import type { Place, Ring, Shape } from "./definition.ts";
import { FenceError } from "./errors.ts";
import { MAX_CIRCLE_RADIUS, MAX_CORRIDOR_RADIUS, MAX_FENCE_POINTS } from "./limits.ts";
import { members, number } from "./members.ts";

/** Twice the area of a triangle that is a line, square degrees: some 0.01 m². */
const FLAT = 1e-12;
const SHORTEST_RING = 4;

const SHAPES = "Polygon, MultiPolygon, and with a `radius` Point and LineString";
const OTHERS = ["MultiPoint", "MultiLineString", "GeometryCollection"];

/**
 * @param radius as it was written, absent if it was not.
 * @throws FenceError
 */
export function parseGeometry(value: unknown, radius: unknown): { shape: Shape; points: number } {
  const reader = new PlacesReader();
  const shape = parseShape(value, radius, reader);
  return { shape, points: reader.points };
}

function parseShape(value: unknown, radius: unknown, reader: PlacesReader): Shape {
  const at = "/geometry";
  if (!isObject(value)) throw new FenceError("wrong-type", at, `a fence is one of ${SHAPES}`);
  members(value, at, ["type", "coordinates"]);
  const type = member(value, "type");
  const coordinates = member(value, "coordinates");
  const inside = `${at}/coordinates`;
  switch (type) {
    case "Polygon":
      noRadius(radius);
      return { is: "area", polygons: [reader.polygon(coordinates, inside)] };
    case "MultiPolygon":
      noRadius(radius);
      return {
        is: "area",
        polygons: list(coordinates, inside).map((one, i) => reader.polygon(one, `${inside}/${i}`)),
      };
    case "Point":
      return {
        is: "circle",
        centre: reader.place(coordinates, inside),
        radius: parseRadius(radius, MAX_CIRCLE_RADIUS),
      };
    case "LineString":
      return {
        is: "corridor",
        line: reader.line(coordinates, inside),
        radius: parseRadius(radius, MAX_CORRIDOR_RADIUS),
      };
    default:
      if (typeof type === "string" && OTHERS.includes(type))
        throw new FenceError("not-supported", `${at}/type`, `a fence is one of ${SHAPES}`);
      throw new FenceError("wrong-type", `${at}/type`, `a fence is one of ${SHAPES}`);
  }
}

const RADIUS = "/properties/radius";

function noRadius(radius: unknown): void {
  if (radius !== undefined)
    throw new FenceError("unknown-member", RADIUS, "only a Point or a LineString has a radius");
}

function parseRadius(radius: unknown, most: number): number {
  if (radius === undefined)
    throw new FenceError("wrong-type", RADIUS, "a Point or a LineString needs a radius, in metres");
  const metres = number(radius, RADIUS, 0, most);
  if (metres === 0) throw new FenceError("out-of-range", RADIUS, "a radius is greater than 0 m");
  return metres;
}

class PlacesReader {
  points = 0;

  polygon(value: unknown, at: string): Ring[] {
    return list(value, at).map((ring, i) => this.#ring(ring, `${at}/${i}`));
  }

  line(value: unknown, at: string): Place[] {
    const line = this.#places(value, at);
    if (line.every((place) => isSame(place, line[0]!)))
      throw new FenceError("degenerate", at, "a line has two different places at least");
    return line;
  }

  /** @param index of it in the list at `at`; absent = it is there itself. */
  place(value: unknown, at: string, index?: number): Place {
    if (++this.points > MAX_FENCE_POINTS)
      throw new FenceError(
        "too-many-points",
        below(at, index),
        `a fence has at most ${MAX_FENCE_POINTS} points`,
      );
    const [lon, lat, height] = Array.isArray(value) && value.length <= 3 ? value : [];
    const isPlace =
      typeof lon === "number" &&
      typeof lat === "number" &&
      Math.abs(lon) <= 180 &&
      Math.abs(lat) <= 90 &&
      (height === undefined || Number.isFinite(height));
    if (!isPlace)
      throw new FenceError(
        "bad-place",
        below(at, index),
        "a position is [longitude, latitude] in degrees, within ±180 and ±90",
      );
    return [lon, lat];
  }

  #ring(value: unknown, at: string): Ring {
    const ring = this.#places(value, at);
    if (ring.length < SHORTEST_RING)
      throw new FenceError(
        "bad-ring",
        at,
        `a ring has ${SHORTEST_RING} positions at least, the last as the first`,
      );
    if (!isSame(ring[0]!, ring.at(-1)!))
      throw new FenceError(
        "bad-ring",
        `${at}/${ring.length - 1}`,
        "the last position of a ring is as its first",
      );
    if (isFlat(ring)) throw new FenceError("degenerate", at, "all positions of the ring are on one line");
    return ring;
  }

  #places(value: unknown, at: string): Place[] {
    const places = list(value, at).map((one, i) => this.place(one, at, i));
    places.forEach(([lon], i) => {
      if (i > 0 && Math.abs(lon - places[i - 1]![0]) > 180)
        throw new FenceError(
          "long-edge",
          `${at}/${i}`,
          "an edge spans more than 180° of longitude: put a place between, or cut the fence at ±180° (RFC 7946, 3.1.9)",
        );
    });
    return places;
  }
}

/** Made of what is wrong only: there are 10,000 points, and as many pointers take longer than all else. */
function below(at: string, index: number | undefined): string {
  return index === undefined ? at : `${at}/${index}`;
}

function list(value: unknown, at: string): unknown[] {
  if (!Array.isArray(value) || value.length === 0)
    throw new FenceError("wrong-type", at, "a list that is not empty is needed here");
  return value;
}

function isSame(a: Place, b: Place): boolean {
  return a[0] === b[0] && a[1] === b[1];
}

function isFlat(ring: Ring): boolean {
  const [x, y] = ring[0]!;
  let far = ring[0]!;
  let farthest = 0;
  for (const place of ring) {
    const squared = (place[0] - x) ** 2 + (place[1] - y) ** 2;
    if (squared <= farthest) continue;
    far = place;
    farthest = squared;
  }
  return ring.every(([lon, lat]) => Math.abs((far[0] - x) * (lat - y) - (far[1] - y) * (lon - x)) < FLAT);
}
