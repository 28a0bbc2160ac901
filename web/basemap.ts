/** The base map: Natural Earth's land and borders from a file of our own, so that no other host hears of the viewer. */
import type { StyleSpecification } from "maplibre-gl";
import { feature, mesh, type Topology } from "topojson-client";
import atlasUrl from "world-atlas/countries-10m.json?url";
import { withoutJumps } from "./antimeridian.ts";
import { graticule } from "./graticule.ts";
import type { Rgb } from "./palette.ts";

export interface Theme {
  water: string;
  land: string;
  coast: string;
  border: string;
  grid: string;
  /** Around symbols, so that they stand out of land and water. */
  halo: Rgb;
  selection: Rgb;
}

const LIGHT: Theme = {
  water: "#d3e2e9",
  land: "#f6f4ee",
  coast: "#8fa9b5",
  border: "#c9bfae",
  grid: "#7fa3b5",
  halo: [255, 255, 255],
  selection: [20, 40, 52],
};
const DARK: Theme = {
  water: "#0c1a23",
  land: "#1b2b34",
  coast: "#486372",
  border: "#3c4c55",
  grid: "#3e6579",
  halo: [6, 16, 23],
  selection: [255, 255, 255],
};

export function themeOf(dark: boolean): Theme {
  return dark ? DARK : LIGHT;
}

export interface Atlas {
  land: GeoJSON.GeoJSON;
  borders: GeoJSON.GeoJSON;
}

/** @throws {Error} if the file cannot be had */
export async function loadAtlas(): Promise<Atlas> {
  const response = await fetch(atlasUrl);
  if (!response.ok) throw new Error(`the base map cannot be loaded: ${response.status}`);
  const topology = (await response.json()) as Topology;
  return {
    land: withoutJumps(feature(topology, topology.objects.land)),
    borders: withoutJumps(mesh(topology, topology.objects.countries, (a, b) => a !== b)),
  };
}

/** A whole style, so that a change of theme is one call. Without an atlas there is water and grid only. */
export function styleOf(theme: Theme, atlas: Atlas | undefined): StyleSpecification {
  const empty: GeoJSON.FeatureCollection = { type: "FeatureCollection", features: [] };
  // Natural Earth is drawn for 1 : 10,000,000; more detail than zoom 8 has would only cost memory.
  const detail = { type: "geojson", maxzoom: 8 } as const;
  return {
    version: 8,
    sources: {
      land: {
        ...detail,
        data: atlas?.land ?? empty,
        attribution: "Made with Natural Earth",
      },
      borders: { ...detail, data: atlas?.borders ?? empty },
      grid10: { type: "geojson", data: graticule(10) },
      grid1: { type: "geojson", data: graticule(1) },
    },
    layers: [
      { id: "water", type: "background", paint: { "background-color": theme.water } },
      {
        id: "shallows",
        type: "line",
        source: "land",
        paint: {
          "line-color": theme.coast,
          "line-opacity": 0.16,
          "line-width": ["interpolate", ["linear"], ["zoom"], 2, 2, 6, 6, 10, 16],
          "line-blur": ["interpolate", ["linear"], ["zoom"], 2, 1, 6, 4, 10, 10],
        },
      },
      { id: "land", type: "fill", source: "land", paint: { "fill-color": theme.land } },
      {
        id: "grid10",
        type: "line",
        source: "grid10",
        maxzoom: 5,
        paint: { "line-color": theme.grid, "line-opacity": 0.22, "line-width": 0.6 },
      },
      {
        id: "grid1",
        type: "line",
        source: "grid1",
        minzoom: 5,
        paint: { "line-color": theme.grid, "line-opacity": 0.22, "line-width": 0.6 },
      },
      {
        id: "borders",
        type: "line",
        source: "borders",
        paint: { "line-color": theme.border, "line-width": 0.8, "line-dasharray": [4, 2] },
      },
      {
        id: "coast",
        type: "line",
        source: "land",
        layout: { "line-join": "round" },
        paint: {
          "line-color": theme.coast,
          "line-width": ["interpolate", ["linear"], ["zoom"], 2, 0.5, 8, 1.1],
        },
      },
    ],
  };
}
