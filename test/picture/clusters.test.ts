import assert from "node:assert/strict";
import t from "tap";
import { MAX_CLUSTER_CELLS } from "../../src/limits.ts";
import { Channels } from "../../src/picture/channels.ts";
import { Clusters, clusterLevel } from "../../src/picture/clusters.ts";
import { type Box, coverOf, covers } from "../../src/picture/cover.ts";
import { everything } from "../../src/picture/lens.ts";
import { keyX, keyY, mortonKey } from "../../src/picture/morton.ts";
import { Picture } from "../../src/picture/picture.ts";
import { fc } from "../support/seeded.ts";
import { boxes, places } from "./places.ts";

t.test("[P19] clusters are what counting says, at every level, for every cover", async () => {
  fc.assert(
    fc.property(fc.array(places, { maxLength: 60 }), boxes, fc.nat(16), (list, box, level) => {
      const picture = new Picture();
      const channels = new Channels(picture);
      for (const [i, [lon, lat]] of list.entries()) picture.place(picture.add(`e${i}`, 0), lon, lat);
      channels.merge();
      const clusters = new Clusters();
      clusters.refresh(channels.open({ lens: everything, rate: 10, tolerance: undefined }, 0, 0), 0);
      const cover = coverOf(box);
      const keys = list.map(([lon, lat]) => mortonKey(lon, lat));
      assert.equal(clusters.count(cover), keys.filter((key) => covers(cover, key)).length);
      const size = 4 ** (16 - level);
      const cellOf = (key: number) => Math.floor(key / size);
      const wanted = new Map<number, number[]>();
      for (const key of keys) wanted.set(cellOf(key), [...(wanted.get(cellOf(key)) ?? []), key]);
      const isTouched = (cell: number) => {
        for (let i = 0; i < cover.length; i += 2)
          if (cellOf(cover[i]) <= cell && cell <= cellOf(cover[i + 1])) return true;
        return false;
      };
      const expected = [...wanted]
        .filter(([cell]) => isTouched(cell))
        .sort(([a], [b]) => a - b)
        .map(([, keys]) => {
          const mean = (of: (key: number) => number) =>
            keys.reduce((sum, key) => sum + of(key), 0) / keys.length;
          return { x: mean(keyX), y: mean(keyY), count: keys.length };
        });
      const found: typeof expected = [];
      clusters.forEach(level, cover, (lon, lat, count) => {
        found.push({ x: ((lon + 180) / 360) * 65_536 - 0.5, y: ((lat + 90) / 180) * 65_536 - 0.5, count });
      });
      assert.equal(found.length, expected.length);
      for (const [i, cell] of found.entries()) {
        assert.equal(cell.count, expected[i].count);
        assert.ok(Math.abs(cell.x - expected[i].x) < 0.02 && Math.abs(cell.y - expected[i].y) < 0.02);
      }
    }),
    { numRuns: 300 },
  );
});

t.test("[P19] a level has no more cells than a frame has room for, for boxes of any shape", async (t) => {
  const edge = fc.double({ min: -180, max: 180, noNaN: true });
  const size = fc.oneof(
    fc.double({ min: 0, max: 360, noNaN: true }),
    fc.double({ min: 0, max: 0.2, noNaN: true }),
  );
  const shapes = fc.tuple(edge, edge, size, size).map(([west, south, width, height]): Box => {
    const low = south / 2;
    return [west, low, Math.min(180, west + width), Math.min(90, low + height)];
  });
  const touched = (box: Box, level: number) => {
    const keys = 4 ** (16 - level);
    const cells = new Set<number>();
    const cover = coverOf(box);
    for (let i = 0; i < cover.length; i += 2)
      for (let cell = Math.floor(cover[i] / keys); cell <= cover[i + 1] / keys; cell++) {
        cells.add(cell);
        if (cells.size > MAX_CLUSTER_CELLS) return cells.size;
      }
    return cells.size;
  };
  fc.assert(
    fc.property(fc.oneof(boxes, shapes), (box) => {
      const level = clusterLevel(coverOf(box));
      assert.ok(touched(box, level) <= MAX_CLUSTER_CELLS);
      assert.ok(level === 16 || touched(box, level + 1) > MAX_CLUSTER_CELLS, "and it is the finest such");
    }),
    { numRuns: 2_000 },
  );
  t.equal(clusterLevel(coverOf([-180, -90, 180, 90])), 4);
  t.equal(clusterLevel(coverOf([10, 50, 10, 50])), 16);
});
