/**
 * A view that follows an entity: a box around it, aimed anew at each base tick. Its target is
 * - `awaited`: not in the picture, but its owner may tell of it;
 * - `found`: where it is, is where the view is.
 *
 * What who follows may not see is as what is not there.
 */
import { EXPIRED } from "../../actors/messages.ts";
import { HAS_PLACE } from "../../picture/columns.ts";
import type { Lens } from "../../picture/lens.ts";
import type { Picture } from "../../picture/picture.ts";
import { boxAround } from "../../picture/sphere.ts";
import type { DepartureReason } from "../../picture/tick.ts";
import type { BoxView } from "./box-view.ts";

/**
 * In a cluster a target is waited for so long. The interest is told within 100 ms, again each second if the bus has lost that, and answered
 * within a round of the owner: this is for two losses in a row. Who misspelt an id waits as long.
 */
export const FOLLOW_WAIT_MS = 3_000;

export interface FollowOptions {
  id: string;
  /** Metres. */
  radius: number;
  /** For so long a target is waited for, ms; 0 = what is not in the picture does not exist. */
  waitMs: number;
  /** Monotonic ms. */
  now: number;
  /** Where it is, as `findPermitted` says. */
  slot: number;
}

/** Where an entity is in a picture, if who looks through a lens may see it; −1 = for him there is none. */
export function findPermitted(picture: Picture, id: string, { permits }: Lens): number {
  const slot = picture.find(id);
  return slot !== -1 && permits?.(slot) === false ? -1 : slot;
}

export class Follow {
  readonly id: string;
  readonly #picture: Picture;
  readonly #radius: number;
  readonly #waitMs: number;
  /** Of the target; −1 = it is awaited. */
  #slot: number;
  #awaitedSince: number;
  #wasFound: boolean;
  #lon = NaN;
  #lat = NaN;

  constructor(picture: Picture, { id, radius, waitMs, now, slot }: FollowOptions) {
    this.id = id;
    this.#picture = picture;
    this.#radius = radius;
    this.#waitMs = waitMs;
    this.#awaitedSince = now;
    this.#slot = slot;
    this.#wasFound = slot !== -1;
  }

  /** Moves the view to where the target is. @param now monotonic ms @returns why there is no target (any more), if so. */
  aim(view: BoxView, lens: Lens, now: number): DepartureReason | "not-found" | undefined {
    const { columns } = this.#picture;
    const slot = findPermitted(this.#picture, this.id, lens);
    if (slot === -1 && this.#slot !== -1 && this.#picture.find(this.id) === this.#slot) return "denied";
    if (slot !== this.#slot && this.#slot !== -1) {
      const reason = this.#picture.removal(this.#slot) ?? "deleted";
      // A mirror that an earlier interest held leaves late, when this one is on its way to the owner.
      if (reason !== "left" || this.#waitMs === 0) return reason;
      this.#awaitedSince = now;
    }
    this.#slot = slot;
    if (slot === -1) {
      if (now - this.#awaitedSince < this.#waitMs) return undefined;
      return this.#wasFound ? "left" : "not-found";
    }
    this.#wasFound = true;
    if ((columns.flags.of(slot) & HAS_PLACE) === 0) return "left";
    if (columns.liveness.of(slot) === EXPIRED) return "expired";
    if (!lens.test(slot)) return "filter";
    const lon = columns.lon.of(slot);
    const lat = columns.lat.of(slot);
    if (lon === this.#lon && lat === this.#lat) return undefined;
    this.#lon = lon;
    this.#lat = lat;
    const [west, south, east, north] = boxAround(lon, lat, this.#radius);
    view.move([west, south, east, north]);
    return undefined;
  }
}
