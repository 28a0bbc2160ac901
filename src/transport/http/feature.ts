/** Collections of features, and entities as such: GeoJSON (RFC 7946). */
import type { Clock } from "../../clock.ts";
import type { Picture } from "../../picture/picture.ts";
import { type EntityRecord, fullRecord } from "../../picture/record.ts";
import { NO_STORE } from "./no-store.ts";

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

/** Some 2 ms of work. */
export interface Slice {
  features: readonly object[];
  last: boolean;
}

/**
 * A FeatureCollection as a response, made slice by slice while it is sent, so that a long list neither blocks the loop
 * nor lies in memory. What is in it is known at its end only, which is why `numberReturned` comes last.
 * @param kept headers that say how long it may be kept. @param missing shards of which nothing is in it.
 */
export function slicedCollection(
  clock: Clock,
  next: () => Slice,
  links: readonly Link[],
  kept: Record<string, string> = NO_STORE,
  missing: readonly number[] = [],
): Response {
  let returned = 0;
  const text = ({ features }: Slice) =>
    features.map((feature) => (returned++ === 0 ? "" : ",") + JSON.stringify(feature)).join("");
  const head = `{"type":"FeatureCollection","timeStamp":"${new Date(clock.now()).toISOString()}","features":[`;
  const partial = missing.length === 0 ? "" : `"missingShards":${missing.length},`;
  const tail = () => `],"numberReturned":${returned},${partial}"links":${JSON.stringify(links)}}`;
  const headers = { "content-type": GEOJSON, ...kept };
  const first = next();
  if (first.last) return new Response(head + text(first) + tail(), { headers });

  const encoder = new TextEncoder();
  let begun = false;
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        if (begun) await new Promise<void>((resolve) => clock.yield(resolve));
        const slice = begun ? next() : first;
        const part = (begun ? "" : head) + text(slice) + (slice.last ? tail() : "");
        begun = true;
        controller.enqueue(encoder.encode(part));
        if (slice.last) controller.close();
      },
    },
    { highWaterMark: 0 },
  );
  return new Response(body, { headers });
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
  return geoJson(body);
}

/** The answer that has a feature, or several. */
export function geoJson(body: object): Response {
  return Response.json(body, { headers: { "content-type": GEOJSON, ...NO_STORE } });
}

function roundedDistance(metres: number): number {
  return Math.round(metres * 10) / 10;
}

/**
 * A FeatureCollection of the picture. Each feature is as it is when its slice is made; an entity that was removed meanwhile, or may not be seen any more, is left out.
 * @param found `slots` in the order wanted; `distances` in metres, by place in `slots`; `permits` says which may be seen, absent = all.
 */
export function collectionResponse(
  picture: Picture,
  clock: Clock,
  found: {
    slots: readonly number[];
    distances?: readonly number[];
    missing: readonly number[];
    permits?: ((slot: number) => boolean) | undefined;
  },
  links: readonly Link[],
): Response {
  const { slots, distances, missing, permits } = found;
  const ids = slots.map((slot) => picture.columns.id[slot]);
  let at = 0;
  const slice = () => {
    const features: Feature[] = [];
    const end = Math.min(slots.length, at + SLICE_FEATURES);
    for (; at < end; at++) {
      const slot = slots[at];
      if (ids[at] === undefined || picture.find(ids[at]!) !== slot) continue;
      if (permits?.(slot) === false) continue;
      const feature = featureOf(picture, slot);
      if (distances !== undefined) feature.properties.distance = roundedDistance(distances[at]);
      features.push(feature);
    }
    return { features, last: at >= slots.length };
  };
  return slicedCollection(clock, slice, links, NO_STORE, missing);
}
