import t from "tap";
import type { Segment } from "../../src/tracks/segment.ts";
import { trackFeature } from "../../src/transport/http/track-features.ts";

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
