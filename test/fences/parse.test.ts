// Fences as they are written, and what is refused.
import t from "tap";
import { refuseCrossings } from "../../src/actors/fences/crossing-edges.ts";
import { FENCE_ERRORS, FenceError } from "../../src/actors/fences/errors.ts";
import { MAX_FENCE_KINDS, MAX_FENCE_POINTS } from "../../src/actors/fences/limits.ts";
import { parseFence } from "../../src/actors/fences/parse.ts";

const SQUARE = [
  [0, 0],
  [1, 0],
  [1, 1],
  [0, 1],
  [0, 0],
];
const BOW = [0, 1, 1, 0, 0].map((lon, i) => [lon, [0, 1, 0, 1, 0][i]]);
const polygon = (...coordinates: unknown[]) => ({ type: "Polygon", coordinates });
const feature = (geometry: unknown, properties: unknown = {}) => ({ type: "Feature", geometry, properties });

t.test("[FE1] what a fence may be", async (t) => {
  t.same(parseFence(feature(polygon(SQUARE), null)), {
    shape: { is: "area", polygons: [[SQUARE]] },
    rules: { exitBuffer: 0, dwellMs: 0, minReports: 1 },
    points: 5,
  });
  const hole = SQUARE.map(([x, y]) => [x! / 2 + 0.1, y! / 2 + 0.1]);
  const two = { type: "MultiPolygon", coordinates: [[SQUARE, hole], [SQUARE]] };
  t.same(parseFence(feature(two)), {
    ...parseFence(feature(polygon(SQUARE))),
    shape: { is: "area", polygons: [[SQUARE, hole], [SQUARE]] },
    points: 15,
  });
  const rules = {
    kinds: ["vessel", "truck"],
    exitBuffer: 50,
    dwellMs: 30_000,
    minReports: 3,
    maxAccuracy: 100,
    floor: -10,
    ceiling: 0,
  };
  t.same(
    parseFence(feature({ type: "Point", coordinates: [180, -90] }, { radius: 5, ...rules, title: "å" })),
    {
      shape: { is: "circle", centre: [180, -90], radius: 5 },
      rules,
      points: 1,
    },
  );
  const line = [
    [0, 0, 20],
    [0, 1, 30],
  ];
  t.same(
    parseFence(feature({ type: "LineString", coordinates: line }, { radius: 1e5 })).shape,
    { is: "corridor", line: [[0, 0], [0, 1]], radius: 1e5 }, // biome-ignore format: short
    "heights are left out",
  );
  const world = [-180, 0, 180, 180, 0, -180, -180].map((lon, i) => [lon, i < 3 || i === 6 ? -90 : 90]);
  t.equal(parseFence(feature(polygon(world))).points, 7, "edges of 180° are not too long");
  t.equal(parseFence(feature(polygon(BOW))).points, 5, "a ring that is stored may cross itself");
});

