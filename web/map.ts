import {
  AttributionControl,
  Map as MapLibreMap,
  NavigationControl,
  ScaleControl,
  setWorkerUrl,
} from "maplibre-gl";
import workerUrl from "maplibre-gl/dist/maplibre-gl-worker.mjs?worker&url";
import "maplibre-gl/dist/maplibre-gl.css";
import type { Bbox } from "../src/transport/feed/protocol.ts";
import { styleOf, type Theme } from "./basemap.ts";

/** Around what the map is fitted to, in pixels. */
const FIT_PADDING = 60;
const FIT_MAX_ZOOM = 12;

setWorkerUrl(workerUrl);

/** The map without entities. It looks where the address says, else at `extent`, else at the world. */
export function createMap(theme: Theme, extent: Bbox | undefined): MapLibreMap {
  const map = new MapLibreMap({
    container: "map",
    style: styleOf(theme),
    // Overrides what follows if the address has a position.
    hash: true,
    center: [10, 25],
    zoom: 1.4,
    maxZoom: 18,
    maxPitch: 0,
    attributionControl: false,
  });
  map.addControl(new NavigationControl({ showCompass: true }), "bottom-right");
  map.addControl(new ScaleControl({}), "bottom-left");
  map.addControl(new AttributionControl({ compact: true }), "bottom-left");
  if (extent !== undefined) fit(map, extent);
  return map;
}

/** Shows a box as large as it can be. */
export function fit(map: MapLibreMap, [west, south, east, north]: Bbox): void {
  const right = west > east ? east + 360 : east;
  map.fitBounds([west, south, right, north], { padding: FIT_PADDING, maxZoom: FIT_MAX_ZOOM, animate: false });
}
