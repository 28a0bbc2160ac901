/** Boxes around fences as they are written, for lists of those in a part of the globe. */
import type { FenceVersion } from "../../actors/fences/ports.ts";
import type { JsonObject } from "../../actors/messages.ts";
import type { Box } from "../../picture/cover.ts";
import { boxAround } from "../../picture/sphere.ts";

type Place = [lon: number, lat: number];

/** A version never changes. */
const made = new WeakMap<FenceVersion, Box[]>();

/** Whether the next question walks all points of the fence: 0.5 ms for the largest, and 100 ms for as many points as there may be. */
export function isUnmeasured(fence: FenceVersion): boolean {
  return !made.has(fence);
}

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
      return [
        boxOf(
          (coordinates as Place[]).map(around).flatMap(([w, s, e, n]): Place[] => [
            [w, s],
            [e, n],
          ]),
        ),
      ];
  }
}

function boxOf(places: readonly Place[]): Box {
  let [west, south, east, north] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const place of places) {
    west = Math.min(west, place[0]);
    south = Math.min(south, place[1]);
    east = Math.max(east, place[0]);
    north = Math.max(north, place[1]);
  }
  return [west, south, east, north];
}
