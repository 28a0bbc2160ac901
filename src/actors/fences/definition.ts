/** A fence as it is written, in GeoJSON, and as it is once it was checked. */

/** Degrees WGS 84. */
export type Place = readonly [lon: number, lat: number];
/** Closed: the last place is the first. */
export type Ring = readonly Place[];

export type Shape =
  /** Each polygon: its outline, then its holes. */
  | { is: "area"; polygons: readonly (readonly Ring[])[] }
  | { is: "circle"; centre: Place /** m */; radius: number }
  /** All within `radius` m of a line. */
  | { is: "corridor"; line: readonly Place[]; radius: number };

/** What a fence looks at, and how sure it wants to be. */
export interface FenceRules {
  /** Only entities of these kinds; absent = all. */
  kinds?: readonly string[];
  /** An entity has left only when it is farther outside than this, m. */
  exitBuffer: number;
  /** It has entered, or left, only when it has been on that side so long, ms. */
  dwellMs: number;
  /** It has entered, or left, only with so many fixes in a row on that side. */
  minReports: number;
  /** A fix with a larger radius of uncertainty says nothing, m; absent = any will do. */
  maxAccuracy?: number;
  /** Above sea level, m; a fix without an altitude is taken as between them. Absent = none. */
  floor?: number;
  ceiling?: number;
}

export interface Fence {
  shape: Shape;
  rules: FenceRules;
  /** Points of its outline, all rings together. */
  points: number;
}
