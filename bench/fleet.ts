/**
 * The entities that the benchmarks move: vessels around busy places, a few places much busier than most, and some
 * alone at sea. A uniform layout would flatter every spatial index and every viewport.
 */
import { createHash } from "node:crypto";
import { Random } from "./random.ts";

/** Share of entities that belong to no busy place. */
const ALONE = 0.1;
/** Entities per busy place, on average. */
const PER_PLACE = 500;
/** Places keep this far from the poles and from 180°, so that nothing that moves or looks crosses an edge of the grid, degrees. */
const MAX_LON = 170;
const MAX_LAT = 65;
/** Metres of a degree of latitude. */
const DEGREE_METRES = 111_320;
/** Seconds that an entity goes one way before it turns back. */
const LEG_S = 120;

export interface FleetParameters {
  entities: number;
  seed: number;
}

export class Fleet {
  readonly parameters: FleetParameters;
  readonly size: number;
  /** Degrees, by entity. */
  readonly lon: Float64Array;
  readonly lat: Float64Array;
  /** Metres a second and degrees, by entity. */
  readonly speed: Float32Array;
  readonly course: Float32Array;
  /** Degrees a second. Known beforehand: movement made in a server under test is on its account. */
  readonly #lonPerS: Float64Array;
  readonly #latPerS: Float64Array;

  constructor(parameters: FleetParameters) {
    this.parameters = parameters;
    const size = parameters.entities;
    this.size = size;
    this.lon = new Float64Array(size);
    this.lat = new Float64Array(size);
    this.speed = new Float32Array(size);
    this.course = new Float32Array(size);
    this.#lonPerS = new Float64Array(size);
    this.#latPerS = new Float64Array(size);
    const random = new Random(parameters.seed);
    const places = busyPlaces(Math.max(1, Math.round(size / PER_PLACE)), random);
    for (let i = 0; i < size; i++) {
      if (random.next() < ALONE) {
        this.lon[i] = (2 * random.next() - 1) * MAX_LON;
        this.lat[i] = (2 * random.next() - 1) * MAX_LAT;
      } else {
        const place = places[rank(places.length, random)];
        this.lon[i] = place.lon + random.normal() * place.spread;
        this.lat[i] = place.lat + random.normal() * place.spread * 0.6;
      }
      this.speed[i] = Math.round((1 + 14 * random.next()) * 100) / 100;
      this.course[i] = Math.round(random.next() * 3_599) / 10;
      const course = (this.course[i] / 180) * Math.PI;
      const lonMetres = DEGREE_METRES * Math.cos((this.lat[i] / 180) * Math.PI);
      this.#lonPerS[i] = (this.speed[i] * Math.sin(course)) / lonMetres;
      this.#latPerS[i] = (this.speed[i] * Math.cos(course)) / DEGREE_METRES;
    }
  }

  /** As MMSI are: nine digits. */
  id(entity: number): string {
    return String(230_000_000 + entity);
  }

  /** Seconds of way from the start: there and back, so that viewports keep their size for ever. */
  static way(seconds: number): number {
    const phase = seconds % (2 * LEG_S);
    return phase <= LEG_S ? phase : 2 * LEG_S - phase;
  }

  lonAt(entity: number, seconds: number): number {
    return this.lon[entity] + Fleet.way(seconds) * this.#lonPerS[entity];
  }

  latAt(entity: number, seconds: number): number {
    return this.lat[entity] + Fleet.way(seconds) * this.#latPerS[entity];
  }
}

interface Place {
  lon: number;
  lat: number;
  /** Standard deviation in degrees of longitude. */
  spread: number;
}

function busyPlaces(count: number, random: Random): Place[] {
  return Array.from({ length: count }, () => ({
    lon: (2 * random.next() - 1) * (MAX_LON - 10),
    lat: (2 * random.next() - 1) * (MAX_LAT - 5),
    spread: 0.05 * 40 ** random.next(),
  }));
}

/** The nth place is chosen with a weight of about 1/n (Zipf). */
function rank(count: number, random: Random): number {
  return Math.min(count - 1, Math.floor((count + 1) ** random.next()) - 1);
}

/** Twelve hex digits of what a run does: equal hashes, equal work. Pass parameters and everything that was generated from them. */
export function workloadHash(parameters: object, ...generated: readonly NodeJS.ArrayBufferView[]): string {
  const hash = createHash("sha256").update(JSON.stringify(parameters));
  for (const data of generated) hash.update(data);
  return hash.digest("hex").slice(0, 12);
}
