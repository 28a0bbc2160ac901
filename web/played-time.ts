/** Times of the playback control, as text and as places on its slider. */
import type { PlaybackState } from "../src/transport/feed/protocol.ts";

export const HOUR_MS = 3_600_000;
/** How far back the slider may reach. */
export const SPANS_MS = [HOUR_MS, 6 * HOUR_MS, 24 * HOUR_MS, 7 * 24 * HOUR_MS, 30 * 24 * HOUR_MS] as const;
/** The shortest: a node that was started just now has nothing else. */
export const DEFAULT_SPAN_MS = HOUR_MS;
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

/** The shortest span, but not shorter than `least`, that reaches back to a time, to within a place on the slider; the longest if none does. */
export function spanFor(t: number, now: number, least: number = DEFAULT_SPAN_MS): number {
  const reaches = (span: number) => now - t <= span + span / SLIDER_STEPS;
  return SPANS_MS.find((span) => span >= least && reaches(span)) ?? SPANS_MS.at(-1)!;
}

/** What a view of what was shows: nothing of all, or nothing of what a filter lets pass. */
export type Emptiness = "all" | "filtered";

/** What is to be said beside the time; empty = nothing. @param empty absent = something is shown, or it is not known yet */
export function playbackNote(state: PlaybackState, empty?: Emptiness): string {
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
      if (empty === undefined) return "";
      return empty === "all"
        ? "Nothing is on record here for then"
        : "Nothing that passes the filter was here then";
    default:
      return state satisfies never;
  }
}
