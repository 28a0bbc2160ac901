/** Which entity is selected, and what is known of it at the time that the page shows. */
import { contains } from "../client/bbox.ts";
import type { Entity } from "../client/replica.ts";
import type { Details, Gone, Sight } from "./details.ts";
import { Forbidden, type Rest, Unauthorized } from "./rest.ts";
import type { Shown } from "./shown.ts";

/** While time goes on each moment is another: so often it is asked about, at most. */
const ASK_MS = 1_000;
/** What was looked up goes on meanwhile, and what could not be may be there again: so often it is asked about once more. */
const ASK_AGAIN_MS = 10_000;
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

interface Known extends Found {
  /** The view tells it, so that it is as it is. */
  isTold: boolean;
  /** Why it could not be looked up, the last time; empty = it could. */
  failure: string;
}

export interface SelectionEvents {
  /** Something else is known of it. */
  changed(): void;
  /** One that was to be shown has been found. */
  found(entity: Entity): void;
}

/**
 * What is in view is told by the view that is shown. What is not is looked up: as it is now when it leaves the view, and each 10 s from then on; as it was
 * for each other moment that is shown; one question at a time, and one a second while the past plays. What is known of another moment than the one shown
 * is told with its own. What was looked up stays while it cannot be looked up again, unless it may not be.
 */
export class Selection {
  readonly #shown: Pick<Shown, "view" | "past">;
  readonly #rest: Pick<Rest, "entity">;
  readonly #events: SelectionEvents;
  #id: string | undefined;
  #known: Known | undefined;
  /** The question that waits for its answer. */
  #question: object | undefined;
  /** When the last question was asked, Unix ms; absent = none was. */
  #askedAt: number | undefined;
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

  /** @param found what is known of it already */
  select(id: string | undefined, found?: Found): void {
    this.#id = id;
    this.#known = found && { ...found, isTold: false, failure: "" };
    this.#question = this.#gone = this.#askedAt = undefined;
    this.#isOld = this.#isSought = false;
  }

  /** Selects one that is to be shown. */
  seek(id: string): void {
    this.select(id);
    this.#isSought = true;
  }

  /** It is to be shown where it is: what was looked up of it before does not count. */
  show(): void {
    this.#isSought = this.#isOld = true;
  }

  /** The reader looks elsewhere: it is not to be shown any more. */
  forgo(): void {
    this.#isSought = false;
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
    const { entity, failure } = known;
    if (entity === undefined) return { id, at: known.at, entity, reason: failure || nothingOf(known.at) };
    return {
      id,
      at: known.at,
      entity,
      sight: this.#sightOf(entity, known.isTold),
      gone: known.at === undefined ? this.#gone : undefined,
      failure,
    };
  }

  #sightOf({ lon, lat, liveness }: Entity, isTold: boolean): Sight {
    const { bbox, clusters } = this.#shown.view;
    const isInBox = bbox === undefined || contains(bbox, lon, lat);
    if (isTold) return isInBox ? "in-view" : "beside";
    const isThere = liveness !== "expired" && this.#gone !== "expired" && this.#gone !== "deleted";
    return isInBox && isThere && clusters.length > 0 ? "grouped" : "away";
  }

  #look(id: string, now: number): void {
    const { view, past } = this.#shown;
    const at = past?.time;
    // Until what was asked for is shown, the view tells of another moment.
    if (past === undefined ? !view.isLive : past.playback === "loading") return;
    const holds = view === (past ?? view) && past?.playback !== "unavailable" && past?.playback !== "crowded";
    const entity = holds ? view.entities.get(id) : undefined;
    if (entity !== undefined) {
      this.#known = { at, entity, isTold: true, failure: "" };
      this.#question = this.#gone = undefined;
      this.#isOld = false;
      if (this.#isSought) this.#events.found(entity);
      this.#isSought = false;
      return;
    }
    const known = this.#known;
    if (known?.isTold === true) {
      known.isTold = false;
      this.#isOld ||= at === undefined;
    }
    const isKnown = known !== undefined && known.at === at && !this.#isOld;
    if (isKnown) this.#askedAt ??= now;
    const isLasting = isKnown && at !== undefined && known.failure === "";
    const isPlaying = past !== undefined && past.playback !== "paused";
    const waitMs = isPlaying ? ASK_MS : isKnown ? ASK_AGAIN_MS : 0;
    const isSoon = this.#askedAt !== undefined && now - this.#askedAt < waitMs;
    if (isLasting || isSoon || this.#question !== undefined) return;
    this.#askedAt = now;
    this.#isOld = false;
    void this.#ask(id, at);
  }

  async #ask(id: string, at: number | undefined): Promise<void> {
    const question = {};
    this.#question = question;
    let entity: Entity | undefined;
    let failure = "";
    let isDenied = false;
    try {
      entity = await this.#rest.entity(id, at);
    } catch (error) {
      isDenied = error instanceof Forbidden || error instanceof Unauthorized;
      failure = `It cannot be looked up: ${(error as Error).message}.`;
    }
    // Meanwhile it may have come into view, or another one may have been selected.
    if (this.#question !== question) return;
    this.#question = undefined;
    const isDeleted = entity === undefined && at === undefined && this.#gone === "deleted";
    if (failure === "" && !isDeleted) this.#gone = undefined;
    else if (this.#known?.at === at && !isDenied) entity = this.#known?.entity;
    this.#known = { at, entity, isTold: false, failure };
    this.#events.changed();
    if (failure !== "") return;
    if (entity !== undefined && this.#isSought) this.#events.found(entity);
    this.#isSought = false;
  }
}

function nothingOf(at: number | undefined): string {
  return at === undefined ? NOBODY : UNKNOWN_THEN;
}
