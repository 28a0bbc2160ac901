/** All within some metres of a place, by great circles: right at the poles and across 180° too. */
import { distance } from "../../picture/sphere.ts";
import type { Place } from "./definition.ts";
import type { CellBox, Outline, Share } from "./outline.ts";

/** Covers rounding, m. */
const MARGIN = 0.001;

export class Circle implements Outline {
  readonly #lon: number;
  readonly #lat: number;
  readonly #radius: number;

  constructor([lon, lat]: Place, radius: number) {
    this.#lon = lon;
    this.#lat = lat;
    this.#radius = radius;
  }

  contains(lon: number, lat: number): boolean {
    return distance(lon, lat, this.#lon, this.#lat) <= this.#radius;
  }

  distance(lon: number, lat: number): number {
    return distance(lon, lat, this.#lon, this.#lat) - this.#radius;
  }

  share({ lon, lat, reach }: CellBox): Share {
    const away = distance(lon, lat, this.#lon, this.#lat);
    if (away - reach > this.#radius + MARGIN) return "none";
    return away + reach < this.#radius - MARGIN ? "all" : "some";
  }
}
