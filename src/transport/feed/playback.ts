/**
 * A view of the past. It has a picture of its own, in which the past happens, and a view like others on it.
 *
 * Its time stands or goes on (`PlaybackState` in `protocol.ts`); it goes on only within what was read of history. What comes next is read before
 * it is needed, and what is shown is read again, since late reports change it.
 */
import assert from "node:assert/strict";
import type { Permitted } from "../../access/ports.ts";
import { StoreAway } from "../../actors/ports.ts";
import type { Clock } from "../../clock.ts";
import {
  PLAYBACK_AHEAD_MS,
  PLAYBACK_FIRST_AHEAD_MS,
  PLAYBACK_LEAST_MS,
  PLAYBACK_LONGEST_MS,
  PLAYBACK_PRESENT_MS,
  PLAYBACK_RETRY_MS,
  PLAYBACK_SHORTEST_MS,
} from "../../limits.ts";
import { coverBoxes, coverOf } from "../../picture/cover.ts";
import type { Lens } from "../../picture/lens.ts";
import { isoTime } from "../../picture/record.ts";
import type { TickTime } from "../../picture/tick.ts";
import type { History } from "../../tracks/history.ts";
import { grown, holds, type Region, regionOf } from "../../tracks/stretch.ts";
import { BinaryFormat } from "./binary-format.ts";
import { BoxView } from "./box-view.ts";
import { Broadcast, type FeedLog } from "./broadcast.ts";
import type { Expulsion } from "./homeless.ts";
import { IdsView } from "./ids-view.ts";
import { JsonFormat } from "./json-format.ts";
import type { Past } from "./past.ts";
import { type LabelsNow, type LabelTest, labelTest } from "./played-labels.ts";
import { PlayedWindow, type ReadFailure, type ReadReason } from "./played-window.ts";
import type { Bbox, PlaybackState, Rate, Update } from "./protocol.ts";
import type { Session } from "./session.ts";
import type { ViewSink } from "./view.ts";

/** So much is read on each side of a view, so that not each pan reads again. */
const MARGIN_SHARE = 0.25;

const AWAY =
  "history cannot be read now: the database does not answer, shards have no owner, or others play too much here";
const CROWDED = "more entities, or longer ways, are in this place than one view can play: look at less";

export interface PlaybackOptions {
  name: string;
  past: Past;
  lens: Lens;
  /** What of history may be shown, by what entities are now. */
  permitted: Permitted;
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

/** What a read that is under way will tell, if it is not too much. */
interface Reading {
  from: number;
  to: number;
  region: Region | undefined;
}

export class Playback {
  readonly session: Session;
  readonly view: BoxView | IdsView;
  readonly #options: PlaybackOptions;
  readonly #broadcast: Broadcast;
  readonly #ids: readonly string[] | undefined;
  #permitted: Permitted;
  #labelTest: LabelTest | undefined;
  #region: Region | undefined;
  /** The played time, Unix ms with fractions, and when that was, monotonic ms. */
  #t: number;
  #advancedAt: number;
  #speed: number;
  /** It has come so near to now that it stands, until it is asked for something else. */
  #hasCaughtUp = false;
  #window: PlayedWindow | undefined;
  /** What is shown is this moment of that window. */
  #shownT = NaN;
  #shownWindow: PlayedWindow | undefined;
  /** The moment to be shown does not follow the one that is. */
  #jumped = false;
  /** The one that is wanted; another may still be under way. */
  #reading: Reading | undefined;
  #retryAt = -Infinity;
  /** What came of the last read, if not what it was for. */
  #trouble: "unavailable" | "crowded" | undefined;
  #margin = MARGIN_SHARE;
  /** How far ahead is read: for so long a time of the viewer, ms, and not farther than so much played time, ms. */
  #aheadMs = PLAYBACK_FIRST_AHEAD_MS;
  #mostMs = Infinity;
  /** What the client was told last; it is told anew if it asked for something. */
  #told: PlaybackState | undefined;
  /** Of its time or its speed, refused ones too. */
  #updates = 0;

  constructor(session: Session, options: PlaybackOptions) {
    const { past, lens, bbox, ids, rate, clock, log } = options;
    const { picture } = past;
    this.session = session;
    this.#options = options;
    this.#broadcast = new Broadcast({ picture, clock, log });
    this.#ids = ids;
    this.#permitted = options.permitted;
    this.#labelTest = labelTest(options.permitted);
    this.#t = options.at;
    this.#speed = options.speed;
    this.#advancedAt = clock.monotonic();
    const format = session.format.isBinary ? new BinaryFormat(picture) : new JsonFormat(picture);
    const sink: ViewSink = {
      format,
      sendFrame: (...frame) => session.sendFrame(...frame),
      sendMessage: (message) => session.sendMessage(message),
    };
    const number = session.nextViewNumber();
    this.view =
      ids === undefined
        ? new BoxView(sink, { ...options, number })
        : new IdsView(sink, picture, { ...options, number, ids });
    if (bbox !== undefined) this.#region = regionFor(bbox);
    const joined = this.#broadcast.join(this.view, session, { lens, rate, tolerance: undefined });
    assert.ok(joined, "a picture with one view has a channel for it");
    this.#become("loading");
  }

