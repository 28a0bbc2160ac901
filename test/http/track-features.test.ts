import t from "tap";
import type { Segment } from "../../src/tracks/segment.ts";
import { TrackSchema } from "../../src/transport/http/schemas.ts";
import { movingFeature, trackFeature } from "../../src/transport/http/track-features.ts";

const point = (t: number) => ({ t, lon: 10, lat: 50, alt: NaN, speed: 1, course: NaN });
const segment: Segment = {
  ...{
    id: "a",
    kind: "ship",
    state: "moving",
    attributes: '{"n":1}',
    labels: ["x"],
    fences: ["harbour", "quay"],
  },
  ...{ recorded: 9, hold: false, points: [point(1_000), point(2_000)] },
};

t.test("[TR13] a piece of a way says what the entity was, in GeoJSON", async (t) => {
  t.match(trackFeature(segment), {
    id: "a/1970-01-01T00:00:01.000Z",
    properties: { entity: "a", attributes: { n: 1 }, labels: ["x"], fences: ["harbour", "quay"] },
  });
  t.match(trackFeature({ ...segment, attributes: "", fences: [] }).properties, {
    attributes: {},
    fences: [],
  });
});

t.test("[TR13] a piece of one place is a line in GeoJSON, and one instant as a moving feature", async (t) => {
  const one = { ...segment, points: [point(1_000)] };
  const { geometry, properties } = trackFeature(one);
  t.same(geometry.coordinates, [
    [10, 50],
    [10, 50],
  ]);
  t.equal(properties.times.length, 2);
  t.same(properties.speed, [1, 1]);
  t.match(movingFeature("a", [one]).temporalGeometry, {
    datetimes: ["1970-01-01T00:00:01.000Z"],
    coordinates: [[10, 50]],
  });
});

t.test(
  "[TR13] the instants of a moving feature ascend, also after a piece that only touches them",
  async (t) => {
    const touching = { ...segment, state: "waiting", points: [point(1_000)] };
    const { temporalGeometry, temporalProperties } = movingFeature("a", [touching, segment]);
    const times = ["1970-01-01T00:00:01.000Z", "1970-01-01T00:00:02.000Z"];
    t.match(temporalGeometry, { type: "MovingPoint", datetimes: times });
    for (const { datetimes } of temporalProperties) t.same(datetimes, times.slice(0, datetimes.length));
    t.match(temporalProperties.at(-1), { state: { values: ["moving"] } });
  },
);

t.test("[TR32] a moving feature that went across 180° goes on beyond it, over many pieces", async (t) => {
  const way = (...lons: readonly [number, number][]) => ({
    ...segment,
    points: lons.map(([second, lon]) => ({ ...point(1_000 * second), lon })),
  });
  const { temporalGeometry } = movingFeature("a", [
    way([1, 179.5], [2, 180.5]),
    way([2, -179.5], [3, -179]),
    way([3, -179], [4, 0], [5, 179.5], [6, 181]),
    way([6, -179], [7, -178]),
    way([9, -178], [10, -177]),
  ]);
  const lons = (temporalGeometry as { prisms: { coordinates: number[][] }[] }).prisms.map(({ coordinates }) =>
    coordinates.map(([lon]) => lon),
  );
  t.same(lons, [
    [179.5, 180.5, 181, 360, 539.5, 541, 542],
    [-178, -177],
  ]);
});

t.test("[TR39] altitudes are told where they are known, also if one of a line is not", async (t) => {
  const told = (...alts: number[]) => {
    const way = { ...segment, points: alts.map((alt, i) => ({ ...point(1_000 * (i + 1)), alt })) };
    const feature = trackFeature(way);
    t.strictSame(TrackSchema.shape.features.element.parse(feature), feature, "as described");
    const { temporalGeometry, temporalProperties } = movingFeature("a", [way]);
    t.same(
      (temporalGeometry as { coordinates: number[][] }).coordinates,
      feature.geometry.coordinates,
      "the same places",
    );
    return {
      positions: feature.geometry.coordinates.map(([, , alt]) => alt),
      alt: feature.properties.alt,
      samples: temporalProperties.filter((property) => "alt" in property),
    };
  };
  t.same(told(1, 2), { positions: [1, 2], alt: undefined, samples: [] });
  t.same(told(NaN, NaN), { positions: [undefined, undefined], alt: undefined, samples: [] });
  t.same(told(100.04, NaN, -3), {
    positions: [undefined, undefined, undefined],
    alt: [100, null, -3],
    samples: [
      {
        datetimes: ["1970-01-01T00:00:01.000Z", "1970-01-01T00:00:03.000Z"],
        alt: { type: "Measure", form: "MTR", values: [100, -3], interpolation: "Step" },
      },
    ],
  });
});
