/** A shape made ready for tests of places. */

import { Area } from "./area.ts";
import { Circle } from "./circle.ts";
import { Corridor } from "./corridor.ts";
import type { Shape } from "./definition.ts";

/** A part of the plane of degrees, with the centre of it. */
export interface CellBox {
  west: number;
  south: number;
  east: number;
  north: number;
  lon: number;
  lat: number;
  /** No place of it is farther from the centre, m. */
  reach: number;
}

/** How much of a cell a shape takes. `some` may be said of all that is not sure to be `all` or `none`. */
export type Share = "all" | "some" | "none";

/** What is asked of each place. */
export interface PlaceTest {
  contains(lon: number, lat: number): boolean;
  /** How many edges it looks at. */
  readonly edges: number;
}

export interface Outline extends PlaceTest {
  /** How far outside a place is, m; meaningless for a place inside. */
  distance(lon: number, lat: number): number;
  share(cell: CellBox): Share;
  /** The same test, for places of a cell only. */
  within(cell: CellBox): PlaceTest;
}

export function outlineOf(shape: Shape): Outline {
  switch (shape.is) {
    case "area":
      return new Area(shape.polygons);
    case "circle":
      return new Circle(shape.centre, shape.radius);
    case "corridor":
      return new Corridor(shape.line, shape.radius);
    default:
      return shape satisfies never;
  }
}
