// The tree in which fences are looked up.
import assert from "node:assert/strict";
import t from "tap";
import type { Standing } from "../../src/actors/fences/catalogue.ts";
import { FenceCells, KEY_LEVEL } from "../../src/actors/fences/cells.ts";
import type { Shape } from "../../src/actors/fences/definition.ts";
import { MAX_FENCE_CELLS } from "../../src/actors/fences/limits.ts";
import { outlineOf } from "../../src/actors/fences/outline.ts";
import { fc } from "../support/seeded.ts";
import { placesNear, placesOf, shapes } from "./shapes.ts";

const rules = { exitBuffer: 0, dwellMs: 0, minReports: 1 };
const standing = (shape: Shape, i: number): Standing => ({
  name: `f${i}`,
  version: 1,
  since: 1,
  sameSince: 1,
  outline: outlineOf(shape),
  rules,
  kinds: undefined,
  isPlain: true,
});

t.test("[FE3] the tree says of each place what testing every fence says", async () => {
  const cases = fc
    .array(shapes, { minLength: 1, maxLength: 25 })
    .chain((some) =>
      fc.tuple(
        fc.constant(some),
        fc.array(placesNear(some.flatMap(placesOf)), { minLength: 1, maxLength: 40 }),
      ),
    );
  fc.assert(
    fc.property(cases, ([some, places]) => {
      const fences = some.map(standing);
      const cells = new FenceCells(fences);
      for (const [lon, lat] of places) {
        const found = cells.at(lon, lat).holding(lon, lat, []);
        const slow = fences.filter(({ outline }) => outline.contains(lon, lat));
        assert.deepEqual(
          found.map(({ name }) => name).sort(),
          slow.map(({ name }) => name).sort(),
          `${lon} ${lat}`,
        );
      }
    }),
    { numRuns: 400 },
  );
});

t.test("[FE3] a place as near to 180° as numbers go is in the east, 180° itself in the west", (t) => {
  const box = (west: number, east: number): Shape => ({
    is: "area",
    polygons: [[[[west, -1], [east, -1], [east, 1], [west, 1], [west, -1]]]], // biome-ignore format: short
  });
  const cells = new FenceCells([box(-180, -179), box(179, 180)].map(standing));
  const at = (lon: number) => cells.at(lon, 0).holding(lon, 0, []).map(({ name }) => name); // biome-ignore format: short
  t.same([at(180 - 2 ** -45), at(180), at(-180), at(-180 + 2 ** -45)], [["f1"], ["f0"], ["f0"], ["f0"]]);
  t.end();
});

t.test("[FE3] few fences are tested where many are", async (t) => {
  const fences = Array.from({ length: 10_000 }, (_, i) => {
    const [x, y] = [i % 100, Math.floor(i / 100)];
    const [lon, lat, east, north] = [10 + x / 100, 50 + y / 100, 10 + (x + 1) / 100, 50 + (y + 1) / 100];
    return standing({ is: "area", polygons: [[[[lon, lat], [east, lat], [east, north], [lon, north], [lon, lat]]]] }, i); // biome-ignore format: short
  });
  const cells = new FenceCells(fences);
  let tested = 0;
  for (let i = 0; i < 5_000; i++) {
    const [lon, lat] = [10 + ((i * 0.618) % 1), 50 + ((i * 0.414) % 1)];
    const cell = cells.at(lon, lat);
    tested += cell.part.length;
    assert.equal(cell.holding(lon, lat, []).length, 1, `${lon} ${lat}`);
  }
  t.ok(tested < 3 * 5_000, `${tested} tests of 5,000 places`);
  t.ok(cells.at(0, 0).isEmpty);
  t.ok(cells.at(0, 0).level < KEY_LEVEL, "the open sea is one cell");
});

t.test("[FE3] the tree is bounded, and right when it is made anew", async (t) => {
  const cells = new FenceCells([standing({ is: "corridor", line: [[0, 0], [100, 60]], radius: 1 }, 0)]); // biome-ignore format: short
  for (let i = 0; i < 30_000; i++) cells.at((i * 0.618) % 100, (i * 0.414) % 60);
  t.ok(cells.size <= MAX_FENCE_CELLS, `${cells.size}`);
  t.ok(cells.madeAnew > 0, "more was made than it may hold");
  const cell = cells.at(50, 30);
  t.same(
    cell.part.map(({ name }) => name),
    ["f0"],
  );
});
