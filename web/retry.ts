/** What is said and done while there is no connection: when the next attempt comes, and a button for now. */
import type { Connection } from "../client/connection.ts";
import type { ConnectionState } from "../client/connection-state.ts";

/** The countdown is shown anew so often. */
const SHOW_MS = 250;

/** When it is tried again; empty = there is nothing to be said. @param leftMs until the next attempt */
export function retryText(state: ConnectionState, leftMs: number): string {
  if (state.name === "waiting") return `Trying again in ${Math.max(1, Math.ceil(leftMs / 1_000))} s`;
  return state.name === "connecting" && state.attempt > 0 ? "Trying now …" : "";
}

/** A network that is back, and a page that is looked at again, are tried at once. */
export function connectRetry(connection: Connection): void {
  const row = document.querySelector<HTMLElement>("#retry")!;
  const text = row.querySelector("span")!;
  const button = row.querySelector("button")!;
  let dueAt = 0;
  const show = () => {
    const { state } = connection;
    const told = retryText(state, dueAt - performance.now());
    // Else the focus would fall out of the page with the button.
    if (told === "" && document.activeElement === button)
      document.querySelector<HTMLElement>(".maplibregl-canvas")?.focus();
    row.hidden = told === "";
    button.ariaDisabled = String(state.name !== "waiting");
    if (text.textContent !== told) text.textContent = told;
  };
  connection.on("state", (state) => {
    if (state.name === "waiting") dueAt = performance.now() + state.delayMs;
    show();
  });
  button.addEventListener("click", () => connection.retryNow());
  addEventListener("online", () => connection.retryNow());
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) connection.retryNow();
  });
  setInterval(show, SHOW_MS);
}
