import type { ErrorMessage, Playback, PlaybackState } from "../src/transport/feed/protocol.ts";
import { UNAVAILABLE } from "./errors.ts";
import type { Entity } from "./replica.ts";
import { View } from "./view.ts";
import type { ViewLink } from "./view-link.ts";
import type { PlaybackOptions, ViewOptions } from "./view-options.ts";

const MAX_SPEED = 3_600;
/** @internal The last time of a year of four digits, Unix ms. */
export const LAST_MS = 253_402_300_799_999;
/** Problems that come and go while it plays. */
const OF_PLAYING = [UNAVAILABLE, "urn:muster:problem:too-much-to-play"];

/**
 * A window on what was: a view whose time stands, or passes at a speed of its own. Entities are where they were at `time`, so there is nothing to be
 * reckoned between two frames. After a reconnect it goes on from the time at which it was.
 */
export class PlaybackView extends View {
  readonly #link: ViewLink;
  #playback: PlaybackState = "loading";
  #speed: number;
  /** Played time, Unix ms, and when it was, by the client's clock. */
  #t: number;
  #toldAt: number;
  /** Asked for since it subscribed, or to be asked for when that is answered. */
  #updates = 0;

  /** Playback views are made by `Connection.view`. @throws {RangeError} if `at` is no time from 1970 on */
  constructor(link: ViewLink, options: PlaybackOptions) {
    super(link, options);
    this.#link = link;
    this.#t = timeOf(options.at);
    this.#speed = options.speed ?? 1;
    this.#toldAt = link.clock.now();
  }

  override get isLive(): boolean {
    return false;
  }
  /** What it does; each change is a `playback` event. */
  get playback(): PlaybackState {
    return this.#playback;
  }
  /** Played seconds a second; 0 = it stands. */
  get speed(): number {
    return this.#speed;
  }
  /** The played time now, Unix ms. It never passes the server's now. */
  override get time(): number {
    if (this.#playback !== "playing") return this.#t;
    const played = this.#t + (this.#link.clock.now() - this.#toldAt) * this.#speed;
    return Math.min(played, Math.max(this.#t, this.#link.serverNow()));
  }

  /** Goes to another time, and plays on from there if it was playing; back to where it was, with a `problem`, if the server refuses that. @param t Unix ms; what is later than now is now. @throws {RangeError} if it is no time from 1970 on, and then nothing has changed */
  seek(t: number | Date): void {
    this.#become("loading", Math.min(timeOf(t), this.#link.serverNow()), this.#speed);
    this.#ask({ at: isoTime(this.#t) });
  }

  /** Plays on. @param speed played seconds a second, 0 … 3,600. @throws {RangeError} if it is not that, and then nothing has changed */
  play(speed = 1): void {
    if (!(speed >= 0 && speed <= MAX_SPEED))
      throw new RangeError(`nothing can be played at a speed of ${speed}`);
    this.#become(this.#playback, this.time, speed);
    this.#ask({ speed });
  }

  /** Stands still where it is. */
  pause(): void {
    this.play(0);
  }

  /** Where the entity was at `time`, by the last frame. */
  override placeOf({ lon, lat }: Entity, _at?: number, into = { lon: 0, lat: 0 }): typeof into {
    into.lon = lon;
    into.lat = lat;
    return into;
  }

  /** @internal */
  override get moment(): { at: string; speed: number } {
    return { at: isoTime(this.time), speed: this.#speed };
  }

  /** @internal */
  override subscribe(): void {
    this.#updates = 0;
    super.subscribe();
  }

  /** @internal */
  override receivePlayback(message: Playback): void {
    super.receivePlayback(message);
    // What was on its way when it was asked for something else would throw it back.
    if (message.updates === this.#updates) this.#become(message.state, Date.parse(message.t), message.speed);
  }

  /** @internal */
  override refuses({ type, at }: ErrorMessage): boolean {
    return at === undefined && !OF_PLAYING.includes(type);
  }

  /** @internal */
  override lost(): void {
    this.#become("loading", this.time, this.#speed);
    super.lost();
  }

  /** @internal What is now says nothing about what was. */
  override receiveHeartbeat(): void {}

  #ask(change: { at: string } | { speed: number }): void {
    if (this.change(change)) this.#updates++;
  }

  #become(playback: PlaybackState, t: number, speed: number): void {
    const changed = playback !== this.#playback || speed !== this.#speed;
    this.#playback = playback;
    this.#t = t;
    this.#speed = speed;
    this.#toldAt = this.#link.clock.now();
    if (changed) this.emit("playback", playback);
  }
}

/** A view of what was if it has a time, else of what is. */
export function viewOf(link: ViewLink, options: ViewOptions | PlaybackOptions): View {
  const isPast = "at" in options && options.at !== undefined;
  return isPast ? new PlaybackView(link, options) : new View(link, options);
}

/** Unix ms. */
function timeOf(t: number | Date): number {
  const ms = Number(t);
  if (!(ms >= 0 && ms <= LAST_MS)) throw new RangeError(`${ms} is no time from 1970 on, in Unix ms`);
  return ms;
}

function isoTime(t: number): string {
  return new Date(t).toISOString();
}
