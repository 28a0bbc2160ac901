import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import t from "tap";
import { feature, type Topology } from "topojson-client";
import { withoutJumps } from "../../web/antimeridian.ts";

const path = createRequire(import.meta.url).resolve("world-atlas/countries-10m.json");
const atlas = JSON.parse(readFileSync(path, "utf8")) as Topology;

t.test("[W14] what crosses 180° goes on beyond it, what goes around a pole is closed there", async (t) => {
  const ring = [
    [170, 0],
    [-170, 0],
    [-170, 10],
    [170, 10],
    [170, 0],
  ];
  t.strictSame(withoutJumps({ type: "Polygon", coordinates: [ring] }), {
    type: "Polygon",
    coordinates: [
      [
        [170, 0],
        [190, 0],
        [190, 10],
        [170, 10],
        [170, 0],
      ],
    ],
  });
  const hole = [
    [-175, 2],
    [-174, 2],
    [-174, 3],
    [-175, 2],
  ];
  const holed = withoutJumps({ type: "Polygon", coordinates: [ring, hole] }) as GeoJSON.Polygon;
  t.strictSame(holed.coordinates[1][0], [185, 2], "a hole stays in what it is a hole of");
  const polar = [
    [0, -70],
    [120, -70],
    [-120, -70],
    [0, -70],
  ];
  t.strictSame(withoutJumps({ type: "Polygon", coordinates: [polar] }), {
    type: "Polygon",
    coordinates: [
      [
        [0, -70],
        [120, -70],
        [240, -70],
        [360, -70],
        [360, -90],
        [0, -90],
        [0, -70],
      ],
    ],
  });
  t.strictSame(
    withoutJumps({
      type: "MultiLineString",
      coordinates: [
        [
          [-179, 5],
          [179, 5],
          [178, 6],
        ],
      ],
    }),
    {
      type: "MultiLineString",
      coordinates: [
        [
          [-179, 5],
          [-181, 5],
          [-182, 6],
        ],
      ],
    },
  );
  const land = feature(atlas, atlas.objects.land) as GeoJSON.FeatureCollection<GeoJSON.MultiPolygon>;
  const flat = withoutJumps(land) as typeof land;
  for (const polygons of flat.features.map(({ geometry }) => geometry.coordinates))
    for (const line of polygons.flat())
      for (let i = 1; i < line.length; i++)
        if (Math.abs(line[i][0] - line[i - 1][0]) > 180 && Math.abs(line[i][1]) !== 90)
          t.fail("a jump is left");
  t.ok(flat.features.length > 0);
});
