/** The segments of a fleet, as a node would make them of its reports. */
import { MAX_SEGMENT_POINTS } from "../../src/limits.ts";
import type { Segment, TrackPoint } from "../../src/tracks/segment.ts";
import type { Fleet } from "../fleet.ts";

/** The next segments, at most so many; none at the end. */
export type Traffic = (limit: number) => Segment[];

/**
 * Entities report at moments of their own, each `everyMs` from the one before, in an order in which segments of all end one after the other.
 * @param from first and last moment, Unix ms.
 */
export function trafficOf(fleet: Fleet, from: number, to: number, everyMs: number): Traffic {
  const spanMs = (MAX_SEGMENT_POINTS - 1) * everyMs;
  let round = 0;
  let entity = 0;
  return (limit) => {
    const segments: Segment[] = [];
    while (segments.length < limit) {
      if (entity === fleet.size) {
        entity = 0;
        round += 1;
      }
      const first = from + round * spanMs + ((entity * 7_919) % everyMs);
      if (first + spanMs > to) break;
      segments.push(segmentOf(fleet, entity, first, everyMs, from));
      entity += 1;
    }
    return segments;
  };
}

function segmentOf(fleet: Fleet, entity: number, first: number, everyMs: number, from: number): Segment {
  const points = Array.from({ length: MAX_SEGMENT_POINTS }, (_, i) =>
    pointOf(fleet, entity, first + i * everyMs, from),
  );
  return {
    ...{ id: fleet.id(entity), kind: "vessel", state: "online.moving", labels: [], fences: [], hold: false },
    attributes: `{"name":"MS ${entity}"}`,
    recorded: first,
    points,
  };
}

/** Where an entity is: on its way there and back, with what a receiver adds. */
export function pointOf(fleet: Fleet, entity: number, t: number, from: number): TrackPoint {
  const seconds = (t - from) / 1_000;
  const noise = Math.sin(seconds * 12.9898 + entity) / 1e5;
  return {
    t,
    lon: Math.round((fleet.lonAt(entity, seconds) + noise) * 1e7) / 1e7,
    lat: Math.round((fleet.latAt(entity, seconds) - noise) * 1e7) / 1e7,
    alt: NaN,
    speed: Math.round((fleet.speed[entity] + noise * 3e4) * 10) / 10,
    course: (Math.round((fleet.course[entity] + noise * 1e5 + 360) * 10) / 10) % 360,
  };
}
