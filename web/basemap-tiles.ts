/**
 * Natural Earth's land and borders as vector tiles, made when the page is built: a browser loads and draws the few tiles that it shows instead of
 * the outlines of the whole world.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { GeoJSONVT, type GeoJSONVTTile } from "@maplibre/geojson-vt";
import { fromGeojsonVt } from "@maplibre/vt-pbf";
import { feature, mesh, type Topology } from "topojson-client";
import type { Plugin } from "vite";
import { withoutJumps } from "./antimeridian.ts";
import { BASEMAP_ZOOM, tilePath } from "./basemap-path.ts";

const ATLAS = createRequire(import.meta.url).resolve("world-atlas/countries-10m.json");
/** Of a tile's side: 150 m at the highest zoom, which is finer than what was drawn for 1 : 10,000,000. */
const EXTENT = 8_192;
/** What a tile has beyond its sides, so that the ends of lines are not seen. */
const BUFFER = 128;
/** How far a simpler line may be from the true one, in units of the extent: three eighths of a pixel. With half of it a coast is longer than MapLibre draws in one piece. */
const TOLERANCE = 6;
const TYPE = "application/x-protobuf";

/** A tile without land or borders is empty. @yields every tile, by its path below the page */
export function* basemapTiles(): Iterable<readonly [path: string, tile: Uint8Array]> {
  const topology = JSON.parse(readFileSync(ATLAS, "utf8")) as Topology;
  const land = cut(feature(topology, topology.objects.land));
  const borders = cut(mesh(topology, topology.objects.countries, (a, b) => a !== b));
  for (let z = 0; z <= BASEMAP_ZOOM; z++) {
    for (let x = 0; x < 2 ** z; x++) {
      for (let y = 0; y < 2 ** z; y++) {
        const layers: Record<string, GeoJSONVTTile> = {};
        for (const [name, tiles] of Object.entries({ land, borders })) {
          const tile = tiles.getTile(z, x, y);
          if (tile !== null && tile.features.length > 0) layers[name] = tile;
        }
        yield [tilePath(z, x, y), fromGeojsonVt(layers, { version: 2, extent: EXTENT })];
      }
    }
  }
}

function cut(outlines: GeoJSON.GeoJSON): GeoJSONVT {
  return new GeoJSONVT(withoutJumps(outlines), {
    ...{ maxZoom: BASEMAP_ZOOM, indexMaxZoom: BASEMAP_ZOOM, indexMaxPoints: 0 },
    ...{ extent: EXTENT, buffer: BUFFER, tolerance: TOLERANCE },
  });
}

/** Puts the tiles beside the page: as files when it is built, from memory while it is served by Vite. */
export function basemapPlugin(): Plugin {
  return {
    name: "muster-basemap",
    generateBundle() {
      for (const [fileName, source] of basemapTiles()) this.emitFile({ type: "asset", fileName, source });
    },
    configureServer({ middlewares }) {
      const tiles = new Map(basemapTiles());
      middlewares.use((request, response, next) => {
        const tile = tiles.get(request.url?.slice(1) ?? "");
        if (tile === undefined) return next();
        response.setHeader("content-type", TYPE);
        response.end(tile);
      });
    },
  };
}
