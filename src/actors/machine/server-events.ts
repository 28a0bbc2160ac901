/** The events that a machine gets from the server itself, so that nobody else may send them. */
import { LIVENESS } from "../messages.ts";

/** Taken, and then each step of silence. */
const REPORTS: readonly string[] = ["report", ...LIVENESS.slice(1)];
/** Given as the events of these types, with their data: `event.fence`. */
const FENCES: readonly string[] = ["fence.entered", "fence.exited"];
/** What `after`, `onDone` and the initial state are made of. */
const INTERNAL = "xstate.";

export function isServerEvent(name: string): boolean {
  return REPORTS.includes(name) || FENCES.includes(name) || name.startsWith(INTERNAL);
}
