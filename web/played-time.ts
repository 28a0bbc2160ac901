/** Times of the playback control, as text and as places on its slider. */
import type { PlaybackState } from "../src/transport/feed/protocol.ts";

export const HOUR_MS = 3_600_000;
/** How far back the slider may reach. */
export const SPANS_MS = [HOUR_MS, 6 * HOUR_MS, 24 * HOUR_MS, 7 * 24 * HOUR_MS, 30 * 24 * HOUR_MS] as const;
export const DEFAULT_SPAN_MS = 24 * HOUR_MS;
/** Places on the slider: of a day one a minute. */
export const SLIDER_STEPS = 1_440;

/** `2026-11-27 02:10:05 UTC`. @param t Unix ms */
export function utcText(t: number): string {
  return `${new Date(t).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

/** `04:10:05 local`, with the date if that is another; empty where local time is UTC. @param offsetMinutes of the place, east of UTC */
export function localText(t: number, offsetMinutes = -new Date(t).getTimezoneOffset()): string {
  if (offsetMinutes === 0) return "";
  const local = new Date(t + offsetMinutes * 60_000).toISOString();
  const isSameDay = local.slice(0, 10) === new Date(t).toISOString().slice(0, 10);
  return `${isSameDay ? "" : `${local.slice(0, 10)} `}${local.slice(11, 19)} local`;
}

/** The time at a place of a slider that ends now. */
export function timeAt(step: number, spanMs: number, now: number): number {
  return Math.round(now - spanMs + (step / SLIDER_STEPS) * spanMs);
}

/** The place of a time. */
export function stepAt(t: number, spanMs: number, now: number): number {
  const step = Math.round(((t - now) / spanMs + 1) * SLIDER_STEPS);
  return Math.max(0, Math.min(SLIDER_STEPS, step));
}

/** The shortest span, but not shorter than `least`, that reaches back to a time; the longest if none does. */
export function spanFor(t: number, now: number, least: number = DEFAULT_SPAN_MS): number {
  return SPANS_MS.find((span) => span >= least && now - t <= span) ?? SPANS_MS.at(-1)!;
}

/** What is to be said beside the time; empty = nothing. */
export function playbackNote(state: PlaybackState): string {
  switch (state) {
    case "loading":
      return "Reading history";
    case "unavailable":
      return "History cannot be read now";
    case "crowded":
      return "Too much is here to be played: zoom in";
    case "playing":
    case "paused":
    case "present":
      return "";
    default:
      return state satisfies never;
  }
}
