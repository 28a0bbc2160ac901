import t from "tap";
import { clip } from "../../src/tracks/thin.ts";

const way = [0, 100, 200, 260, 400].map((lon, i) => ({
  ...{ t: 1_000 * i, lon, lat: 10 * i, alt: NaN, speed: NaN, course: NaN },
}));
const placesOf = (from: number, to: number) => clip(way, from, to).map(({ t, lon, lat }) => [t, lon, lat]);

t.test("[TR33] a part of a way around the globe begins and ends on the way", async (t) => {
  t.same(placesOf(0, 2_500), [
    [0, 0, 0],
    [1_000, 100, 10],
    [2_000, 200, 20],
    [2_500, 230, 25],
  ]);
  t.same(placesOf(2_500, 3_500), [
    [2_500, 230, 25],
    [3_000, 260, 30],
    [3_500, 330, 35],
  ]);
  t.same(placesOf(2_250, 2_750), [
    [2_250, 215, 22.5],
    [2_750, 245, 27.5],
  ]);
  t.same(placesOf(500, 3_000)[0], [500, 50, 5]);
});