const POINT = { type: "Point", coordinates: [0, 0] };
const circle = (properties: object) => feature(POINT, { radius: 1, ...properties });
const REFUSED: [name: string, value: unknown, code: keyof typeof FENCE_ERRORS, path: string][] = [
  ["no object", [], "wrong-type", ""],
  ["no feature", polygon(SQUARE), "unknown-member", "/coordinates"],
  ["another type", { type: "FeatureCollection" }, "wrong-type", "/type"],
  ["an unknown member", { ...feature(POINT), "a/b": 1 }, "unknown-member", "/a~1b"],
  ["an endless member", { ["x".repeat(1e5)]: 1 }, "unknown-member", `/${"x".repeat(64)}…`],
  ["no geometry", feature(null), "wrong-type", "/geometry"],
  ["an unknown geometry", feature({ type: "Circle", coordinates: [] }), "wrong-type", "/geometry/type"],
  ["lines", feature({ type: "MultiLineString", coordinates: [] }), "not-supported", "/geometry/type"],
  ["a box beside", feature({ ...POINT, bbox: [] }), "unknown-member", "/geometry/bbox"],
  ["no coordinates", feature({ type: "Polygon" }), "wrong-type", "/geometry/coordinates"],
  ["no ring", feature(polygon()), "wrong-type", "/geometry/coordinates"],
  ["an open ring", feature(polygon([...SQUARE.slice(0, 4)])), "bad-ring", "/geometry/coordinates/0/3"],
  ["a ring of three", feature(polygon(SQUARE.slice(0, 3))), "bad-ring", "/geometry/coordinates/0"],
  ["a hole of three", feature(polygon(SQUARE, SQUARE.slice(2))), "bad-ring", "/geometry/coordinates/1"],
  ["a flat ring", feature(polygon([0, 1, 2, 0].map((x) => [x, x]))), "degenerate", "/geometry/coordinates/0"],
  ["a bow", feature(polygon(BOW)), "crossing-edges", "/geometry/coordinates/0/2"],
  ["off the globe", feature(polygon([[0, 90.1]])), "bad-place", "/geometry/coordinates/0/0"],
  [
    "no number",
    feature({ type: "Point", coordinates: [0, Number.NaN] }, { radius: 1 }),
    "bad-place",
    "/geometry/coordinates",
  ],
  [
    "a height of text",
    feature({ type: "Point", coordinates: [0, 0, "1"] }, { radius: 1 }),
    "bad-place",
    "/geometry/coordinates",
  ],
  [
    "four numbers",
    feature({ type: "Point", coordinates: [0, 0, 0, 0] }, { radius: 1 }),
    "bad-place",
    "/geometry/coordinates",
  ],
  [
    "across 180°",
    feature(
      polygon([
        [170, 0],
        [-170, 0],
        [-170, 1],
        [170, 0],
      ]),
    ),
    "long-edge",
    "/geometry/coordinates/0/1",
  ],
  [
    "a line across 180°",
    feature(
      {
        type: "LineString",
        coordinates: [
          [170, 0],
          [-170, 0],
        ],
      },
      { radius: 1 },
    ),
    "long-edge",
    "/geometry/coordinates/1",
  ],
  [
    "a line to itself",
    feature(
      {
        type: "LineString",
        coordinates: [
          [1, 1],
          [1, 1],
        ],
      },
      { radius: 1 },
    ),
    "degenerate",
    "/geometry/coordinates",
  ],
  [
    "too many points",
    feature({ type: "LineString", coordinates: Array(MAX_FENCE_POINTS + 1).fill([1, 1]) }, { radius: 1 }),
    "too-many-points",
    `/geometry/coordinates/${MAX_FENCE_POINTS}`,
  ],
  [
    "a polygon with a radius",
    feature(polygon(SQUARE), { radius: 1 }),
    "unknown-member",
    "/properties/radius",
  ],
  ["a point without one", feature(POINT), "wrong-type", "/properties/radius"],
  ["a radius of 0", circle({ radius: 0 }), "out-of-range", "/properties/radius"],
  ["a radius too large", circle({ radius: 1_000_001 }), "out-of-range", "/properties/radius"],
  [
    "a corridor too wide",
    feature(
      {
        type: "LineString",
        coordinates: [
          [0, 0],
          [0, 1],
        ],
      },
      { radius: 100_001 },
    ),
    "out-of-range",
    "/properties/radius",
  ],
  ["properties that are a list", feature(POINT, []), "wrong-type", "/properties"],
  ["an unknown property", circle({ exit_buffer: 1 }), "unknown-member", "/properties/exit_buffer"],
  ["text for a number", circle({ exitBuffer: "1" }), "wrong-type", "/properties/exitBuffer"],
  ["a buffer below 0", circle({ exitBuffer: -1 }), "out-of-range", "/properties/exitBuffer"],
  ["half a report", circle({ minReports: 1.5 }), "out-of-range", "/properties/minReports"],
  ["no report", circle({ minReports: 0 }), "out-of-range", "/properties/minReports"],
  ["an endless dwell", circle({ dwellMs: 1e12 }), "out-of-range", "/properties/dwellMs"],
  ["upside down", circle({ floor: 10, ceiling: 10 }), "out-of-range", "/properties/ceiling"],
  ["one kind", circle({ kinds: "vessel" }), "wrong-type", "/properties/kinds"],
  ["no kind", circle({ kinds: [] }), "wrong-type", "/properties/kinds"],
  ["a kind twice", circle({ kinds: ["a", "a"] }), "bad-name", "/properties/kinds"],
  ["a kind that cannot be stored", circle({ kinds: ["a", "\ud800"] }), "bad-name", "/properties/kinds/1"],
  [
    "too many kinds",
    circle({ kinds: Array.from({ length: MAX_FENCE_KINDS + 1 }, String) }),
    "too-many-kinds",
    "/properties/kinds",
  ],
  ["an endless title", circle({ title: "x".repeat(257) }), "bad-name", "/properties/title"],
];

for (const [name, value, code, path] of REFUSED)
  t.test(`[FE1] refused: ${name}`, async (t) => {
    try {
      const { shape } = parseFence(value);
      for (const _ of refuseCrossings(shape, false));
      t.fail("it is taken");
    } catch (error) {
      t.ok(error instanceof FenceError, String(error));
      t.match(error, { code, path });
      t.ok((error as Error).message.length < 500, "a sentence");
    }
  });

t.test("[FE1] each code is of use", async (t) => {
  const used = new Set(REFUSED.map(([, , code]) => code));
  t.same(
    Object.keys(FENCE_ERRORS).filter((code) => !used.has(code as keyof typeof FENCE_ERRORS)),
    [],
  );
});
