import t from "tap";
import { MAX_COVER_CELLS } from "../../src/limits.ts";
import {
  type Box,
  type Cover,
  coverBefore,
  coverBoxes,
  coverDifference,
  coverIntersection,
  coverOf,
  coverSize,
  covers,
  coverUnion,
  EVERYWHERE,
  NOTHING,
} from "../../src/picture/cover.ts";
import { cellX, cellY, interleave, keyX, keyY, mortonKey } from "../../src/picture/morton.ts";
import { isWithin } from "../../src/picture/query.ts";
import { fc } from "../support/seeded.ts";
import { boxes, places } from "./places.ts";

t.test("[P1] keys interleave columns and rows; 180° is −180°; what is off the grid is clamped", async (t) => {
  const table: [lon: number, lat: number, key: number][] = [
    [-180, -90, 0],
    [180, -90, 0],
    [-180, 90, interleave(0, 65_535)],
    [179.999999, 90, 0xffffffff],
    [0, 0, interleave(32_768, 32_768)],
    [-1e-9, -1e-9, interleave(32_767, 32_767)],
    [500, -500, interleave(65_535, 0)],
    [-180 + 360 / 65_536, -90, 1],
    [-180, -90 + 180 / 65_536, 2],
  ];
  for (const [lon, lat, key] of table) t.equal(mortonKey(lon, lat), key, `${lon}, ${lat}`);
  fc.assert(
    fc.property(fc.nat(65_535), fc.nat(65_535), (x, y) => {
      const key = interleave(x, y);
      return keyX(key) === x && keyY(key) === y && key >= 0 && key <= 0xffffffff;
    }),
  );
});

/** Ranges ascend, and neither overlap nor touch. */
function isTidy(cover: Cover): boolean {
  for (let i = 0; i < cover.length; i += 2) {
    if (cover[i] > cover[i + 1]) return false;
    if (i > 0 && cover[i] <= cover[i - 1] + 1) return false;
  }
  return true;
}

t.test("[P2] a cover contains its box, in few merged ranges, wherever the box is", async (t) => {
  const table: [name: string, box: Box, cells: number][] = [
    ["the world", [-180, -90, 180, 90], 1],
    ["nothing but a point", [10, 50, 10, 50], 1],
    ["the south pole", [-180, -90, -180, -90], 1],
    ["the north pole, all round", [-180, 90, 180, 90], 16],
    ["a point on 180°", [180, 0, 180, 0], 1],
    ["from 180° to 180°", [180, 0, -180, 0], 1],
    ["a quarter", [-180, -90, -90.01, -45.01], 1],
    ["across 180°", [170, -10, -170, 10], 16],
    ["up to 180°", [170, -10, 180, 10], 16],
    ["all but a slit", [0.001, -90, 0, 90], 1],
  ];
  for (const [name, box, cells] of table) {
    const cover = coverOf(box);
    t.ok(isTidy(cover), name);
    t.ok(coverBoxes(cover).length <= cells, `${name}: ${coverBoxes(cover).length} cells`);
    for (const lon of [box[0], box[2]])
      for (const lat of [box[1], box[3]]) t.ok(covers(cover, mortonKey(lon, lat)), `${name}: ${lon}, ${lat}`);
  }
  fc.assert(
    fc.property(boxes, places, (box, [lon, lat]) => {
      const cover = coverOf(box);
      return (
        isTidy(cover) &&
        coverBoxes(cover).length <= MAX_COVER_CELLS &&
        (!isWithin(lon, lat, box) || covers(cover, mortonKey(lon, lat)))
      );
    }),
    { numRuns: 2_000 },
  );
});

t.test("[P2] a cover holds little more than its box", async (t) => {
  const ratios: number[] = [];
  for (let i = 0; i < 300; i++) {
    const west = -170 + ((i * 0.7919) % 150);
    const south = -80 + ((i * 1.2345) % 120);
    const size = 0.2 + (i % 7);
    const [x0, x1] = [cellX(west), cellX(west + 1.5 * size)];
    const [y0, y1] = [cellY(south), cellY(south + size)];
    const cover = coverOf([west, south, west + 1.5 * size, south + size]);
    ratios.push(coverSize(cover) / ((x1 - x0 + 1) * (y1 - y0 + 1)));
  }
  ratios.sort((a, b) => a - b);
  t.ok(ratios[150] < 1.7, `median ${ratios[150]}`);
  t.ok(ratios[299] < 4, `worst ${ratios[299]}`);
});

t.test("[P2] more cells make a tighter cover", async (t) => {
  const box: Box = [24.1, 59.3, 25.7, 60.2];
  t.ok(coverSize(coverOf(box, 48)) < coverSize(coverOf(box, 16)));
  t.ok(coverSize(coverOf(box, 16)) < coverSize(coverOf(box, 4)));
});

t.test("[P3] the boxes of a cover are exactly its keys", async () => {
  fc.assert(
    fc.property(boxes, places, (box, [lon, lat]) => {
      const cover = coverOf(box);
      // Of a cell, its west and south edges belong to it.
      const x = cellX(lon);
      const y = cellY(lat);
      const corner: [number, number] = [(x / 65_536) * 360 - 180, (y / 65_536) * 180 - 90];
      const isInBox = coverBoxes(cover).some(
        ([west, south, east, north]) =>
          corner[0] >= west && corner[0] < east && corner[1] >= south && corner[1] < north,
      );
      return isInBox === covers(cover, interleave(x, y));
    }),
    { numRuns: 1_000 },
  );
});

/** Covers of a few keys, so that their edges meet. */
const smallCovers = fc
  .uniqueArray(fc.constantFrom(0, 1, 2, 3, 5, 6, 9, 0xfffffffd, 0xfffffffe, 0xffffffff))
  .map((keys) => {
    let cover = NOTHING;
    for (const key of keys) cover = coverUnion(cover, Uint32Array.of(key, key));
    return cover;
  });
const EDGES = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0xfffffffc, 0xfffffffd, 0xfffffffe, 0xffffffff];

t.test("[P4] difference, intersection and union of covers hold exactly the keys they should", async (t) => {
  fc.assert(
    fc.property(smallCovers, smallCovers, fc.constantFrom(...EDGES, 2 ** 32), (a, b, end) => {
      const both = coverIntersection(a, b);
      const either = coverUnion(a, b);
      const onlyA = coverDifference(a, b);
      const before = coverBefore(a, end);
      return (
        [both, either, onlyA, before].every(isTidy) &&
        EDGES.every(
          (key) =>
            covers(both, key) === (covers(a, key) && covers(b, key)) &&
            covers(either, key) === (covers(a, key) || covers(b, key)) &&
            covers(onlyA, key) === (covers(a, key) && !covers(b, key)) &&
            covers(before, key) === (covers(a, key) && key < end),
        )
      );
    }),
    { numRuns: 2_000 },
  );
  t.same(coverDifference(EVERYWHERE, EVERYWHERE), NOTHING);
  t.same(coverDifference(EVERYWHERE, NOTHING), EVERYWHERE);
});
