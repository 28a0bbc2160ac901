/**
 * A view of the past. It has a picture of its own, in which the past happens, and a view like others on it.
 *
 * Its time stands or goes on (`PlaybackState` in `protocol.ts`); it goes on only within what was read of history. What comes next is read before
 * it is needed, and what is shown is read again, since late reports change it.
 */
import assert from "node:assert/strict";
import { StoreAway } from "../../actors/ports.ts";
import type { Clock } from "../../clock.ts";
import { PLAYBACK_RETRY_MS } from "../../limits.ts";
import { coverBoxes, coverOf } from "../../picture/cover.ts";
import type { Lens } from "../../picture/lens.ts";
import { isoTime } from "../../picture/record.ts";
import type { TickTime } from "../../picture/tick.ts";
import type { History } from "../../tracks/history.ts";
import { grown, type Region, regionOf } from "../../tracks/stretch.ts";
import { BinaryFormat } from "./binary-format.ts";
import { BoxView } from "./box-view.ts";
import { Broadcast, type FeedLog } from "./broadcast.ts";
import { IdsView } from "./ids-view.ts";
import { JsonFormat } from "./json-format.ts";
import type { Past } from "./past.ts";
import { PlayedWindow } from "./played-window.ts";
import type { Bbox, PlaybackState, Rate, Update } from "./protocol.ts";
import type { Session } from "./session.ts";
import type { ViewSink } from "./view.ts";

/** So much is read on each side of a view, so that not each pan reads again. */
const MARGIN_SHARE = 0.25;

const AWAY = "history cannot be read now: the database does not answer, or shards have no owner";
const CROWDED = "more entities, or longer ways, are in this place than one view can play: look at less";

export interface PlaybackOptions {
  name: string;
  past: Past;
  lens: Lens;
  bbox?: Bbox;
  ids?: readonly string[];
  rate: Rate;
  max: number;
  partRecords: number;
  /** Unix ms. */
  at: number;
  speed: number;
  history: History;
  clock: Clock;
  log: FeedLog;
}

export class Playback {
  readonly session: Session;
  readonly view: BoxView | IdsView;
  readonly #options: PlaybackOptions;
  readonly #broadcast: Broadcast;
  readonly #ids: readonly string[] | undefined;
  #region: Region | undefined;
  #state: PlaybackState = "loading";
  /** The played time, Unix ms with fractions, and when it was, monotonic ms. */
  #t: number;
  #as: number;
  #speed: number;
  #window: PlayedWindow | undefined;
  /** What is shown is this moment of that window. */
  #shownT = NaN;
  #shownWindow: PlayedWindow | undefined;
  /** The moment to be shown does not follow the one that is. */
  #jumped = false;
  /** The reading under way, if one is; it is not wanted once this is another. */
  #reading: object | undefined;
  #retryAt = -Infinity;
  #away = false;
  #crowded = false;
  /** What the client was told last; it is told anew if it asked for something. */
  #told: PlaybackState | undefined;
  /** Of its time or its speed. */
  #updates = 0;

  constructor(session: Session, options: PlaybackOptions) {
    const { name, past, lens, bbox, ids, rate, clock, log } = options;
    const { picture } = past;
    this.session = session;
    this.#options = options;
    this.#broadcast = new Broadcast({ picture, clock, log });
    this.#ids = ids;
    this.#t = options.at;
    this.#speed = options.speed;
    this.#as = clock.monotonic();
    const format = session.format.isBinary ? new BinaryFormat(picture) : new JsonFormat(picture);
    const sink: ViewSink = {
      format,
      sendFrame: (frame, records) => session.sendFrame(frame, records),
      sendMessage: (message) => session.sendMessage(message),
    };
    const number = session.nextViewNumber();
    this.view =
      ids === undefined
        ? new BoxView(sink, { ...options, number })
        : new IdsView(sink, picture, { name, number, ids });
    if (bbox !== undefined) this.#region = regionFor(bbox);
    const joined = this.#broadcast.join(this.view, session, { lens, rate, tolerance: undefined });
    assert.ok(joined, "a picture with one view has a channel for it");
    this.#tell();
  }

  get name(): string {
    return this.view.name;
  }

