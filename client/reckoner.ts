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
  /** Of what was told anew, and not elsewhere: when it was told first to be there, Unix ms. */
  readonly #placedAt = new WeakMap<Entity, number>();
  readonly #hasTolerance: boolean;

  constructor(tolerance: Tolerance | undefined) {
    this.#hasTolerance = tolerance !== undefined;
    this.maxAgeMs = tolerance === undefined ? RECKON_MS : TOLERANCES[tolerance].maxAgeMs;
  }

  /**
   * An entity is told anew, where it was. That was a report without a place, or of a device that has no other yet: its `t` is not when it was there.
   * With a tolerance the server reckons from `t`, and so must a client.
   */
  stays(before: Entity, now: Entity): void {
    // What stood was there until it is told to move.
    if (this.#hasTolerance || !(before.speed! > 0)) return;
    this.#placedAt.set(now, this.#placedAt.get(before) ?? Date.parse(before.t));
  }

  place(entity: Entity, at: number, into: { lon: number; lat: number }): void {
    if (entity.liveness !== "live" || entity.speed === undefined || entity.course === undefined) {
      into.lon = entity.lon;
      into.lat = entity.lat;
      return;
    }
    const fix = this.#fix;
    fix.t = this.#placedAt.get(entity) ?? Date.parse(entity.t);
    fix.lon = entity.lon;
    fix.lat = entity.lat;
    fix.speed = entity.speed;
    fix.course = entity.course;
    reckon(fix, at, this.maxAgeMs, into);
  }
}
