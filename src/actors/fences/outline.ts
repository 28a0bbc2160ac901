/** A shape made ready for tests of places. */

import { Area } from "./area.ts";
import { Circle } from "./circle.ts";
import { Corridor } from "./corridor.ts";
import type { Shape } from "./definition.ts";
import type { Edges } from "./edges.ts";

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

export interface Outline {
  /** Of an area: its polygons, each with all its rings. */
  readonly polygons?: readonly Edges[];
  contains(lon: number, lat: number): boolean;
  /** How far outside a place is, m; meaningless for a place inside. */
  distance(lon: number, lat: number): number;
  share(cell: CellBox): Share;
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
