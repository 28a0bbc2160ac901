/// <reference types="vite/client" />

/** The part of topojson-client that the base map uses; the package has no types of its own. */
declare module "topojson-client" {
  export interface Topology {
    type: "Topology";
    objects: Record<string, unknown>;
  }
  export function feature(topology: Topology, object: unknown): GeoJSON.FeatureCollection | GeoJSON.Feature;
  export function mesh(
    topology: Topology,
    object: unknown,
    filter?: (a: unknown, b: unknown) => boolean,
  ): GeoJSON.MultiLineString;
}
