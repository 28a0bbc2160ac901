/**
 * Tolerance: a move is held back while what clients make of the last one they were sent is good enough. By slot, that fix and when it was
 * sent. Both reckon from when something was at its place, with the speed and course that are known now. A correction comes when the error exceeds the tolerance, and after the greatest age in any case.
 */
import { type Columns, widenF32, widenF64 } from "./columns.ts";
import { nearDistance, reckon } from "./dead-reckoning.ts";

export interface Tolerance {
  /** Part of a channel's key. */
  readonly name: string;
  readonly metres: number;
  /** A move is held back no longer than this, and clients extrapolate no longer. */
  readonly maxAgeMs: number;
}

const shown = { lon: 0, lat: 0 };
const actual = { lon: 0, lat: 0 };
const fix = { t: 0, lon: 0, lat: 0, speed: 0, course: 0 };

export class Hold {
  readonly #columns: Columns;
  readonly #tolerance: Tolerance;
  #lon = new Float64Array(0);
  #lat = new Float64Array(0);
  #placedAt = new Float64Array(0);
  #sentAt = new Float64Array(0);
  #speed = new Float32Array(0);
  #course = new Float32Array(0);

  constructor(columns: Columns, tolerance: Tolerance) {
    this.#columns = columns;
    this.#tolerance = tolerance;
  }

  /** Makes room for all slots. */
  grow(): void {
    const { capacity } = this.#columns;
    if (capacity <= this.#placedAt.length) return;
    this.#lon = widenF64(this.#lon, capacity);
    this.#lat = widenF64(this.#lat, capacity);
    this.#placedAt = widenF64(this.#placedAt, capacity);
    this.#sentAt = widenF64(this.#sentAt, capacity);
    this.#speed = widenF32(this.#speed, capacity);
    this.#course = widenF32(this.#course, capacity);
  }

  /** The slot as it is now is sent to everybody at `now`, Unix ms. */
  sent(slot: number, now: number): void {
    const columns = this.#columns;
    this.#lon[slot] = columns.lon.of(slot);
    this.#lat[slot] = columns.lat.of(slot);
    this.#placedAt[slot] = columns.placedAt.of(slot);
    this.#speed[slot] = columns.speed.of(slot);
    this.#course[slot] = columns.course.of(slot);
    this.#sentAt[slot] = now;
  }

  /** Somebody alone was sent the slot as it is now: from here on not all make the same of it, so the next move is sent to all. */
  spoil(slot: number): void {
    this.#sentAt[slot] = Number.NEGATIVE_INFINITY;
  }

  /** Whether what clients show at `now`, Unix ms, is good enough. */
  isGoodEnough(slot: number, now: number): boolean {
    const { metres, maxAgeMs } = this.#tolerance;
    const age = now - this.#sentAt[slot];
    // A clock that was set back must not hold anything for hours.
    if (!(age >= 0 && age < maxAgeMs)) return false;
    const columns = this.#columns;
    fix.t = columns.placedAt.of(slot);
    fix.lon = columns.lon.of(slot);
    fix.lat = columns.lat.of(slot);
    fix.speed = columns.speed.of(slot);
    fix.course = columns.course.of(slot);
    reckon(fix, now, maxAgeMs, actual);
    fix.t = this.#placedAt[slot];
    fix.lon = this.#lon[slot];
    fix.lat = this.#lat[slot];
    fix.speed = this.#speed[slot];
    fix.course = this.#course[slot];
    reckon(fix, now, maxAgeMs, shown);
    return nearDistance(shown.lon, shown.lat, actual.lon, actual.lat) <= metres;
  }
}
