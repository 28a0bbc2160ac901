/** Boxes around fences as they are written, for lists of those in a part of the globe. */
import type { FenceVersion } from "../../actors/fences/ports.ts";
import type { JsonObject } from "../../actors/messages.ts";
import type { Box } from "../../picture/cover.ts";
import { boxAround } from "../../picture/sphere.ts";

type Place = [lon: number, lat: number];

/** A version never changes; of 2,000,000 points the boxes take 30 ms. */
const made = new WeakMap<FenceVersion, Box[]>();

/** Whether a box around the fence, or around one polygon of it, meets `bbox`; west > east crosses 180°. */
export function meets(fence: FenceVersion, [west, south, east, north]: Box): boolean {
  const end = east < west ? east + 360 : east;
  let boxes = made.get(fence);
  if (boxes === undefined) {
    boxes = boxesOf(fence.definition!);
    made.set(fence, boxes);
  }
  return boxes.some(
    ([w, s, e, n]) =>
      s <= north && n >= south && [-360, 0, 360].some((turn) => w + turn <= end && e + turn >= west),
  );
}

/** West ≤ east, also where a box crosses 180°: it goes on beyond. */
function boxesOf({ geometry, properties }: JsonObject): Box[] {
  const { type, coordinates } = geometry as JsonObject;
  const radius = (properties as { radius?: number } | null)?.radius ?? 0;
  const around = ([lon, lat]: Place): Box => {
    const [west, south, east, north] = boxAround(lon, lat, radius);
    return [west > lon ? west - 360 : west, south, east < lon ? east + 360 : east, north];
  };
  switch (type) {
    case "Polygon":
      return [boxOf((coordinates as Place[][])[0]!)];
    case "MultiPolygon":
      return (coordinates as Place[][][]).map(([outline]) => boxOf(outline!));
    case "Point":
      return [around(coordinates as Place)];
    default:
      // An edge is straight in degrees, and a circle's width grows the faster the nearer it is to a pole: what is widest is at an end of it.
      return [hullOf((coordinates as Place[]).map(around))];
  }
}

function boxOf(places: readonly Place[]): Box {
  return hullOf(places.map(([lon, lat]) => [lon, lat, lon, lat]));
}

function hullOf(boxes: readonly Box[]): Box {
  let [west, south, east, north] = boxes[0]!;
  for (const [w, s, e, n] of boxes) {
    west = Math.min(west, w);
    south = Math.min(south, s);
    east = Math.max(east, e);
    north = Math.max(north, n);
  }
  return [west, south, east, north];
}
