/** Entities as GeoJSON (RFC 7946). */
import type { Clock } from "../../clock.ts";
import type { Picture } from "../../picture/picture.ts";
import { type EntityRecord, fullRecord } from "../../picture/record.ts";

export const GEOJSON = "application/geo+json";
/** Features made in one go: some 2 ms. */
const SLICE_FEATURES = 256;

export interface Feature {
  type: "Feature";
  id: string;
  geometry: { type: "Point"; coordinates: [lon: number, lat: number] } | null;
  properties: Omit<EntityRecord, "id" | "lon" | "lat"> & { distance?: number };
}

export interface Link {
  rel: "self" | "next";
  type: string;
  href: string;
}

/** The feature of a slot that is in use. */
export function featureOf(picture: Picture, slot: number): Feature {
  return featureOfRecord(fullRecord(picture, slot));
}

/** `geometry` is null if the entity has never told its place. */
export function featureOfRecord({ id, lon, lat, ...properties }: EntityRecord): Feature {
  return {
    type: "Feature",
    id,
    geometry: lon !== undefined && lat !== undefined ? { type: "Point", coordinates: [lon, lat] } : null,
    properties,
  };
}

/** A FeatureCollection of what several nodes told. `missingShards` of 256 nobody answered for. */
export function gatheredResponse(
  clock: Clock,
  found: { records: readonly EntityRecord[]; distances?: readonly number[]; missing: readonly number[] },
  links: readonly Link[],
): Response {
  const features = found.records.map((record, i) => {
    const feature = featureOfRecord(record);
    if (found.distances !== undefined) feature.properties.distance = roundedDistance(found.distances[i]);
    return feature;
  });
  const body = {
    type: "FeatureCollection",
    timeStamp: new Date(clock.now()).toISOString(),
    features,
    numberReturned: features.length,
    ...(found.missing.length > 0 && { missingShards: found.missing.length }),
    links,
  };
  return Response.json(body, { headers: { "content-type": GEOJSON, "cache-control": "no-store" } });
}

function roundedDistance(metres: number): number {
  return Math.round(metres * 10) / 10;
}

/**
 * A FeatureCollection as a response, made slice by slice while it is sent, so that a long list neither blocks the loop
 * nor lies in memory. Each feature is as it is when its slice is made; an entity that was removed meanwhile is left out,
 * which is why `numberReturned` comes last.
 * @param slots in the order wanted. @param distances metres, by place in `slots`.
 */
export function collectionResponse(
  picture: Picture,
  clock: Clock,
  found: { slots: readonly number[]; distances?: readonly number[] },
  links: readonly Link[],
): Response {
  const { slots, distances } = found;
  const ids = slots.map((slot) => picture.columns.id[slot]);
  const timeStamp = new Date(clock.now()).toISOString();
  let at = 0;
  let returned = 0;
  const slice = (): string => {
    const parts: string[] = [];
    const end = Math.min(slots.length, at + SLICE_FEATURES);
    for (; at < end; at++) {
      const slot = slots[at];
      if (ids[at] === undefined || picture.find(ids[at]!) !== slot) continue;
      const feature = featureOf(picture, slot);
      if (distances !== undefined) feature.properties.distance = roundedDistance(distances[at]);
      parts.push((returned++ === 0 ? "" : ",") + JSON.stringify(feature));
    }
    return parts.join("");
  };
  const head = `{"type":"FeatureCollection","timeStamp":"${timeStamp}","features":[`;
  const tail = () => `],"numberReturned":${returned},"links":${JSON.stringify(links)}}`;
  const headers = { "content-type": GEOJSON, "cache-control": "no-store" };
  if (slots.length <= SLICE_FEATURES) return new Response(head + slice() + tail(), { headers });

  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const first = at === 0;
        if (!first) await new Promise<void>((resolve) => clock.yield(resolve));
        const text = (first ? head : "") + slice();
        controller.enqueue(encoder.encode(at < slots.length ? text : text + tail()));
        if (at >= slots.length) controller.close();
      },
    },
    { highWaterMark: 0 },
  );
  return new Response(body, { headers });
}
