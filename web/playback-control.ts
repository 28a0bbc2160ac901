/** The control of time: a slider over what was, play and pause, speed, and the way back to the live picture. */
import type { Connection } from "../client/connection.ts";
import { readMoment, writeAddress } from "./address.ts";
import {
  DEFAULT_SPAN_MS,
  type Emptiness,
  localText,
  playbackNote,
  SLIDER_STEPS,
  spanFor,
  stepAt,
  timeAt,
  utcText,
} from "./played-time.ts";
import type { Shown } from "./shown.ts";

/** Between two seeks while the slider is dragged. */
const SEEK_MS = 150;
/** The time is shown anew so often. */
const SHOW_MS = 200;
/** Between two changes of the address while time passes: browsers refuse more than some. */
const ADDRESS_MS = 2_000;

export class PlaybackControl {
  readonly #shown: Shown;
  readonly #connection: Connection;
  readonly #panel = find("#playback");
  readonly #play = find<HTMLButtonElement>("#play");
  readonly #live = find<HTMLButtonElement>("#go-live");
  readonly #slider = find<HTMLInputElement>("#playback-slider");
  readonly #speed = find<HTMLSelectElement>("#playback-speed");
  readonly #span = find<HTMLSelectElement>("#playback-span");
  #dragging = false;
  /** To be sought when the pause after the last seek is over. */
  #soughtNext: number | undefined;
  #seeking = false;
  #addressAt = -Infinity;
  /** The moment of the address, until the slider is made to reach it: how far that is the device's clock does not tell. */
  #linked = readMoment();
  /** Why the past that was asked for last is not shown; empty = it is, or none was. */
  #refusal = "";

  constructor(shown: Shown, connection: Connection) {
    this.#shown = shown;
    this.#connection = connection;
    this.#slider.max = String(SLIDER_STEPS);
    this.#span.value = String(DEFAULT_SPAN_MS);
    this.#slider.addEventListener("input", () => {
      this.#drag();
      this.#seek(timeAt(Number(this.#slider.value), this.#spanMs, this.#now));
    });
    // One that is dragged to where it was tells of no change.
    for (const end of ["change", "pointerup", "pointercancel", "blur"])
      this.#slider.addEventListener(end, () => this.#drop());
    this.#play.addEventListener("click", () => this.#toggle());
    this.#live.addEventListener("click", () => this.#goLive());
    this.#speed.addEventListener("change", () => {
      const { past } = shown;
      if (past !== undefined && past.speed > 0) past.play(Number(this.#speed.value));
    });
    // Only then: what stands at the left end falls behind it by itself, and the slider would change under the hand.
    this.#span.addEventListener("change", () => {
      this.#fitSpan(shown.past?.time ?? this.#now, this.#spanMs);
      this.#show();
    });
    shown.on("asked", () => this.#asked());
    shown.on("refused", ({ message }) => {
      this.#refusal = `The past cannot be shown: ${message}`;
      this.#show();
    });
    setInterval(() => this.#show(), SHOW_MS);
    if (this.#linked !== undefined) shown.showPast(this.#linked);
    this.#show();
  }

  get #now(): number {
    return this.#connection.serverNow();
  }
  get #spanMs(): number {
    return Number(this.#span.value);
  }

  #fitSpan(t: number, least?: number): void {
    this.#span.value = String(spanFor(t, this.#now, least));
  }

  /** What is dragged stands. */
  #drag(): void {
    if (this.#dragging) return;
    this.#dragging = true;
    const { past } = this.#shown;
    if (past !== undefined && past.speed > 0) past.pause();
  }

  #drop(): void {
    if (!this.#dragging) return;
    this.#dragging = false;
    this.#addressAt = -Infinity;
    if (Number(this.#slider.value) === SLIDER_STEPS) this.#goLive();
  }

  /** Seeks now, or when the pause after the last one is over. */
  #seek(t: number): void {
    if (this.#seeking) {
      this.#soughtNext = t;
      return;
    }
    this.#seeking = true;
    this.#shown.showPast(t);
    this.#show();
    setTimeout(() => {
      this.#seeking = false;
      const next = this.#soughtNext;
      this.#soughtNext = undefined;
      if (next !== undefined) this.#seek(next);
    }, SEEK_MS);
  }

  #toggle(): void {
    const { past } = this.#shown;
    if (past === undefined) return;
    if (past.speed > 0) past.pause();
    else past.play(Number(this.#speed.value));
  }

  #goLive(): void {
    this.#soughtNext = undefined;
    this.#refusal = "";
    this.#shown.showLive();
  }

  #asked(): void {
    const { past } = this.#shown;
    if (past !== undefined) this.#refusal = "";
    if (this.#linked !== undefined && past !== undefined && past.playback !== "loading") {
      this.#fitSpan(this.#linked, this.#spanMs);
      this.#linked = undefined;
    }
    // Once it has caught up, what is now goes on by itself.
    if (past?.playback === "present" && !this.#dragging) {
      this.#soughtNext = undefined;
      this.#shown.goOnLive();
    }
    this.#addressAt = -Infinity;
    this.#show();
  }

  /** Of what is there whole. */
  get #empty(): Emptiness | undefined {
    const { past, view } = this.#shown;
    if (past === undefined || view !== past || view.state !== "live") return undefined;
    if (view.clusters.length > 0 || view.inBox().length > 0) return undefined;
    const { where, kinds } = view.filter;
    return where === undefined && kinds === undefined ? "all" : "filtered";
  }

  #show(): void {
    const { past } = this.#shown;
    const now = this.#now;
    const t = past?.time ?? now;
    const isPlaying = past !== undefined && past.speed > 0;
    this.#panel.dataset.mode = past === undefined ? "live" : "past";
    this.#live.setAttribute("aria-pressed", String(past === undefined));
    this.#play.disabled = past === undefined;
    this.#play.dataset.does = isPlaying ? "pause" : "play";
    this.#play.setAttribute("aria-label", isPlaying ? "Pause" : "Play");
    if (!this.#dragging) this.#slider.value = String(stepAt(t, this.#spanMs, now));
    this.#slider.setAttribute("aria-valuetext", past === undefined ? "now, live" : utcText(t));
    write("#played-utc", utcText(t));
    write("#played-local", localText(t));
    write("#playback-note", past === undefined ? this.#refusal : playbackNote(past.playback, this.#empty));
    const isPassing = this.#dragging || past?.playback === "loading";
    if (isPassing || performance.now() - this.#addressAt < ADDRESS_MS) return;
    this.#addressAt = performance.now();
    writeAddress("at", past && new Date(t).toISOString());
  }
}

function find<E extends HTMLElement = HTMLElement>(selector: string): E {
  return document.querySelector<E>(selector)!;
}

/** Written only when it changes: some of it is read out. */
function write(selector: string, text: string): void {
  const found = find(selector);
  if (found.textContent !== text) found.textContent = text;
}