  /** Moves it in place or time, or plays it otherwise. @param at Unix ms */
  update({ bbox, speed }: Update, at: number | undefined): void {
    if (bbox !== undefined) {
      (this.view as BoxView).move(bbox);
      this.#region = regionFor(bbox);
    }
    if (at !== undefined) {
      this.#t = at;
      this.#as = this.#options.clock.monotonic();
      this.#jumped = true;
    }
    if (speed !== undefined) this.#speed = speed;
    this.#crowded = false;
    if (!this.#isRead) this.#reading = undefined;
    if (at === undefined && speed === undefined) return;
    this.#told = undefined;
    this.#updates++;
    // What is said of the time before does not hold any more.
    if (!this.#isRead) this.#become("loading");
  }

  /** Gives it another filter. */
  refilter(lens: Lens): void {
    const { rate } = this.#options;
    this.#broadcast.leave(this.view);
    this.#broadcast.join(this.view, this.session, { lens, rate, tolerance: undefined });
    this.view.refilter();
  }

  /** Nothing that is under way has an effect any more. */
  close(): void {
    this.#reading = undefined;
    this.#broadcast.leave(this.view);
  }

  /** Plays on, and serves its view. */
  tick({ tick, lag }: Omit<TickTime, "t">): void {
    const state = this.#advance();
    const t = Math.floor(this.#t);
    if (
      this.#window !== undefined &&
      this.#isRead &&
      (t !== this.#shownT || this.#window !== this.#shownWindow)
    ) {
      if (this.#window !== this.#shownWindow) this.#options.past.take(this.#window.ways);
      this.#options.past.show(t, !this.#jumped);
      this.#shownT = t;
      this.#shownWindow = this.#window;
      this.#jumped = false;
    }
    // Before anything was read there is nothing to be promised.
    if (!Number.isNaN(this.#shownT)) this.#broadcast.tick({ tick, t: this.#shownT, lag });
    this.#become(state);
  }

  /** Lets its time pass, as far as it was read. */
  #advance(): PlaybackState {
    const { clock } = this.#options;
    const now = clock.monotonic();
    const passed = (now - this.#as) * this.#speed;
    this.#as = now;
    if (this.#crowded) return "crowded";
    if (!this.#isRead) return this.#away ? "unavailable" : "loading";
    if (this.#speed === 0)
      return this.#state === "present" && this.#told !== undefined ? "present" : "paused";
    const { to, endsNow } = this.#window!;
    this.#t += passed;
    if (this.#t <= to) return "playing";
    this.#t = to;
    if (this.#away) return "unavailable";
    if (!endsNow) return "loading";
    this.#speed = 0;
    return "present";
  }

  /** Whether what is to be shown was read. */
  get #isRead(): boolean {
    return this.#window?.tells(this.#t, this.#region) === true;
  }

  /** Whether it has to read. */
  get wantsToRead(): boolean {
    const { clock } = this.#options;
    if (this.#reading !== undefined || this.#crowded || clock.monotonic() < this.#retryAt) return false;
    return !this.#isRead || this.#window!.isOver(this.#t, this.#speed, clock.now());
  }

  /** Reads. @param points as many at most, about */
  async read(points: number): Promise<void> {
    const { history, clock } = this.#options;
    const reading = {};
    this.#reading = reading;
    const region = this.#region && grown(this.#region, MARGIN_SHARE);
    const most = this.#window?.mostNext ?? Infinity;
    const query = { from: Math.floor(this.#t), speed: this.#speed, region, ids: this.#ids, points, most };
    let read: Awaited<ReturnType<typeof PlayedWindow.read>>;
    try {
      read = await PlayedWindow.read(history, query, clock, () => this.#reading === reading);
    } catch (error) {
      if (this.#reading !== reading) return;
      if (!(error instanceof StoreAway)) throw error;
      read = "missing";
    }
    if (this.#reading !== reading) return;
    this.#reading = undefined;
    this.#away = read === "missing";
    if (read === "missing") this.#retryAt = clock.monotonic() + PLAYBACK_RETRY_MS;
    else if (read === "crowded") this.#crowd();
    else if (read?.tells(this.#t, this.#region)) this.#window = read;
  }

  #crowd(): void {
    this.#crowded = true;
    this.#window = undefined;
    this.#options.past.take(new Map());
    this.#shownT = Math.floor(this.#t);
    this.#shownWindow = undefined;
    this.#options.past.show(this.#shownT, false);
  }

  #become(state: PlaybackState): void {
    this.#state = state;
    if (this.#told === state) return;
    const { name: view, session } = this;
    if (state === "unavailable") session.refuse({ type: "unavailable", detail: AWAY, view });
    if (state === "crowded") session.refuse({ type: "too-much-to-play", detail: CROWDED, view });
    this.#tell();
  }

  #tell(): void {
    this.#told = this.#state;
    this.session.sendMessage({
      ...{ op: "playback", view: this.name, t: isoTime(this.#t), speed: this.#speed, state: this.#state },
      updates: this.#updates,
    });
  }
}

/** The region of a box's cover. */
function regionFor(bbox: Bbox): Region {
  const [west, , east] = bbox;
  return regionOf(coverBoxes(coverOf(bbox)), west <= east ? (west + east) / 2 : (west + east) / 2 + 180);
}
