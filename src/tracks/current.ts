/** What counts of segments in memory: of those that begin at the same time one version, with the points that came late. As rows tell it once they are written. */
import { correct, type Late } from "./correct.ts";
import type { Stretch } from "./stretch.ts";

/**
 * @param versions of one entity, in the order in which they ended; the one that is open last. @param lateSince points of it that are in no row yet, from a time on.
 * @param holdMs for how long an entity is taken to be at its last point. @param known only what had been received then, Unix ms.
 * @returns by ascending time. A late point before all of them is left out: what it changes is in rows.
 */
export function current(
  versions: readonly Stretch[],
  lateSince: (begin: number) => readonly Late[],
  holdMs: number,
  known = Infinity,
): Stretch[] {
  const byFirst = new Map<number, Stretch>();
  for (const one of versions) {
    if (one.recorded > known) continue;
    const other = byFirst.get(one.first);
    if (other === undefined || one.recorded > other.recorded) byFirst.set(one.first, one);
  }
  if (byFirst.size === 0) return [];
  const counting = [...byFirst.values()].sort((a, b) => a.first - b.first);
  const [{ id, first: begin }] = counting;
  const told = lateSince(begin).filter(({ received }) => received <= known);
  if (told.length === 0) return counting;
  for (const segment of correct(id, counting, told, Infinity, holdMs)) {
    const first = segment.points[0].t;
    byFirst.set(first, { ...segment, first, open: byFirst.get(first)?.open ?? false });
  }
  return [...byFirst.values()].sort((a, b) => a.first - b.first);
}
