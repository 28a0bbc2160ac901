/** Places and boxes for property tests, with a liking for poles, 180° and small boxes. */

import type { Box } from "../../src/picture/cover.ts";
import { fc } from "../support/seeded.ts";

const number = (min: number, max: number) => fc.double({ min, max, noNaN: true });
const lons = fc.oneof(number(-180, 180), number(9.9, 10.1), fc.constantFrom(-180, 180, 0, 179.99, -179.99));
const lats = fc.oneof(number(-90, 90), number(49.9, 50.1), fc.constantFrom(-90, 90, 0, 89.99));

export const places: fc.Arbitrary<[lon: number, lat: number]> = fc.tuple(lons, lats);

export const boxes: fc.Arbitrary<Box> = fc
  .tuple(lons, lats, lons, lats)
  .map(([west, lat1, east, lat2]) => [west, Math.min(lat1, lat2), east, Math.max(lat1, lat2)]);
