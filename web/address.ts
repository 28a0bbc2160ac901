/** What the page keeps in its address: `?entity=ID&where=CEL&at=TIME#zoom/lat/lon`. MapLibre writes the part after #. */

import { LAST_MS } from "../client/playback-view.ts";

/** The token of the first URL. It leaves the address bar at once: the node has made it a cookie. */
export function takeToken(): string | undefined {
  const url = new URL(location.href);
  const token = url.searchParams.get("token");
  if (token === null) return undefined;
  url.searchParams.delete("token");
  history.replaceState(history.state, "", url);
  // A pasted + is itself: no token has a space.
  return token.replaceAll(" ", "+");
}

/** `entity` is the selected one's id, `where` the filter, `at` the time that is shown if it is not now. */
type Parameter = "entity" | "where" | "at";

export function readAddress(name: Parameter): string | undefined {
  return new URL(location.href).searchParams.get(name) || undefined;
}

/** The time that the address wants to be shown, Unix ms; absent = now. Whether it is in the future only the server's clock tells. */
export function readMoment(latest = LAST_MS): number | undefined {
  const at = Date.parse(readAddress("at") ?? "");
  return at >= 0 ? Math.min(at, latest) : undefined;
}

export function writeAddress(name: Parameter, value: string | undefined): void {
  const url = new URL(location.href);
  if (value === undefined) url.searchParams.delete(name);
  else url.searchParams.set(name, value);
  if (url.href !== location.href) history.replaceState(history.state, "", url);
}

export function hasPosition(): boolean {
  return /^#[\d.]+\/-?[\d.]+\/-?[\d.]+/.test(location.hash);
}
