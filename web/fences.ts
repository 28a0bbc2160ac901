/** Fences as they are drawn: outlines of areas, circles and corridors at their true size. */
import type { Layer } from "@deck.gl/core";
import { PathLayer, ScatterplotLayer, TextLayer } from "@deck.gl/layers";
import type { Theme } from "./basemap.ts";

type Place = [lon: number, lat: number];

/** As `GET /v1/fences` gives it. */
export interface FenceFeature {
  id: string;
  version: number;
  changedAt: string;
  geometry:
    | { type: "Polygon"; coordinates: Place[][] }
    | { type: "MultiPolygon"; coordinates: Place[][][] }
    | { type: "Point"; coordinates: Place }
    | { type: "LineString"; coordinates: Place[] };
  properties: { radius?: number; title?: string } | null;
}

/** What is drawn knows its fence's name: it is told where one points at it. */
interface Named {
  name: string;
}
interface FenceLabel extends Named {
  place: Place;
  /** From this zoom on the fence is wide enough for a name. */
  minZoom: number;
}

/** Radii are metres. */
export interface Outlines {
  rings: (Named & { ring: Place[] })[];
  circles: (Named & { centre: Place; radius: number })[];
  corridors: (Named & { line: Place[]; radius: number })[];
  /** The labels at a zoom; the same array while they are the same. */
  labelsAt(zoom: number): FenceLabel[];
}

export const PICKABLE_FENCES = ["fence-names", "rings", "circles", "corridors"];
/** Names of fences that are less wide would lie over one another. */
const LABELLED_PX = 40;
/** The world at zoom 0. */
const WORLD_PX = 512;
const METRES_PER_DEGREE = 111_320;

/** Those that were there at a time, as far as it is known: of one that was changed since, only the last change is told. @param at Unix ms; absent = now */
export function fencesAt(fences: readonly FenceFeature[], at: number | undefined): readonly FenceFeature[] {
  if (at === undefined) return fences;
  return fences.filter(({ version, changedAt }) => version > 1 || Date.parse(changedAt) <= at);
}

export function outlinesOf(fences: readonly FenceFeature[]): Outlines {
  const rings: Outlines["rings"] = [];
  const circles: Outlines["circles"] = [];
  const corridors: Outlines["corridors"] = [];
  const labels: FenceLabel[] = [];
  for (const { id, geometry, properties } of fences) {
    const radius = properties?.radius ?? 0;
    const name = properties?.title?.trim() || id;
    const add = (polygon: readonly Place[][]) => {
      for (const ring of polygon) rings.push({ name, ring });
    };
    switch (geometry.type) {
      case "Polygon":
        add(geometry.coordinates);
        labels.push(labelOf(name, geometry.coordinates.flat(), 0));
        break;
      case "MultiPolygon":
        for (const polygon of geometry.coordinates) add(polygon);
        labels.push(labelOf(name, geometry.coordinates.flat(2), 0));
        break;
      case "Point":
        circles.push({ name, centre: geometry.coordinates, radius });
        labels.push(labelOf(name, [geometry.coordinates], radius));
        break;
      case "LineString":
        corridors.push({ name, line: geometry.coordinates, radius });
        labels.push(labelOf(name, geometry.coordinates, radius));
        break;
    }
  }
  return { rings, circles, corridors, labelsAt: chosenByZoom(labels) };
}

/** Above its northernmost place, or the middle of its northern edge. */
function labelOf(name: string, places: readonly Place[], radius: number): FenceLabel {
  const lats = places.map(([, lat]) => lat);
  const [south, north] = edges(lats);
  const lons = unbroken(places.map(([lon]) => lon));
  const [west, east] = edges(lons);
  const [left, right] = edges(lons.filter((_, i) => lats[i] === north));
  const degrees = Math.max(east - west, north - south) + (2 * radius) / METRES_PER_DEGREE;
  const minZoom = Math.log2((LABELLED_PX * 360) / (WORLD_PX * degrees));
  return { name, place: [wrapped((left + right) / 2), north + radius / METRES_PER_DEGREE], minZoom };
}

/** Longitudes of what may be cut at 180°, as one goes over it. */
function unbroken(lons: number[]): number[] {
  const [west, east] = edges(lons);
  return east - west > 180 ? lons.map((lon) => (lon < 0 ? lon + 360 : lon)) : lons;
}

function wrapped(lon: number): number {
  return lon > 180 ? lon - 360 : lon;
}

function edges(values: readonly number[]): [least: number, greatest: number] {
  const least = values.reduce((a, b) => Math.min(a, b));
  return [least, values.reduce((a, b) => Math.max(a, b))];
}

function chosenByZoom(labels: FenceLabel[]): Outlines["labelsAt"] {
  labels.sort((a, b) => a.minZoom - b.minZoom);
  let chosen: FenceLabel[] = [];
  return (zoom) => {
    const later = labels.findIndex(({ minZoom }) => minZoom > zoom);
    const count = later === -1 ? labels.length : later;
    if (count !== chosen.length) chosen = labels.slice(0, count);
    return chosen;
  };
}

const flat = ([lon, lat]: Place): Place => [lon, lat];

/** Below all entities. */
export function fenceLayers(outlines: Outlines, theme: Theme, zoom: number): Layer[] {
  const { rings, circles, corridors } = outlines;
  const line = { widthUnits: "pixels", getWidth: 1.5, getColor: [...theme.selection, 150] } as const;
  const pickable = true;
  return [
    new PathLayer<Outlines["corridors"][number]>({
      ...{ id: "corridors", data: corridors, pickable },
      getPath: ({ line }) => line.map(flat),
      widthUnits: "meters",
      getWidth: ({ radius }) => 2 * radius,
      getColor: [...theme.selection, 36],
      capRounded: true,
      jointRounded: true,
    }),
    new PathLayer<Outlines["rings"][number]>({
      ...{ id: "rings", data: rings, pickable },
      getPath: ({ ring }) => ring.map(flat),
      ...line,
    }),
    new ScatterplotLayer<Outlines["circles"][number]>({
      ...{ id: "circles", data: circles, pickable },
      getPosition: ({ centre }) => flat(centre),
      getRadius: ({ radius }) => radius,
      filled: false,
      stroked: true,
      lineWidthUnits: "pixels",
      getLineWidth: line.getWidth,
      getLineColor: line.getColor,
    }),
    new TextLayer<FenceLabel>({
      ...{ id: "fence-names", data: outlines.labelsAt(zoom), pickable },
      getPosition: ({ place }) => place,
      getText: ({ name }) => name,
      characterSet: "auto",
      getSize: 12,
      getColor: [...theme.selection, 210],
      getPixelOffset: [0, -4],
      getAlignmentBaseline: "bottom",
      fontFamily: "system-ui, sans-serif",
      background: true,
      getBackgroundColor: [...theme.halo, 150],
      backgroundPadding: [4, 1],
      backgroundBorderRadius: 4,
    }),
  ];
}
