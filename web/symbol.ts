import type { Entity } from "../client/replica.ts";

/** m/s below which a thing stands still, for GPS noise turns its course around. */
const STILL_SPEED = 0.3;

/** How an entity is drawn: its colour says the kind, its shape and fill say the state. */
export interface MapSymbol {
  /** `hull` and `arrow` point where it goes, `dot` stands still or has no known direction, `point` stands still for so long that it is idle. */
  shape: "hull" | "arrow" | "dot" | "point";
  /** Degrees clockwise from north. */
  direction: number;
  /** Silent: it is not known to be there any more. */
  hollow: boolean;
  /** 0 … 1 */
  opacity: number;
}

export function symbolOf(entity: Entity): MapSymbol {
  const { liveness, state, speed } = entity;
  const offline = state === "stale" || state === "offline" || state.startsWith("offline.");
  const hollow = liveness !== "live" || offline;
  const opacity = liveness === "live" ? 1 : liveness === "stale" ? 0.75 : 0.45;
  const direction = entity.heading ?? entity.course;
  const moves = speed === undefined ? state.endsWith("moving") : speed >= STILL_SPEED;
  if (!moves && state.endsWith("idle")) return { shape: "point", direction: 0, hollow, opacity };
  if (direction === undefined || !moves) return { shape: "dot", direction: 0, hollow, opacity };
  return { shape: entity.kind === "vessel" ? "hull" : "arrow", direction, hollow, opacity };
}
