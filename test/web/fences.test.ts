import { setImmediate as turn } from "node:timers/promises";
import t from "tap";
import { type FenceList, watchFences } from "../../web/fence-watch.ts";
import { type FenceFeature, fencesAt, outlinesOf } from "../../web/fences.ts";

type Geometry = FenceFeature["geometry"];
const MADE = "2024-06-06T08:00:00.000Z";
const fence = (id: string, geometry: Geometry, properties: FenceFeature["properties"]): FenceFeature => ({
  ...{ id, version: 1, changedAt: MADE, geometry, properties },
});
const ring = (lon: number): [number, number][] => [
  [lon, 0],
  [lon + 1, 0],
  [lon, 1],
  [lon, 0],
];

t.test("[W19] fences are drawn by their shape, at their true size", async (t) => {
  const line: [number, number][] = [
    [1, 2],
    [3, 4],
  ];
  const fences = [
    fence("a", { type: "Polygon", coordinates: [ring(0), ring(10)] }, null),
    fence("b", { type: "MultiPolygon", coordinates: [[ring(20)], [ring(30), ring(40)]] }, { title: " " }),
    fence("c", { type: "Point", coordinates: [1, 2] }, { radius: 500, title: "Harbour" }),
    fence("d", { type: "LineString", coordinates: line }, { radius: 20 }),
  ];
  const { rings, circles, corridors } = outlinesOf(fences);
  t.strictSame(
    rings.map(({ name, ring }) => [name, ring]),
    [
      ["a", ring(0)],
      ["a", ring(10)],
      ["b", ring(20)],
      ["b", ring(30)],
      ["b", ring(40)],
    ],
  );
  t.strictSame(circles, [{ name: "Harbour", centre: [1, 2], radius: 500 }]);
  t.strictSame(corridors, [{ name: "d", line, radius: 20 }]);
});

t.test("[W26] a fence has its name above it once it is wide enough on the map", async (t) => {
  const circle = (id: string, radius: number) =>
    fence(id, { type: "Point", coordinates: [10, 0] }, { radius, title: id });
  const { labelsAt } = outlinesOf([
    circle("small", 500),
    fence("area", { type: "Polygon", coordinates: [ring(0)] }, null),
    circle("large", 50_000),
  ]);
  const names = (zoom: number) =>
    labelsAt(zoom)
      .map(({ name }) => name)
      .sort();
  t.strictSame([1, 5.5, 12].map(names), [[], ["area", "large"], ["area", "large", "small"]]);
  t.equal(labelsAt(5.6), labelsAt(5.5), "nothing is laid out anew while they are the same");
  t.strictSame(labelsAt(5.5).find(({ name }) => name === "area")?.place, [0, 1], "its northernmost place");
  const [, north] = labelsAt(5.5).find(({ name }) => name === "large")!.place;
  t.ok(Math.abs(north - 0.449) < 0.001, `${north}`);
});

t.test("[W26] a fence that is cut at 180° has its name over itself", async (t) => {
  const ring = (west: number, east: number) => [
    [west, -17],
    [east, -17],
    [east, -16],
    [west, -16],
    [west, -17],
  ];
  const coordinates = [[ring(178, 180)], [ring(-180, -177)]] as [number, number][][][];
  const cut = fence("fiji", { type: "MultiPolygon", coordinates }, {});
  const [label] = outlinesOf([cut]).labelsAt(30);
  t.same(label!.place, [-179.5, -16]);
  t.ok(label!.minZoom > 0, "it is 5° wide, not 360°");
});

t.test("[W26] what was shows no fence that was made later", async (t) => {
  const made = Date.parse(MADE);
  const one = fence("a", { type: "Point", coordinates: [1, 2] }, { radius: 1 });
  const changed = { ...one, id: "b", version: 2 };
  const at = (time?: number) => fencesAt([one, changed], time).map(({ id }) => id);
  t.strictSame([at(), at(made), at(made - 1)], [["a", "b"], ["a", "b"], ["b"]]);
});

t.test(
  "[W19] fences are asked for each 5 s, and drawn if they are others; an answer that was overtaken is not",
  async (t) => {
    const at = (lon: number) => fence(String(lon), { type: "Point", coordinates: [lon, 0] }, { radius: 1 });
    const answers: ((list: FenceList | undefined) => void)[] = [];
    const known: (string | null)[] = [];
    const shown: string[][] = [];
    let isSeen = true;
    let timer = { ms: Infinity, run: () => {} };
    const look = watchFences({
      ask: (tag) => {
        known.push(tag);
        return new Promise((resolve) => answers.push(resolve));
      },
      show: (fences) => shown.push(fences.map(({ id }) => id)),
      isSeen: () => isSeen,
      every: (ms, run) => {
        timer = { ms, run };
      },
    });
    t.equal(timer.ms, 5_000);
    const answer = async (tag: string, ...fences: FenceFeature[]) => {
      answers.shift()!({ tag, fences });
      await turn();
    };
    await answer("none");
    timer.run();
    await answer("one", at(1));
    timer.run();
    answers.shift()!(undefined);
    await turn();
    t.same(shown, [[], ["1"]], "drawn once");
    t.same(known, [null, "none", "one"]);
    timer.run();
    timer.run();
    t.equal(answers.length, 1, "not while an answer is under way");
    look();
    const [first, second] = [answers.shift()!, answers.shift()!];
    second({ tag: "three", fences: [at(3)] });
    first({ tag: "two", fences: [at(2)] });
    await turn();
    t.same(shown.slice(2), [["3"]]);
    timer.run();
    await answer("none");
    t.same(shown.slice(3), [[]], "removed");
    isSeen = false;
    timer.run();
    t.same(answers, [], "nobody sees them");
  },
);
