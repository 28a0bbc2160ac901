/** A view that follows an entity: a box around it, aimed anew at each base tick. */
import { EXPIRED } from "../../actors/messages.ts";
import { HAS_PLACE } from "../../picture/columns.ts";
import type { Lens } from "../../picture/lens.ts";
import type { Picture } from "../../picture/picture.ts";
import { boxAround } from "../../picture/sphere.ts";
import type { DepartureReason } from "../../picture/tick.ts";
import type { BoxView } from "./box-view.ts";

export class Follow {
  readonly #picture: Picture;
  readonly #slot: number;
  readonly id: string;
  readonly #radius: number;
  #lon = NaN;
  #lat = NaN;

  /** @param slot of the target. @param radius metres */
  constructor(picture: Picture, slot: number, radius: number) {
    this.#picture = picture;
    this.#slot = slot;
    this.id = picture.columns.id[slot]!;
    this.#radius = radius;
  }

  /** Moves the view to where the target is. @returns why there is no target any more, if so. */
  aim(view: BoxView, lens: Lens): DepartureReason | undefined {
    const { columns } = this.#picture;
    const slot = this.#slot;
    if (this.#picture.find(this.id) !== slot) return this.#picture.removal(slot) ?? "deleted";
    if ((columns.flags[slot] & HAS_PLACE) === 0) return "left";
    if (columns.liveness[slot] === EXPIRED) return "expired";
    if (!lens.test(slot)) return "filter";
    const lon = columns.lon[slot];
    const lat = columns.lat[slot];
    if (lon === this.#lon && lat === this.#lat) return undefined;
    this.#lon = lon;
    this.#lat = lat;
    const [west, south, east, north] = boxAround(lon, lat, this.#radius);
    view.move([west, south, east, north]);
    return undefined;
  }
}