  get name(): string {
    return this.view.name;
  }

  /** What it holds of ways, bytes. */
  get bytes(): number {
    return this.#window?.bytes ?? 0;
  }

  /** Moves it in place or time, or plays it otherwise. @param at Unix ms */
  update(message: Update, at: number | undefined): void {
    const { bbox, speed } = message;
    if (bbox !== undefined) {
      (this.view as BoxView).move(bbox);
      this.#region = regionFor(bbox);
      this.#margin = MARGIN_SHARE;
    }
    if (at !== undefined) {
      this.#t = at;
      this.#advancedAt = this.#options.clock.monotonic();
      this.#jumped = true;
      this.#aheadMs = PLAYBACK_FIRST_AHEAD_MS;
    }
    if (speed !== undefined) this.#speed = speed;
    if (this.#trouble === "crowded") this.#trouble = undefined;
    if (at !== undefined || speed !== undefined) this.#hasCaughtUp = false;
    this.answer(message);
    if (this.#isRead) return;
    if (this.#reading !== undefined && !tells(this.#reading, this.#t, this.#region))
      this.#reading = undefined;
    // What is said of the time and the place before does not hold any more.
    this.#become("loading");
  }

  /** Has the client told what it does, if an update asked for another time or speed: one that is refused too, or the client would wait for its answer. */
  answer({ at, speed }: Update): void {
    if (at === undefined && speed === undefined) return;
    this.#told = undefined;
    this.#updates++;
  }

  /** Gives it another filter. */
  refilter(lens: Lens): void {
    const { rate } = this.#options;
    const taken = this.#broadcast.refilter(this.view, { lens, rate, tolerance: undefined });
    assert.ok(taken, "a picture with one view has a channel for it");
  }

  /** Shows what its client may see now. What was read of history may be too much: it is read again. @param lens absent = it may see nothing, and the next tick is its last */
  permit(permitted: Permitted, lens: Lens | undefined): void {
    const { rate } = this.#options;
    this.#permitted = permitted;
    this.#labelTest = labelTest(permitted);
    this.#broadcast.permit(this.view, lens && { lens, rate, tolerance: undefined });
    this.#reading = undefined;
    if (this.#trouble === "crowded") this.#trouble = undefined;
    if (!Number.isNaN(this.#shownT) || lens === undefined) this.#empty();
    this.#become("loading");
  }

  /** Nothing that is under way has an effect any more. */
  close(): void {
    this.#reading = undefined;
    this.#broadcast.leave(this.view);
  }

  /** Holds and shows nothing of an entity any more, as it is erased. */
  forget(id: string): void {
    // What is being read may hold it.
    this.#reading = undefined;
    this.#window?.forget(id);
    this.#options.past.forget(id, "deleted");
  }

  /** The ids that it holds, if it depends on labels of now what of them may be shown. */
  get labelled(): Iterable<string> {
    return this.#labelTest === undefined ? [] : (this.#window?.ways.keys() ?? []);
  }

  /** Holds and shows nothing any more that may not be seen of entities with these labels. */
  relabel(labels: LabelsNow): void {
    const test = this.#labelTest;
    if (test === undefined) return;
    for (const [id, ofOne] of labels) {
      if (!this.#window?.keep(id, (way, moments) => test(id, way, moments, ofOne))) continue;
      this.#options.past.forget(id, "denied");
      // What is left of it is shown again.
      this.#shownWindow = undefined;
    }
  }

  /** Plays on, and serves its view. @param until monotonic ms: beyond it snapshots do not grow @returns why it is over, if it is */
  tick({ tick, lag }: Omit<TickTime, "t">, until: number): Expulsion | undefined {
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
    // What is told comes after the frames of its time. Before anything was read there is nothing to be promised.
    const atOnce = state !== this.#told;
    if (!Number.isNaN(this.#shownT)) {
      const [homeless] = this.#broadcast.tick({ tick, t: this.#shownT, lag }, { atOnce, growUntil: until });
      if (homeless !== undefined) return homeless;
    }
    this.#become(state);
    return undefined;
  }

  /** Lets its time pass, as far as it was read. */
  #advance(): PlaybackState {
    const { clock } = this.#options;
    const now = clock.monotonic();
    const passed = (now - this.#advancedAt) * this.#speed;
    this.#advancedAt = now;
    if (this.#trouble === "crowded") return "crowded";
    if (!this.#isRead) return this.#trouble ?? "loading";
    if (this.#hasCaughtUp) return "present";
    if (this.#speed === 0) return "paused";
    const { to } = this.#window!;
    this.#t = Math.min(this.#t + passed, to);
    if (clock.now() - this.#t <= PLAYBACK_PRESENT_MS) {
      // It stands at the last of what is known.
      this.#t = to;
      this.#speed = 0;
      this.#hasCaughtUp = true;
      return "present";
    }
    return this.#t < to ? "playing" : (this.#trouble ?? "loading");
  }

  /** Whether what is to be shown was read. */
  get #isRead(): boolean {
    return this.#window !== undefined && tells(this.#window, this.#t, this.#region);
  }

  /** Why it has to read now, if it has. */
  get needsToRead(): ReadReason | undefined {
    const { clock } = this.#options;
    const isIdle = this.#reading !== undefined || this.#trouble === "crowded";
    if (isIdle || clock.monotonic() < this.#retryAt) return undefined;
    return this.#isRead ? this.#window!.overAt(this.#t, this.#speed, clock.now()) : "unread";
  }

  /** Reads. @param bytes as many at most, about */
  async read(bytes: number): Promise<void> {
    const { history, clock } = this.#options;
    const from = Math.floor(this.#t);
    const spanMs = Math.min(
      this.#mostMs,
      Math.max(PLAYBACK_SHORTEST_MS, Math.min(PLAYBACK_LONGEST_MS, this.#speed * this.#aheadMs)),
    );
    const to = Math.max(from, Math.floor(Math.min(from + spanMs, clock.now())));
    const region = this.#region && grown(this.#region, this.#margin);
    const reading = { from, to, region };
    this.#reading = reading;
    let read: PlayedWindow | ReadFailure | "away" | undefined;
    try {
      const permitted = this.#permitted === "all" ? undefined : this.#permitted;
      const query = { ...reading, ids: this.#ids, permitted, bytes };
      read = await PlayedWindow.read(history, query, clock, () => this.#reading === reading);
    } catch (error) {
      if (this.#reading !== reading) return;
      if (!(error instanceof StoreAway)) throw error;
      read = "away";
    }
    if (read === undefined || this.#reading !== reading) return;
    this.#reading = undefined;
    this.#take(read, to - from);
  }

  /** @param spanMs played time that was asked for */
  #take(read: PlayedWindow | ReadFailure | "away", spanMs: number): void {
    if (read instanceof PlayedWindow) {
      this.#trouble = undefined;
      this.#mostMs = 2 * (read.isCut ? read.to - read.from : this.#mostMs);
      this.#aheadMs = Math.min(PLAYBACK_AHEAD_MS, 2 * this.#aheadMs);
      if (tells(read, this.#t, this.#region)) this.#window = read;
    } else if (read === "crowded" && this.#region !== undefined && this.#margin > 0) {
      this.#margin = 0;
    } else if (read === "crowded") {
      this.#crowd();
    } else {
      // It may have been too much for the database.
      if (read === "away") this.#mostMs = Math.max(PLAYBACK_LEAST_MS, Math.min(spanMs, this.#mostMs) / 2);
      this.#trouble = "unavailable";
      this.#retryAt = this.#options.clock.monotonic() + PLAYBACK_RETRY_MS;
    }
  }

  #crowd(): void {
    this.#trouble = "crowded";
    this.#empty();
  }

  #empty(): void {
    this.#window = undefined;
    this.#options.past.take(new Map());
    this.#shownT = Math.floor(this.#t);
    this.#shownWindow = undefined;
    this.#options.past.show(this.#shownT, false);
  }

  /** Tells what it does, if that is not what it was told last. */
  #become(state: PlaybackState): void {
    if (this.#told === state) return;
    this.#told = state;
    const { name: view, session } = this;
    if (state === "unavailable") session.refuse({ type: "unavailable", detail: AWAY, view });
    if (state === "crowded") session.refuse({ type: "too-much-to-play", detail: CROWDED, view });
    session.sendMessage({
      ...{ op: "playback", view, t: isoTime(this.#t), speed: this.#speed, state },
      updates: this.#updates,
    });
  }
}

/** Whether what is read of a place from one time to another tells what was at `t`. @param region absent = of the ids that it is read for */
function tells({ from, to, region: of }: Reading, t: number, region: Region | undefined): boolean {
  if (t < from || t > to) return false;
  return region === undefined || of === undefined || holds(of, region);
}

/** The region of a box's cover. */
function regionFor(bbox: Bbox): Region {
  const [west, , east] = bbox;
  return regionOf(coverBoxes(coverOf(bbox)), west <= east ? (west + east) / 2 : (west + east) / 2 + 180);
}
