/** What the page shows: the live picture, or what was. */
import type { Connection } from "../client/connection.ts";
import { Emitter } from "../client/emitter.ts";
import type { FilterChange } from "../client/filter-changes.ts";
import { PlaybackView } from "../client/playback-view.ts";
import type { Change } from "../client/replica.ts";
import type { View, ViewState } from "../client/view.ts";
import type { Bbox } from "../src/transport/feed/protocol.ts";

interface ShownEvents {
  /** Another view is shown. */
  view: View;
  /** Of the view that is shown. */
  change: Change;
  state: ViewState;
  /** The view that is asked for is another, or does something else: it may not be shown yet. */
  asked: View;
  /** What was asked for cannot be shown; what is shown stays. */
  refused: Error;
}

/** One view is shown. When another is asked for, it takes its place once it is there, so that the map is never empty in between. */
export class Shown extends Emitter<ShownEvents> {
  readonly #connection: Connection;
  #bbox: Bbox;
  #view: View;
  #asked: View;

  constructor(connection: Connection, bbox: Bbox) {
    super();
    this.#connection = connection;
    this.#bbox = bbox;
    this.#view = this.#asked = this.#open(undefined);
    this.#forward(this.#view);
  }

  get view(): View {
    return this.#view;
  }
  /** Of what was, if that is asked for. */
  get past(): PlaybackView | undefined {
    return this.#asked instanceof PlaybackView ? this.#asked : undefined;
  }
  get bbox(): Bbox {
    return this.#bbox;
  }

  update(bbox: Bbox): void {
    this.#bbox = bbox;
    this.#asked.update(bbox);
    if (this.#view !== this.#asked) this.#view.update(bbox);
  }

  /** As `View.setFilter`. If another view takes the place of the one that was asked, which it does with its filter, that one decides. */
  setFilter(change: FilterChange): Promise<void> {
    const view = this.#asked;
    return this.#settle(change, view, view.setFilter(change));
  }

  /** Shows what was, standing still. @param at Unix ms */
  showPast(at: number): void {
    if (this.past === undefined) this.#ask(this.#open(at));
    else this.past.seek(at);
  }

  showLive(): void {
    if (this.past !== undefined) this.#ask(this.#open(undefined));
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

  #open(at: number | undefined): View {
    const options = { bbox: this.#bbox, ...this.#asked?.filter };
    return at === undefined
      ? this.#connection.view(options)
      : this.#connection.view({ ...options, at, speed: 0 });
  }

  #ask(view: View): void {
    if (this.#asked !== this.#view) this.#asked.close();
    this.#asked = view;
    view.on("playback", () => this.#asked === view && this.emit("asked", view));
    view.on("state", (state) => {
      if (state === "failed" && this.#view === view && this.#asked === view) this.showLive();
    });
    view.ready.then(
      () => this.#asked === view && this.#show(view),
      (error) => this.#asked === view && this.#stay(error),
    );
    this.emit("asked", view);
  }

  #stay(error: Error): void {
    this.#asked = this.#view;
    this.emit("asked", this.#view);
    this.emit("refused", error);
  }

  #show(view: View): void {
    const before = this.#view;
    this.#view = view;
    this.#forward(view);
    this.emit("view", view);
    before.close();
  }

  #forward(view: View): void {
    view.on("change", (change) => this.#view === view && this.emit("change", change));
    view.on("state", (state) => this.#view === view && this.emit("state", state));
  }
}
