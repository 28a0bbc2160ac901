/** What is open of an entity, as it will end if nothing more is heard. */
import { untilEach } from "./changes.ts";
import { type Description, held, inOrder, type Segment } from "./segment.ts";
import type { TrackLog } from "./track-log.ts";

/**
 * A segment until each change, and the one that has not ended.
 * @param description what the entity is now.
 * @param until when it is there at the latest, Unix ms.
 * @param isNow of its points only the last is wanted: nearly all that is asked is of now.
 */
export function openSegments(
  log: TrackLog,
  number: number,
  id: string,
  description: Description,
  until: number,
  isNow: boolean,
): Segment[] {
  let points = isNow ? [log.lastPoint(number)] : inOrder(log.open(number));
  let recorded = log.recorded(number);
  const segments: Segment[] = [];
  const changes = log.changes.of(number);
  const told = untilEach(changes, description);
  for (const [i, change] of changes.entries()) {
    const { at } = change;
    const before = told[i];
    if (at >= until) return [...segments, { id, ...before, recorded, hold: false, points }];
    const ended = held(points, at);
    segments.push({ id, ...before, recorded, hold: false, points: ended });
    points = ended.slice(-1);
    recorded = change.recorded;
  }
  segments.push({ id, ...description, recorded, hold: false, points });
  return segments;
}
