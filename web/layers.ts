import type { Layer } from "@deck.gl/core";
import { IconLayer, ScatterplotLayer, TextLayer } from "@deck.gl/layers";
import type { Entity } from "../client/replica.ts";
import type { ClusterCell } from "../src/transport/feed/protocol.ts";
import type { Theme } from "./basemap.ts";
import { clusterRadius, clusterText } from "./clusters.ts";
import { type IconAtlas, iconName, type Shape } from "./icons.ts";
import { colourIndex, colourOf } from "./palette.ts";
import { type MapSymbol, symbolOf } from "./symbol.ts";

/** An entity as it is drawn. */
export interface Mark {
  id: string;
  position: [lon: number, lat: number];
  kind: string;
  symbol: MapSymbol;
}

export function markOf(entity: Entity, position: [number, number]): Mark {
  return { id: entity.id, position, kind: entity.kind, symbol: symbolOf(entity) };
}

export const PICKABLE = ["dots", "icons", "clusters"];

interface Scene {
  marks: readonly Mark[];
  selected: Mark | undefined;
  clusters: readonly ClusterCell[];
  theme: Theme;
  icons: IconAtlas;
  zoom: number;
}

type Rgba = [number, number, number, number];

/** From below: clusters, the ring of the selected one, what stands still, shapes of what moves. */
export function layersOf({ marks, selected, clusters, theme, icons, zoom }: Scene): Layer[] {
  // Small where the map shows a continent, so that a port is not one blot.
  const size = Math.min(24, Math.max(12, 10 + (zoom - 4) * 2.4));
  const radius = size * 0.2;
  const isStill = ({ symbol }: Mark) => symbol.shape === "dot" || symbol.shape === "point";
  const still = marks.filter(isStill);
  const moving = marks.filter((mark) => !isStill(mark));
  const halo = ({ symbol }: Mark): Rgba => [...theme.halo, 230 * symbol.opacity];
  const colour = ({ kind, symbol }: Mark): Rgba => [...colourOf(kind), 255 * symbol.opacity];
  return [
    new ScatterplotLayer<ClusterCell>({
      id: "clusters",
      data: clusters,
      pickable: true,
      getPosition: ([lon, lat]) => [lon, lat],
      radiusUnits: "pixels",
      getRadius: ([, , count]) => clusterRadius(count),
      getFillColor: [...theme.selection, 205],
      stroked: true,
      lineWidthUnits: "pixels",
      getLineWidth: 2,
      getLineColor: [...theme.halo, 200],
    }),
    new TextLayer<ClusterCell>({
      id: "counts",
      data: clusters,
      getPosition: ([lon, lat]) => [lon, lat],
      getText: ([, , count]) => clusterText(count),
      getSize: 12,
      getColor: [...theme.halo, 255],
      fontFamily: "system-ui, sans-serif",
      fontWeight: 600,
    }),
    new ScatterplotLayer<Mark>({
      id: "selection",
      data: selected === undefined ? [] : [selected],
      getPosition: ({ position }) => position,
      getRadius: size * 0.72,
      radiusUnits: "pixels",
      filled: true,
      getFillColor: [...theme.selection, 28],
      stroked: true,
      getLineColor: [...theme.selection, 230],
      getLineWidth: 2,
      lineWidthUnits: "pixels",
    }),
    new ScatterplotLayer<Mark>({
      id: "dots",
      data: still,
      pickable: true,
      getPosition: ({ position }) => position,
      radiusUnits: "pixels",
      getRadius: ({ symbol }) => (symbol.shape === "point" ? radius * 0.6 : radius),
      getFillColor: (mark) => (mark.symbol.hollow ? halo(mark) : colour(mark)),
      stroked: true,
      lineWidthUnits: "pixels",
      getLineWidth: ({ symbol }) => (symbol.hollow ? 1.8 : 1.2),
      getLineColor: (mark) => (mark.symbol.hollow ? colour(mark) : halo(mark)),
    }),
    new IconLayer<Mark>({
      id: "icons",
      data: moving,
      pickable: true,
      iconAtlas: icons.image,
      iconMapping: icons.mapping,
      getIcon: ({ kind, symbol }) => iconName(symbol.shape as Shape, colourIndex(kind), symbol.hollow),
      getPosition: ({ position }) => position,
      // deck.gl turns counter-clockwise.
      getAngle: ({ symbol }) => -symbol.direction,
      // Flat on the map, so that a turned map turns them as well.
      billboard: false,
      getSize: size,
      getColor: ({ symbol }) => [0, 0, 0, 255 * symbol.opacity],
    }),
  ];
}
