import { setImmediate as turn } from "node:timers/promises";
import t from "tap";
import { watchFences } from "../../web/fence-watch.ts";
import { type FenceFeature, outlinesOf } from "../../web/fences.ts";

t.test("[W19] fences are drawn by their shape, at their true size", async (t) => {
  const ring = (lon: number): [number, number][] => [
    [lon, 0],
    [lon + 1, 0],
    [lon, 1],
    [lon, 0],
  ];
  const line: [number, number][] = [
    [1, 2],
    [3, 4],
  ];
  const fence = (geometry: FenceFeature["geometry"], radius?: number): FenceFeature => ({
    id: geometry.type,
    geometry,
    properties: radius === undefined ? null : { radius },
  });
  const fences = [
    fence({ type: "Polygon", coordinates: [ring(0), ring(10)] }),
    fence({ type: "MultiPolygon", coordinates: [[ring(20)], [ring(30), ring(40)]] }),
    fence({ type: "Point", coordinates: [1, 2] }, 500),
    fence({ type: "LineString", coordinates: line }, 20),
  ];
  t.strictSame(outlinesOf(fences), {
    rings: [0, 10, 20, 30, 40].map(ring),
    circles: [{ centre: [1, 2], radius: 500 }],
    corridors: [{ line, radius: 20 }],
  });
});

t.test(
  "[W19] fences are asked for each 30 s, and drawn if they are others; an answer that was overtaken is not",
  async (t) => {
    const at = (lon: number): FenceFeature => ({
      id: String(lon),
      geometry: { type: "Point", coordinates: [lon, 0] },
      properties: { radius: 1 },
    });
    const answers: ((fences: FenceFeature[]) => void)[] = [];
    const shown: string[][] = [];
    let isSeen = true;
    let timer = { ms: Infinity, run: () => {} };
    const look = watchFences({
      ask: () => new Promise((resolve) => answers.push(resolve)),
      show: (fences) => shown.push(fences.map(({ id }) => id)),
      isSeen: () => isSeen,
      every: (ms, run) => {
        timer = { ms, run };
      },
    });
    t.equal(timer.ms, 30_000);
    const answer = async (...fences: FenceFeature[]) => {
      answers.shift()!(fences);
      await turn();
    };
    await answer();
    t.same(shown, [], "there are none");
    timer.run();
    await answer(at(1));
    timer.run();
    await answer(at(1));
    t.same(shown, [["1"]], "drawn once");
    look();
    timer.run();
    const [first, second] = [answers.shift()!, answers.shift()!];
    second([at(3)]);
    first([at(2)]);
    await turn();
    t.same(shown.slice(1), [["3"]]);
    timer.run();
    await answer();
    t.same(shown.slice(2), [[]], "removed");
    isSeen = false;
    timer.run();
    t.same(answers, [], "nobody sees them");
  },
);
