import { type Fix, reckon } from "../src/picture/dead-reckoning.ts";
import { TOLERANCES, type Tolerance } from "../src/transport/feed/protocol.ts";
import type { Entity } from "./replica.ts";

/** How far beyond a fix without a tolerance. */
const RECKON_MS = 10_000;

/** Where entities of a view probably are between two reports. The server holds back a move as long as this is right. */
export class Reckoner {
  /** For how long after a fix something is moved on, ms. */
  readonly maxAgeMs: number;
  /** Used again, because a map asks for everything in each of its frames. */
  readonly #fix: Fix = { t: 0, lon: 0, lat: 0, speed: NaN, course: NaN };

  constructor(tolerance: Tolerance | undefined) {
    // One that there is not is for the server to refuse.
    this.maxAgeMs = TOLERANCES[tolerance as Tolerance]?.maxAgeMs ?? RECKON_MS;
  }

  place(entity: Entity, at: number, into: { lon: number; lat: number }): void {
    if (entity.liveness !== "live" || entity.speed === undefined || entity.course === undefined) {
      into.lon = entity.lon;
      into.lat = entity.lat;
      return;
    }
    const fix = this.#fix;
    fix.t = Date.parse(entity.placedAt ?? entity.t);
    fix.lon = entity.lon;
    fix.lat = entity.lat;
    fix.speed = entity.speed;
    fix.course = entity.course;
    reckon(fix, at, this.maxAgeMs, into);
  }
}
