import type { ConnectionState } from "../client/connection-state.ts";
import type { ViewState } from "../client/view.ts";
import type { PlaybackState } from "../src/transport/feed/protocol.ts";
import { formatAge } from "./details.ts";

/** The lamp of the page. `stale`: what is shown is old, not durable, or not drawn. `past`: it is what was. */
export interface Status {
  name: "connecting" | "live" | "past" | "reconnecting" | "stale" | "closed";
  text: string;
}

/**
 * @param databaseAway what the last heartbeat said
 * @param old nothing was heard of the picture for longer than it takes
 * @param past what a view of what was does; absent = it is of what is
 * @param undrawn the browser draws nothing of it
 * @param forbidden no role allows to see entities
 */
export function statusOf(
  connection: ConnectionState,
  view: ViewState | undefined,
  databaseAway: boolean,
  old: boolean,
  past?: PlaybackState,
  undrawn = false,
  forbidden = false,
): Status {
  switch (connection.name) {
    case "closed":
      return { name: "closed", text: `Closed: ${connection.reason}` };
    case "waiting":
      return { name: "reconnecting", text: lossText(connection) };
    case "connecting":
      return connection.attempt === 0
        ? { name: "connecting", text: "Connecting" }
        : { name: "reconnecting", text: "Reconnecting" };
    case "open":
      if (databaseAway) return { name: "stale", text: "Stale: the database is away" };
      if (past === "crowded") return { name: "stale", text: "The past: too much to be shown" };
      if (past === "unavailable") return { name: "stale", text: "The past cannot be read" };
      if (view === "live" && undrawn) return { name: "stale", text: "Not drawn: the browser lost WebGL" };
      if (view === "live" && past !== undefined) return { name: "past", text: "The past" };
      if (view === "failed" && forbidden)
        return { name: "closed", text: "No role allows you to see entities" };
      if (view === "failed") return { name: "closed", text: "The node refused the view" };
      if (view === "live" && old) return { name: "stale", text: "Stale: nothing is heard" };
      if (view === "live") return { name: "live", text: "Live" };
      if (view === "stale") return { name: "stale", text: "Stale: catching up" };
      return { name: "connecting", text: "Loading" };
    default:
      return connection satisfies never;
  }
}

/** A socket that breaks gives no reason, and its number says nothing to people. */
const BROKEN = 1006;

function lossText({ code, reason }: Extract<ConnectionState, { name: "waiting" }>): string {
  return code === BROKEN ? "The connection is lost" : `Reconnecting: ${reason}`;
}

/** `as of 0.3 s ago, lag 12 ms`: how old the picture is, and by how much the server's last tick was late (early is not late). Empty before it is known. */
export function ageText(age: number, lag: number): string {
  if (Number.isNaN(age)) return "";
  const seconds = Math.max(0, age) / 1_000;
  const ago = seconds < 60 ? `${seconds.toFixed(seconds < 9.95 ? 1 : 0)} s` : formatAge(age);
  return Number.isNaN(lag) ? `as of ${ago} ago` : `as of ${ago} ago, lag ${Math.max(0, Math.round(lag))} ms`;
}

export function renderAge(text: string): void {
  document.querySelector("#age")!.textContent = text;
}

export function renderStatus({ name, text }: Status): void {
  const element = document.querySelector<HTMLElement>("#status")!;
  if (element.dataset.state !== name) element.dataset.state = name;
  const label = element.querySelector(".text")!;
  // Written only when it changes: it is read out.
  if (label.textContent !== text) label.textContent = text;
}

/** Tells who has no token, or none any more, whom to ask for one. */
export function renderWayIn(isRefused: boolean): void {
  document.querySelector<HTMLElement>("#way-in")!.hidden = !isRefused;
}
