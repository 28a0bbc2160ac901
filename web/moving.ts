/** What moves of the picture that is shown, by the server's clock. Another view begins anew, with what it holds when it is shown. */
import type { Connection } from "../client/connection.ts";
import type { Entity } from "../client/replica.ts";
import { Motion } from "./motion.ts";
import type { Shown } from "./shown.ts";

export class Moving {
  readonly #connection: Connection;
  readonly #shown: Shown;
  readonly #now: () => number;
  #motion!: Motion;
  /** Server time − the time of frames of the screen, ms. */
  #serverAhead = 0;

  /**
   * Listens before whoever draws, who listens later.
   * @param isSmooth whether what is told anew glides
   * @param now the time of frames of the screen, ms
   */
  constructor(
    connection: Connection,
    shown: Shown,
    isSmooth: () => boolean,
    now: () => number = () => performance.now(),
  ) {
    this.#connection = connection;
    this.#shown = shown;
    this.#now = now;
    this.#begin();
    shown.on("view", () => this.#begin());
    shown.on("change", ({ added, updated, removed }) => {
      for (const [id] of removed) this.#motion.remove(id);
      this.#tell(added, isSmooth());
      this.#tell(updated, isSmooth());
    });
  }

  /** Where to draw an entity, and whether it will be elsewhere soon after; undefined if it was never told. */
  at(id: string, now: number): ReturnType<Motion["at"]> {
    return this.#motion.at(id, now);
  }

  #begin(): void {
    this.#motion = new Motion((entity, now, into) => this.#foresee(entity, now, into));
    // Its snapshot came before it was shown.
    this.#tell(this.#shown.view.entities.keys(), false);
  }

  #tell(ids: Iterable<string>, glide: boolean): void {
    const now = this.#now();
    this.#serverAhead = this.#connection.serverNow() - now;
    for (const id of ids) {
      const entity = this.#shown.view.entities.get(id);
      if (entity !== undefined) this.#motion.told(entity, now, glide);
    }
  }

  #foresee(entity: Entity, now: number, into: { lon: number; lat: number }): boolean {
    const { view } = this.#shown;
    const at = now + this.#serverAhead;
    view.placeOf(entity, at, into);
    if (into.lon === entity.lon && into.lat === entity.lat) return false;
    return at < Date.parse(entity.placedAt ?? entity.t) + view.reckonMs;
  }
}
