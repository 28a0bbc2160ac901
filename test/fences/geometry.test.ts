// Which places a fence holds, and how far outside the others are.
import assert from "node:assert/strict";
import t from "tap";
import type { Place, Ring, Shape } from "../../src/actors/fences/definition.ts";
import { distanceToEdges, edgesOf } from "../../src/actors/fences/edges.ts";
import { outlineOf } from "../../src/actors/fences/outline.ts";
import { EARTH_RADIUS } from "../../src/picture/sphere.ts";
import { fc } from "../support/seeded.ts";
import { areas, circles, corridors, placesNear, placesOf, slowDistance, slowlyContains } from "./shapes.ts";

const within = (shapes: fc.Arbitrary<Shape>) =>
  shapes.chain((shape) => fc.tuple(fc.constant(shape), placesNear(placesOf(shape))));

/** Of an area, what is exactly on an edge or a corner of it is not asked for: each way to tell has its own answer. */
function isOnEdge(shape: Shape, [lon, lat]: Place): boolean {
  return Math.abs(lon) === 180 || Math.abs(lat) === 90 || slowEdge(shape, [lon, lat]) < 0.001;
}
function slowEdge(shape: Shape, place: Place): number {
  return shape.is === "area" ? distanceToEdges(edgesOf(shape.polygons.flat()), ...place) : Infinity;
}

t.test("[FE2] an area holds what an odd number of rings of one of its polygons enclose", async () => {
  fc.assert(
    fc.property(within(areas), ([shape, place]) => {
      fc.pre(!isOnEdge(shape, place));
      assert.equal(outlineOf(shape).contains(...place), slowlyContains(shape, place));
    }),
    { numRuns: 3_000 },
  );
});

const box = (west: number, south: number, east: number, north: number): Ring => [
  [west, south],
  [east, south],
  [east, north],
  [west, north],
  [west, south],
];
const area = (...rings: Ring[]) => outlineOf({ is: "area", polygons: rings.map((ring) => [ring]) });

t.test("[FE2] areas side by side share no place and leave none out", async (t) => {
  const [a, b, above] = [area(box(0, 0, 1, 1)), area(box(1, 0, 2, 1)), area(box(0, 1, 2, 2))];
  for (const [lon, lat] of [
    [1, 0.5],
    [0.5, 1],
    [1, 1],
    [0, 0],
    [1, 0],
  ] as const)
    t.equal([a, b, above].filter((one) => one.contains(lon, lat)).length, 1, `${lon} ${lat}`);
  const pacific = area(box(170, -10, 180, 10), box(-180, -10, -170, 10));
  for (const lon of [170, 175, 180, -180, -171]) t.ok(pacific.contains(lon, 0), `${lon}`);
  for (const lon of [169.9, -170, 0]) t.notOk(pacific.contains(lon, 0), `${lon}`);
  t.ok(pacific.distance(-169.99, 0) < 1_200, "measured across 180° too");
  const west = area(box(170, -10, 180, 10));
  t.ok(Math.abs(west.distance(-179.99, 0) - 1_112) < 2);
  const cap: Ring = [[-180, 60], [0, 60], [180, 60], [180, 90], [0, 90], [-180, 90], [-180, 60]]; // biome-ignore format: short
  for (const lon of [-180, -90, 0, 180]) t.ok(area(cap).contains(lon, 90), `the pole, at ${lon}`);
  t.notOk(area(cap).contains(0, 59.9));
});

t.test("[FE2] a circle holds what is near by great circles, at poles and across 180° too", async (t) => {
  fc.assert(
    fc.property(within(circles), ([shape, place]) => {
      assert.equal(outlineOf(shape).contains(...place), slowlyContains(shape, place));
    }),
  );
  const pole = outlineOf({ is: "circle", centre: [0, 89.99], radius: 3_000 });
  t.ok(pole.contains(180, 89.99));
  const seam = outlineOf({ is: "circle", centre: [179.99, 0], radius: 3_000 });
  t.ok(seam.contains(-179.99, 0));
  t.ok(Math.abs(seam.distance(-179.96, 0) - (5 * 1_111.95 - 3_000)) < 3);
});

t.test("[FE2] the distance from a line is right within 1 % up to 100 km and 80° of latitude", async () => {
  const lines = fc.oneof(areas, corridors);
  fc.assert(
    fc.property(within(lines), ([shape, place]) => {
      const parts = shape.is === "area" ? shape.polygons.flat() : [placesOf(shape)];
      const found = distanceToEdges(edgesOf(parts), ...place);
      const slow = slowDistance(parts, place);
      assert.ok(found >= slow - Math.max(0.01, slow * 1e-6), `${found} is nearer than ${slow}`);
      if (slow <= 100_000 && Math.abs(place[1]) <= 80)
        assert.ok(found <= slow * 1.01 + 0.01, `${found} is farther than ${slow}`);
    }),
    { numRuns: 300 },
  );
});

t.test("[FE2] the near end of a long edge may be the other way round the globe", async (t) => {
  const degree = (Math.PI / 180) * EARTH_RADIUS;
  for (const [lon, end] of [
    [170, -175],
    [-170, 175],
  ] as const)
    for (const line of [
      [[0, 0], [end, 0]],
      [[end, 0], [0, 0]],
    ] as const) // biome-ignore format: short
      t.ok(Math.abs(distanceToEdges(edgesOf([line]), lon, 0) - 15 * degree) < 1, `${lon}`);
});

t.test("[FE2] a corridor holds what is within its radius of the line", async () => {
  fc.assert(
    fc.property(within(corridors), ([shape, place]) => {
      assert.ok(shape.is === "corridor");
      const slow = slowDistance([shape.line], place);
      fc.pre(Math.abs(place[1]) <= 80 && Math.abs(slow / shape.radius - 1) > 0.01);
      assert.equal(outlineOf(shape).contains(...place), slow <= shape.radius);
    }),
    { numRuns: 300 },
  );
});
