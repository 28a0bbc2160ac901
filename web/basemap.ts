/** The base map: Natural Earth's land and borders from tiles of our own, so that no other host hears of the viewer. */
import type { StyleSpecification } from "maplibre-gl";
import { BASEMAP_ZOOM, tilePath } from "./basemap-path.ts";
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

/** A whole style, so that a change of theme is one call. */
export function styleOf(theme: Theme): StyleSpecification {
  return {
    version: 8,
    sources: {
      basemap: {
        type: "vector",
        tiles: [`${location.origin}/${tilePath("{z}", "{x}", "{y}")}`],
        maxzoom: BASEMAP_ZOOM,
        attribution: "Made with Natural Earth",
      },
      grid10: { type: "geojson", data: graticule(10) },
      grid1: { type: "geojson", data: graticule(1) },
    },
    layers: [
      { id: "water", type: "background", paint: { "background-color": theme.water } },
      {
        id: "shallows",
        type: "line",
        source: "basemap",
        "source-layer": "land",
        paint: {
          "line-color": theme.coast,
          "line-opacity": 0.16,
          "line-width": ["interpolate", ["linear"], ["zoom"], 2, 2, 6, 6, 10, 16],
          "line-blur": ["interpolate", ["linear"], ["zoom"], 2, 1, 6, 4, 10, 10],
        },
      },
      {
        id: "land",
        type: "fill",
        source: "basemap",
        "source-layer": "land",
        paint: { "fill-color": theme.land },
      },
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
        source: "basemap",
        "source-layer": "borders",
        paint: { "line-color": theme.border, "line-width": 0.8, "line-dasharray": [4, 2] },
      },
      {
        id: "coast",
        type: "line",
        source: "basemap",
        "source-layer": "land",
        layout: { "line-join": "round" },
        paint: {
          "line-color": theme.coast,
          "line-width": ["interpolate", ["linear"], ["zoom"], 2, 0.5, 8, 1.1],
        },
      },
    ],
  };
}
