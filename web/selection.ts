/** Which entity is selected, and what is known of it at the time that the page shows. */
import type { Entity } from "../client/replica.ts";
import type { Details, Gone } from "./details.ts";
import type { Rest } from "./rest.ts";
import type { Shown } from "./shown.ts";

/** While time goes on each moment is another: so often it is asked about, at most. */
const ASK_MS = 1_000;
const LOOKING = "Looking it up …";
const NOBODY = "There is no entity with this id.";
const UNKNOWN_THEN =
  "Nothing is known of it at this time: it had not reported yet, had been silent for long, or was deleted; or that is no longer kept.";

/** What was found of an entity. */
export interface Found {
  /** Of which time, Unix ms; absent = now, and as it was last seen. */
  at?: number;
  /** Absent = there is none. */
  entity?: Entity;
}

export interface SelectionEvents {
  /** Something else is known of it. */
  changed(): void;
  /** One that was not in view when it was selected has been found. */
  found(entity: Entity): void;
}

/**
 * What is in view is told by the view that is shown. What is not is looked up: as it is now once, as it was for each other moment that is shown, one
 * question at a time, and one a second while the past plays. What is known of another moment than the one shown is told with its own.
 */
export class Selection {
  readonly #shown: Pick<Shown, "view" | "past">;
  readonly #rest: Pick<Rest, "entity">;
  readonly #events: SelectionEvents;
  #id: string | undefined;
  #known: (Found & { inView: boolean; reason: string }) | undefined;
  /** The question that waits for its answer. */
  #question: object | undefined;
  /** When the last question was asked, Unix ms. */
  #askedAt = -Infinity;
  /** What is known of it is to be looked up once more. */
  #isOld = false;
  /** Why it left the live view, if it did. */
  #gone: Gone | undefined;
  #isSought = false;

  constructor(shown: Pick<Shown, "view" | "past">, rest: Pick<Rest, "entity">, events: SelectionEvents) {
    this.#shown = shown;
    this.#rest = rest;
    this.#events = events;
  }

  get id(): string | undefined {
    return this.#id;
  }
  /** As it is told now. */
  get entity(): Entity | undefined {
    return this.#known?.entity;
  }

  /** @param found what is known of it already */
  select(id: string | undefined, found?: Found): void {
    this.#id = id;
    this.#known = found && { ...found, inView: false, reason: nothingOf(found.at) };
    this.#question = this.#gone = undefined;
    this.#askedAt = -Infinity;
    this.#isOld = false;
    this.#isSought = found === undefined;
  }

  /** Something was asked of an entity: what was looked up of it may not be so any more. */
  outdate(id: string): void {
    if (id === this.#id) this.#isOld = true;
  }

  /** The view that is shown has lost entities. */
  removed(removed: readonly (readonly [id: string, reason: Gone])[]): void {
    if (!this.#shown.view.isLive) return;
    for (const [id, reason] of removed) if (id === this.#id) this.#gone = reason;
  }

  /** What is to be told of it; undefined if none is selected. What is not known begins to be looked up. @param now Unix ms */
  details(now: number): Details | undefined {
    const id = this.#id;
    if (id === undefined) return undefined;
    this.#look(id, now);
    const at = this.#shown.past?.time;
    const known = this.#known;
    // What is now says nothing about what was, and the other way around.
    if (known === undefined || (known.at === undefined) !== (at === undefined))
      return { id, at, entity: undefined, reason: LOOKING };
    const { entity, inView, reason } = known;
    if (entity === undefined) return { id, at: known.at, entity, reason };
    return { id, at: known.at, entity, inView, gone: known.at === undefined ? this.#gone : undefined };
  }

  #look(id: string, now: number): void {
    const { view, past } = this.#shown;
    const at = past?.time;
    // Until what was asked for is shown, the view tells of another moment.
    if (past === undefined ? !view.isLive : past.playback === "loading") return;
    const holds = view === (past ?? view) && past?.playback !== "unavailable" && past?.playback !== "crowded";
    const entity = holds ? view.entities.get(id) : undefined;
    if (entity !== undefined) {
      this.#known = { at, entity, inView: true, reason: "" };
      this.#question = undefined;
      this.#isSought = false;
      return;
    }
    if (this.#known !== undefined) this.#known.inView = false;
    const isKnown = this.#known !== undefined && this.#known.at === at && !this.#isOld;
    const isSoon = past !== undefined && past.playback !== "paused" && now - this.#askedAt < ASK_MS;
    if (isKnown || isSoon || this.#question !== undefined) return;
    this.#askedAt = now;
    this.#isOld = false;
    void this.#ask(id, at);
  }

  async #ask(id: string, at: number | undefined): Promise<void> {
    const question = {};
    this.#question = question;
    let entity: Entity | undefined;
    let reason = nothingOf(at);
    try {
      entity = await this.#rest.entity(id, at);
    } catch (error) {
      reason = `It cannot be looked up: ${(error as Error).message}.`;
    }
    // Meanwhile it may have come into view, or another one may have been selected.
    if (this.#question !== question) return;
    this.#question = this.#gone = undefined;
    this.#known = { at, entity, inView: false, reason };
    this.#events.changed();
    if (entity !== undefined && this.#isSought) this.#events.found(entity);
    this.#isSought = false;
  }
}

function nothingOf(at: number | undefined): string {
  return at === undefined ? NOBODY : UNKNOWN_THEN;
}
