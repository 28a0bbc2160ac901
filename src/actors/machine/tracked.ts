/**
 * The built-in machine `tracked`: offline → online{moving, stopped, idle} → stale → offline, by speed, dwell and silence.
 *
 * It receives `report` (after a report was applied), and `stale`, `lost`, `expired` (liveness changed by silence), and takes one command, `sign-off`:
 * a shift is over, and nobody has to wait for silence. Moving begins at
 * 1 m/s and ends below 0.5 m/s, so that the noise of a receiver at rest does not flap; an unknown speed counts as stopped. Guards ask
 * `!= null` first: what an unknown speed means is said, not left to a comparison that fails.
 */
import type { JsonObject } from "../messages.ts";
import { compileMachine, type Machine } from "./compile.ts";
import { type MachineDefinition, parseMachine } from "./definition.ts";

const SETS_OFF = "entity.speed != null && entity.speed >= 1.0";

/** As it is stored and shown. */
export const TRACKED_JSON: JsonObject = {
  id: "tracked",
  description: "Offline, online (moving, stopped, idle), stale: by speed, dwell and silence.",
  initial: "offline",
  states: {
    offline: { on: { report: "online" } },
    online: {
      initial: "stopped",
      states: {
        moving: { always: { guard: "entity.speed == null || entity.speed < 0.5", target: "stopped" } },
        stopped: { always: { guard: SETS_OFF, target: "moving" }, after: { "300000": "idle" } },
        idle: { always: { guard: SETS_OFF, target: "moving" } },
      },
      on: { stale: "stale", lost: "offline", expired: "offline", "sign-off": "offline" },
    },
    stale: { on: { report: "online", lost: "offline", expired: "offline", "sign-off": "offline" } },
  },
};

export const TRACKED: MachineDefinition = parseMachine(TRACKED_JSON);
export const tracked: Machine = compileMachine(TRACKED);
