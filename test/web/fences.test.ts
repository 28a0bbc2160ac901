import t from "tap";
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
