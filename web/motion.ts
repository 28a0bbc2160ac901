/**
 * Between two reports an entity goes on, so that the eye can follow it: on the way that its speed and course foretell, if
 * they are known. A report that puts it elsewhere than it is drawn does not make it jump: it glides over, which for one
 * without speed or course is all of its movement.
 */
import type { Entity } from "../client/replica.ts";

/** A glide lasts as long as the pause between the entity's last two reports, within these bounds. */
const MIN_GLIDE_MS = 100;
const MAX_GLIDE_MS = 1_000;
/** Further than this, in degrees, is no movement but a correction, a gap, or a step over 180°: it jumps. */
const MAX_GLIDE_DEGREES = 0.5;

/**
 * Where an entity probably is at `now`, ms, written to `into`.
 * @returns whether that is still changing
 */
export type Foresee = (entity: Entity, now: number, into: { lon: number; lat: number }) => boolean;

interface Glide {
  /** As it was told last. */
  entity: Entity;
  /** From where it is foreseen to where it was drawn when that was told, degrees. It shrinks to nothing. */
  lon: number;
  lat: number;
  /** Milliseconds, the clock of `Motion`'s caller. */
  start: number;
  duration: number;
}

/** Where entities are drawn. */
export class Motion {
  readonly #foresee: Foresee;
  readonly #glides = new Map<string, Glide>();
  readonly #place = { lon: 0, lat: 0 };
  readonly #placeBefore = { lon: 0, lat: 0 };

  constructor(foresee: Foresee) {
    this.#foresee = foresee;
  }

  /** An entity was told anew. `glide: false` puts it there at once. */
  told(entity: Entity, now: number, glide: boolean): void {
    const old = this.#glides.get(entity.id);
    const fresh: Glide = { entity, lon: 0, lat: 0, start: now, duration: 0 };
    this.#glides.set(entity.id, fresh);
    if (old === undefined || !glide) return;
    const [place, before] = [this.#place, this.#placeBefore];
    this.#foresee(entity, now, place);
    this.#foresee(old.entity, now, before);
    if (place.lon === before.lon && place.lat === before.lat) {
      // Told of something else than its way: it goes on as it did.
      Object.assign(fresh, { ...old, entity });
      return;
    }
    if (Math.max(Math.abs(before.lon - place.lon), Math.abs(before.lat - place.lat)) > MAX_GLIDE_DEGREES)
      return;
    const rest = restOf(old, now);
    fresh.lon = before.lon + old.lon * rest - place.lon;
    fresh.lat = before.lat + old.lat * rest - place.lat;
    fresh.duration = Math.min(MAX_GLIDE_MS, Math.max(MIN_GLIDE_MS, now - old.start));
  }

  remove(id: string): void {
    this.#glides.delete(id);
  }

  /** Where to draw an entity at `now`, and whether it will be elsewhere soon after; undefined if it was never told. */
  at(id: string, now: number): { position: [lon: number, lat: number]; moving: boolean } | undefined {
    const glide = this.#glides.get(id);
    if (glide === undefined) return undefined;
    const place = this.#place;
    const onItsWay = this.#foresee(glide.entity, now, place);
    const rest = restOf(glide, now);
    if (rest === 0) return { position: [place.lon, place.lat], moving: onItsWay };
    return { position: [place.lon + glide.lon * rest, place.lat + glide.lat * rest], moving: true };
  }
}

/** How much of a glide is left, 1 … 0. */
function restOf({ start, duration }: Glide, now: number): number {
  const left = start + duration - now;
  return left <= 0 ? 0 : Math.min(1, left / duration);
}
