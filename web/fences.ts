/** Fences as they are drawn: outlines of areas, circles and corridors at their true size. */
import type { Layer } from "@deck.gl/core";
import { PathLayer, ScatterplotLayer } from "@deck.gl/layers";
import type { Theme } from "./basemap.ts";

type Place = [lon: number, lat: number];

/** As `GET /v1/fences` gives it. */
export interface FenceFeature {
  id: string;
  geometry:
    | { type: "Polygon"; coordinates: Place[][] }
    | { type: "MultiPolygon"; coordinates: Place[][][] }
    | { type: "Point"; coordinates: Place }
    | { type: "LineString"; coordinates: Place[] };
  properties: { radius?: number } | null;
}

/** Radii are metres. */
export interface Outlines {
  rings: Place[][];
  circles: { centre: Place; radius: number }[];
  corridors: { line: Place[]; radius: number }[];
}

export function outlinesOf(fences: readonly FenceFeature[]): Outlines {
  const outlines: Outlines = { rings: [], circles: [], corridors: [] };
  for (const { geometry, properties } of fences) {
    const radius = properties?.radius ?? 0;
    switch (geometry.type) {
      case "Polygon":
        outlines.rings.push(...geometry.coordinates);
        break;
      case "MultiPolygon":
        outlines.rings.push(...geometry.coordinates.flat());
        break;
      case "Point":
        outlines.circles.push({ centre: geometry.coordinates, radius });
        break;
      case "LineString":
        outlines.corridors.push({ line: geometry.coordinates, radius });
        break;
    }
  }
  return outlines;
}

const flat = ([lon, lat]: Place): Place => [lon, lat];

/** Below all entities. */
export function fenceLayers({ rings, circles, corridors }: Outlines, theme: Theme): Layer[] {
  const line = { widthUnits: "pixels", getWidth: 1.5, getColor: [...theme.selection, 150] } as const;
  return [
    new PathLayer<Outlines["corridors"][number]>({
      id: "corridors",
      data: corridors,
      getPath: ({ line }) => line.map(flat),
      widthUnits: "meters",
      getWidth: ({ radius }) => 2 * radius,
      getColor: [...theme.selection, 36],
      capRounded: true,
      jointRounded: true,
    }),
    new PathLayer<Place[]>({ id: "rings", data: rings, getPath: (ring) => ring.map(flat), ...line }),
    new ScatterplotLayer<Outlines["circles"][number]>({
      id: "circles",
      data: circles,
      getPosition: ({ centre }) => flat(centre),
      getRadius: ({ radius }) => radius,
      filled: false,
      stroked: true,
      lineWidthUnits: "pixels",
      getLineWidth: line.getWidth,
      getLineColor: line.getColor,
    }),
  ];
}
