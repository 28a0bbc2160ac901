import assert from "node:assert/strict";
import t from "tap";
import { METRES_PER_DEGREE, nearDistance, reckon } from "../../src/picture/dead-reckoning.ts";
import { distance } from "../../src/picture/sphere.ts";
import { fc } from "../support/seeded.ts";

const at = (fix: Parameters<typeof reckon>[0], t: number, maxAgeMs = 60_000) => {
  const place = { lon: NaN, lat: NaN };
  reckon(fix, t, maxAgeMs, place);
  return place;
};

t.test("[P18] it goes straight on, by speed and course", async () => {
  const lon = fc.double({ min: -180, max: 180, noNaN: true });
  const lat = fc.double({ min: -80, max: 80, noNaN: true });
  const speed = fc.double({ min: 0.1, max: 300, noNaN: true });
  const course = fc.double({ min: 0, max: 359.99, noNaN: true });
  fc.assert(
    fc.property(
      lon,
      lat,
      speed,
      course,
      fc.integer({ min: 0, max: 60_000 }),
      (lon, lat, speed, course, age) => {
        const place = at({ t: 0, lon, lat, speed, course }, age);
        const way = (speed * age) / 1_000;
        assert.ok(Math.abs(distance(lon, lat, place.lon, place.lat) - way) <= 0.01 + way * 0.01);
        assert.ok(Math.abs(place.lon) <= 180 && Math.abs(place.lat) <= 90);
        assert.ok(Math.abs(nearDistance(lon, lat, place.lon, place.lat) - way) <= 0.01 + way * 0.02);
      },
    ),
  );
});

t.test("[P18] it stands where nothing is known, and after its greatest age", async (t) => {
  const fix = { t: 1_000, lon: 24, lat: 60, speed: 10, course: 0 };
  const here = { lon: 24, lat: 60 };
  t.same(at({ ...fix, speed: undefined }, 5_000), here);
  t.same(at({ ...fix, course: NaN }, 5_000), here);
  t.same(at({ ...fix, speed: 0 }, 5_000), here);
  t.same(at(fix, 500), here, "before the fix");
  t.same(at({ ...fix, lat: 89.5 }, 5_000), { lon: 24, lat: 89.5 }, "by a pole");
  t.same(at(fix, 31_000, 30_000), at(fix, 500_000, 30_000));
  const east = at({ t: 0, lon: 179.9999, lat: 0, speed: 100, course: 90 }, 1_000);
  t.ok(east.lon < -179.999, "across 180°");
  t.ok(nearDistance(179.9999, 0, east.lon, 0) < 101);
});

t.test("[P18] whatever speed is reported, the place is one on the globe", async (t) => {
  const round = 360 * METRES_PER_DEGREE;
  const twice = at({ t: 0, lon: 170, lat: 0, speed: 2 * round + 20 * METRES_PER_DEGREE, course: 90 }, 1_000);
  t.ok(Math.abs(twice.lon - -170) < 1e-6, `${twice.lon}`);
  const west = at({ t: 0, lon: -170, lat: 0, speed: 2 * round + 20 * METRES_PER_DEGREE, course: 270 }, 1_000);
  t.ok(Math.abs(west.lon - 170) < 1e-6, `${west.lon}`);
  const lat = fc.double({ min: -90, max: 90, noNaN: true });
  const speed = fc.double({ min: 0, max: 3.4e38, noNaN: true });
  const course = fc.double({ min: 0, max: 359.99, noNaN: true });
  fc.assert(
    fc.property(lat, speed, course, (lat, speed, course) => {
      const place = at({ t: 0, lon: 179, lat, speed, course }, 60_000);
      assert.ok(Math.abs(place.lon) <= 180 && Math.abs(place.lat) <= 90, `${place.lon} ${place.lat}`);
    }),
  );
});
