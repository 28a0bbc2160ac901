/** Random shapes and places near them, and slow ways to tell what is inside. */
import type { Place, Shape } from "../../src/actors/fences/definition.ts";
import { distance } from "../../src/picture/sphere.ts";
import { fc } from "../support/seeded.ts";

const number = (min: number, max: number) => fc.double({ min, max, noNaN: true });

/** Rings of any form within so many degrees of a place, also such as cross themselves. */
function ringNear([lon, lat]: Place, size: number): fc.Arbitrary<Place[]> {
  return fc
    .array(fc.tuple(number(-size, size), number(-size, size)), { minLength: 3, maxLength: 12 })
    .map((corners) => {
      const ring = corners.map(([x, y]): Place => [clamp(lon + x, 180), clamp(lat + y, 90)]);
      return [...ring, ring[0]!];
    });
}

export const centres: fc.Arbitrary<Place> = fc.oneof(
  fc.tuple(number(-180, 180), number(-80, 80)),
  fc.tuple(number(9, 11), number(49, 51)),
  fc.constantFrom<Place>([180, 0], [-180, 0], [179.9, 60], [0, 90], [0, -90], [0, 0]),
);
const sizes = fc.constantFrom(0.001, 0.05, 1, 20);

export const areas: fc.Arbitrary<Shape> = fc
  .tuple(centres, sizes)
  .chain(([centre, size]) =>
    fc
      .array(fc.array(ringNear(centre, size), { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 2 })
      .map((polygons) => ({ is: "area", polygons })),
  );
export const circles: fc.Arbitrary<Shape> = fc.record({
  is: fc.constant("circle" as const),
  centre: centres,
  radius: fc.constantFrom(10, 3_000, 1_000_000),
});
export const corridors: fc.Arbitrary<Shape> = fc.tuple(centres, sizes).chain(([centre, size]) =>
  fc.record({
    is: fc.constant("corridor" as const),
    line: ringNear(centre, size),
    radius: fc.constantFrom(10, 3_000, 100_000),
  }),
);
export const shapes = fc.oneof(areas, circles, corridors);

/** Places anywhere, and near the given ones, on both sides of ±180° and of a pole. */
export function placesNear(near: readonly Place[]): fc.Arbitrary<Place> {
  return fc.oneof(
    { weight: 1, arbitrary: centres },
    {
      weight: 6,
      arbitrary: fc
        .tuple(fc.constantFrom(...near), fc.constantFrom(0.0001, 0.05, 2), number(-1, 1), number(-1, 1))
        .map(([[lon, lat], size, x, y]): Place => [wrap(lon + x * size), clamp(lat + y * size, 90)]),
    },
  );
}

export function placesOf(shape: Shape): readonly Place[] {
  if (shape.is === "circle") return [shape.centre];
  return shape.is === "corridor" ? shape.line : shape.polygons.flat(2);
}

/** As `Outline.contains`, slowly: of an area by a ray to the north, of a corridor by a row of places along its line. */
export function slowlyContains(shape: Shape, [lon, lat]: Place): boolean {
  switch (shape.is) {
    case "circle":
      return distance(lon, lat, ...shape.centre) <= shape.radius;
    case "corridor":
      return slowDistance([shape.line], [lon, lat]) <= shape.radius;
    case "area":
      return shape.polygons.some(
        (rings) => rings.reduce((count, ring) => count + crossings(ring, lon, lat), 0) % 2 === 1,
      );
    default:
      return shape satisfies never;
  }
}

function crossings(ring: readonly Place[], lon: number, lat: number): number {
  let count = 0;
  for (let i = 1; i < ring.length; i++) {
    const [x1, y1] = ring[i - 1]!;
    const [x2, y2] = ring[i]!;
    if (x1 > lon === x2 > lon) continue;
    if (y1 + ((lon - x1) / (x2 - x1)) * (y2 - y1) > lat) count += 1;
  }
  return count;
}

const SAMPLES = 2_000;

/** Metres to the nearest of many places on lines that are straight in degrees; at most half the distance of two of them too far. */
export function slowDistance(lines: readonly (readonly Place[])[], [lon, lat]: Place): number {
  let nearest = Infinity;
  for (const line of lines)
    for (let i = 1; i < line.length; i++) {
      const [x1, y1] = line[i - 1]!;
      const [x2, y2] = line[i]!;
      const at = (share: number) => distance(lon, lat, x1 + (x2 - x1) * share, y1 + (y2 - y1) * share);
      let best = 0;
      for (let k = 0; k <= SAMPLES; k++) if (at(k / SAMPLES) < at(best)) best = k / SAMPLES;
      for (let step = 1 / SAMPLES; step > 1e-9; step /= 2)
        for (const share of [best - step, best + step])
          if (share >= 0 && share <= 1 && at(share) < at(best)) best = share;
      nearest = Math.min(nearest, at(best));
    }
  return nearest;
}

function clamp(value: number, most: number): number {
  return Math.min(most, Math.max(-most, value));
}

function wrap(lon: number): number {
  return lon > 180 ? lon - 360 : lon < -180 ? lon + 360 : lon;
}
