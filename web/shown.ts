/** What the page shows: the live picture, or what was. */
import { type ClientClock, deviceClock } from "../client/clock.ts";
import type { Connection } from "../client/connection.ts";
import { Emitter } from "../client/emitter.ts";
import { FORBIDDEN, ProblemError } from "../client/errors.ts";
import type { FilterChange } from "../client/filter-changes.ts";
import { PlaybackView } from "../client/playback-view.ts";
import type { Change } from "../client/replica.ts";
import type { View, ViewState } from "../client/view.ts";
import { type Bbox, CLOSE_CODES } from "../src/transport/feed/protocol.ts";

/** A live view that takes the place of one that failed is asked for at most so often. */
const TRY_AGAIN_MS = 5_000;

interface ShownEvents {
  /** Another view is shown. */
  view: View;
  /** Of the view that is shown. */
  change: Change;
  state: ViewState;
  /** The view that is asked for is another, or does something else: it may not be shown yet. */
  asked: View;
  /** The past that was asked for cannot be shown; what is shown stays. */
  refused: Error;
}

/**
 * One view is shown. When another is asked for, it takes its place once it is there, so that the map is never empty in between. One that is shown
 * and fails stays until a live one takes its place, which is asked for again and again. Once the token of the page is none any more, nothing is shown.
 */
export class Shown extends Emitter<ShownEvents> {
  readonly #connection: Connection;
  readonly #clock: ClientClock;
  #bbox: Bbox;
  #view: View;
  #asked: View;
  /** The last one that was in force: that of a view which failed may be what it failed of. */
  #filter: FilterChange = {};
  /** When a live view was asked for, the last time. */
  #triedAt = Number.NEGATIVE_INFINITY;
  #cancelTry: (() => void) | undefined;
  #isForbidden = false;

  constructor(connection: Connection, bbox: Bbox, clock: ClientClock = deviceClock) {
    super();
    this.#connection = connection;
    this.#clock = clock;
    this.#bbox = bbox;
    this.#view = this.#asked = this.#open(undefined, this.#filter);
    this.#forward(this.#view);
    this.#replaceFailed(this.#view);
    connection.on("state", (state) => {
      if (state.name === "closed" && state.code === CLOSE_CODES.unauthorized.code) this.#clear();
    });
  }

  get view(): View {
    return this.#view;
  }
  /** Of what was, if that is asked for. */
  get past(): PlaybackView | undefined {
    return this.#asked instanceof PlaybackView ? this.#asked : undefined;
  }
  /** No role allows to see entities, as the last view that was asked for was told. */
  get isForbidden(): boolean {
    return this.#isForbidden;
  }
  get bbox(): Bbox {
    return this.#bbox;
  }

  update(bbox: Bbox): void {
    this.#bbox = bbox;
    this.#asked.update(bbox);
    if (this.#view !== this.#asked) this.#view.update(bbox);
  }

  /**
   * As `View.setFilter`. If another view takes the place of the one that was asked, which it does with its filter, that one decides; if that one
   * has failed, a live one that is opened with the filter does.
   */
  async setFilter(change: FilterChange): Promise<void> {
    if (this.#hasFailed) {
      const view = this.#open(undefined, { ...this.#filter, ...change });
      this.#ask(view);
      await this.#settle(change, view, view.ready);
    } else {
      const view = this.#asked;
      await this.#settle(change, view, view.setFilter(change));
    }
    this.#filter = { ...this.#filter, ...change };
  }

  /** Shows what was, standing still. @param at Unix ms */
  showPast(at: number): void {
    if (this.past === undefined || this.#hasFailed) this.#ask(this.#open(at));
    else this.past.seek(at);
  }

  showLive(): void {
    if (this.past !== undefined || this.#hasFailed) this.#ask(this.#open(undefined));
  }

  /** Of a past that has caught up: as `showLive`, but if one was asked for just now, it is told later that it is asked for still. */
  goOnLive(): void {
    if (this.#nextTryMs === 0) this.showLive();
    else this.#tryLater(() => this.emit("asked", this.#asked));
  }

  get #hasFailed(): boolean {
    return this.#asked.state === "failed";
  }

  async #settle(change: FilterChange, view: View, done: Promise<unknown>): Promise<void> {
    try {
      await done;
    } catch (error) {
      const next = this.#asked;
      // One that was refused gives way to what is shown, which has another filter.
      const isReplaced = next !== view && (view.state === "closed" || next !== this.#view);
      if (!isReplaced) throw error;
      // Asked again for what waited behind another change; what the view was opened with is not sent twice.
      await this.#settle(change, next, Promise.all([next.ready, next.setFilter(change)]));
    }
  }

  #open(at: number | undefined, filter = this.#hasFailed ? this.#filter : this.#asked.filter): View {
    const { kinds, where } = filter;
    const options = { bbox: this.#bbox, kinds: kinds ?? undefined, where: where ?? undefined };
    if (at !== undefined) return this.#connection.view({ ...options, at, speed: 0 });
    this.#triedAt = this.#clock.now();
    return this.#connection.view(options);
  }

  #ask(view: View): void {
    this.#cancelTry?.();
    this.#cancelTry = undefined;
    if (this.#asked !== this.#view) this.#asked.close();
    this.#asked = view;
    view.on("playback", () => this.#asked === view && this.emit("asked", view));
    this.#replaceFailed(view);
    view.ready.then(
      () => this.#asked === view && this.#show(view),
      (error) => this.#asked === view && this.#stay(view, error),
    );
    this.emit("asked", view);
  }

  #replaceFailed(view: View): void {
    view.on("problem", (problem) => {
      if (view.state !== "failed" || !(problem instanceof ProblemError) || problem.type !== FORBIDDEN) return;
      this.#isForbidden = true;
      this.emit("state", this.#view.state);
    });
    view.on("state", (state) => {
      if (state !== "failed" || this.#view !== view || this.#asked !== view) return;
      if (view.isLive) this.#tryLive();
      // It did not fail of its filter, which goes on.
      else this.#ask(this.#open(undefined, view.filter));
    });
  }

  /** Never at once: whoever waits for a filter of the view that failed hears first that it is refused. */
  #tryLive(): void {
    this.#tryLater(() => this.showLive());
  }

  #tryLater(again: () => void): void {
    if (this.#connection.state.name === "closed") return;
    this.#cancelTry?.();
    this.#cancelTry = this.#clock.schedule(this.#nextTryMs, again);
  }

  get #nextTryMs(): number {
    return Math.max(0, this.#triedAt + TRY_AGAIN_MS - this.#clock.now());
  }

  #stay(refused: View, error: Error): void {
    this.#asked = this.#view;
    if (this.#hasFailed) this.#tryLive();
    this.emit("asked", this.#view);
    if (!refused.isLive) this.emit("refused", error);
  }

  #show(view: View): void {
    const before = this.#view;
    this.#view = view;
    this.#isForbidden = false;
    this.#forward(view);
    this.emit("view", view);
    before.close();
  }

  /** Whoever has this page may not see anything any more: a view that stays empty takes the place. */
  #clear(): void {
    this.#asked = this.#open(undefined);
    this.#show(this.#asked);
  }

  #forward(view: View): void {
    view.on("change", (change) => this.#view === view && this.emit("change", change));
    view.on("state", (state) => this.#view === view && this.emit("state", state));
  }
}
