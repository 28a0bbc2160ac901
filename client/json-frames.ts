import type { FullRecord, SmallRecord, ViewFrame } from "../src/transport/feed/protocol.ts";
import { type Entity, type Frame, Gap } from "./replica.ts";

/**
 * A view's frame of `muster.v1.json`.
 *
 * @param entities what the view has before it
 * @throws {Gap} if it moves an entity that is not there
 */
export function readJsonFrame(frame: ViewFrame, entities: ReadonlyMap<string, Entity>): Frame {
  const { n } = frame;
  // A server of version 0.1 says neither.
  const { t: time = "", lag = NaN } = frame;
  const t = Date.parse(time);
  switch (frame.op) {
    case "snapshot": {
      const { first = false, last = false } = frame;
      return { op: "snapshot", n, t, lag, first, last, entities: frame.entities };
    }
    case "delta": {
      const departed = new Set<string>();
      for (const [id] of frame.departures) departed.add(id);
      const updated = frame.updates.map((update) => {
        if ("kind" in update) return update;
        const entity = departed.has(update.id) ? undefined : entities.get(update.id);
        if (entity === undefined) throw new Gap(`frame ${n} moves ${update.id}, which was never introduced`);
        return merge(entity, update);
      });
      return { op: "delta", n, t, lag, departures: frame.departures, entities: updated };
    }
    case "clusters":
      return { op: "clusters", n, t, lag, cells: frame.cells };
    default:
      return frame satisfies never;
  }
}

/** In a small record absent = unchanged, `null` = gone; it is of a place at its `t`. */
function merge(entity: Entity, move: SmallRecord): Entity {
  const merged: Record<string, unknown> = { ...entity };
  for (const [name, value] of Object.entries(move)) {
    if (value === null) delete merged[name];
    else merged[name] = value;
  }
  if (merged.placedAt !== undefined) delete merged.placedAt;
  return merged as unknown as FullRecord;
}
