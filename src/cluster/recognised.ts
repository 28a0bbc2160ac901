/**
 * Which reports the next owner of their shard would know again if the one before has stored them: reports whose answer is lost may be sent
 * again by themselves only if they cannot be taken twice.
 *
 * An entity remembers (`DuplicateMemory`) its last 8 reports whatever they are, and of 8 sources the numbers (`seq`) up to 63 below the
 * highest. So up to 8 of an entity are known again; of more only those with numbers that are near each other. It is looked at what may
 * have been stored at most, as nobody knows what was.
 */
import type { Report } from "../actors/messages.ts";

/** As `DuplicateMemory` has them; a test compares. */
const LAST_REPORTS = 8;
const WINDOW = 64;
const MAX_SOURCES = 8;

/** @param reports in the order in which they were sent; with all of each entity. @returns the indices of those that may be taken twice. */
export function unrecognised(reports: readonly Report[]): Set<number> {
  const found = new Set<number>();
  const byEntity = new Map<string, number[]>();
  for (const [index, { id }] of reports.entries()) {
    const indices = byEntity.get(id);
    if (indices === undefined) byEntity.set(id, [index]);
    else indices.push(index);
  }
  for (const indices of byEntity.values()) {
    if (indices.length <= LAST_REPORTS) continue;
    const ranges = rangesOf(reports, indices);
    for (const index of indices) {
      const { seq, source = "" } = reports[index];
      const { lowest, highest } = ranges.get(source) ?? { lowest: 0, highest: Infinity };
      if (seq === undefined || ranges.size > MAX_SOURCES || highest - lowest >= WINDOW) found.add(index);
    }
  }
  return found;
}

/** By source. */
function rangesOf(
  reports: readonly Report[],
  indices: readonly number[],
): Map<string, { lowest: number; highest: number }> {
  const ranges = new Map<string, { lowest: number; highest: number }>();
  for (const index of indices) {
    const { seq, source = "" } = reports[index];
    if (seq === undefined) continue;
    const range = ranges.get(source);
    if (range === undefined) ranges.set(source, { lowest: seq, highest: seq });
    else {
      range.lowest = Math.min(range.lowest, seq);
      range.highest = Math.max(range.highest, seq);
    }
  }
  return ranges;
}
