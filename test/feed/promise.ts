/** What a view was promised: the cover that a reply names, as it is read from the message and nothing else. */
import { type Cover, coverUnion, NOTHING } from "../../src/picture/cover.ts";
import { CELLS_PER_AXIS, mortonKey } from "../../src/picture/morton.ts";
import type { Bbox } from "../../src/transport/feed/protocol.ts";

/** One cell, degrees. */
const WIDTH = 360 / CELLS_PER_AXIS;
const HEIGHT = 180 / CELLS_PER_AXIS;

/** The keys of the quad cells that a reply names. */
export function coverNamed(boxes: readonly Bbox[]): Cover {
  return boxes
    .map(([west, south, east]) => {
      const low = mortonKey(west + WIDTH / 2, south + HEIGHT / 2);
      return Uint32Array.of(low, low + ((east - west) / WIDTH) ** 2 - 1);
    })
    .reduce<Cover>(coverUnion, NOTHING);
}

/** Whether boxes that do not overlap contain a bbox. */
export function contain(boxes: readonly Bbox[], [west, south, east, north]: Bbox): boolean {
  if (west > east)
    return contain(boxes, [west, south, 180, north]) && contain(boxes, [-180, south, east, north]);
  const corners = [west, east].every((lon) => [south, north].every((lat) => isIn(boxes, lon, lat)));
  let area = 0;
  for (const [w, s, e, n] of boxes) {
    const width = Math.min(east, e) - Math.max(west, w);
    const height = Math.min(north, n) - Math.max(south, s);
    if (width > 0 && height > 0) area += width * height;
  }
  return corners && area >= (east - west) * (north - south) * (1 - 1e-9);
}

/** 180° is −180°, and the pole is in the cell below it. */
function isIn(boxes: readonly Bbox[], lon: number, lat: number): boolean {
  const at = lon === 180 ? -180 : lon;
  return boxes.some(
    ([west, south, east, north]) =>
      at >= west && at < east && lat >= south && (lat < north || (lat === 90 && north === 90)),
  );
}
