/**
 * What an entity remembers of a fence, and how one fix or one deadline changes that. Pure: time comes in, nothing goes out.
 *
 * none → `pending_in` (seen inside, not often or long enough yet) → `in` → `pending_out` (seen outside, likewise) → none. With neither dwell nor several
 * reports wanted the pending ones are passed at once. A fix on the other side ends what is pending.
 */
import type { FenceRules } from "./definition.ts";

interface Pending {
  /** Time of the first fix on that side, Unix ms. */
  since: number;
  /** Further fixes in a row that are wanted. */
  wanted: number;
  /** When it has dwelt long enough although nothing more is heard, Unix ms: that counts from when the first fix came in. */
  due: number;
}

/** A stay: an `enter … exit` pair has the same. */
export interface Episode {
  /** Never given twice, of all fences and entities. */
  id: string;
  /** Time of the first fix inside, Unix ms. */
  enteredAt: number;
}

interface Base {
  /** Its name, and the version that was in force when this was decided. */
  fence: string;
  version: number;
}

/** Never changed in place. */
export type Occupied =
  | (Base & { phase: "pending_in"; pending: Pending })
  | (Base & { phase: "in"; episode: Episode })
  | (Base & { phase: "pending_out"; episode: Episode; pending: Pending });

/** The entity is inside, as far as anybody is told. */
export type Stay = Exclude<Occupied, { phase: "pending_in" }>;

/** `near`: outside, but not farther than the buffer. `unknown`: the fix says nothing of this fence. */
export type Side = "in" | "near" | "out" | "unknown";

export interface Fix {
  /** Of the fix, Unix ms. */
  t: number;
  /** Unix ms. */
  now: number;
}

/**
 * What becomes of it by a fix that is newer than all before.
 * @param before absent = none. @param newEpisode makes an id, if it enters.
 * @returns the same object if nothing changes, `undefined` = none.
 */
export function judged(
  { name: fence, version, rules }: { name: string; version: number; rules: FenceRules },
  before: Occupied | undefined,
  side: Side,
  fix: Fix,
  newEpisode: () => string,
): Occupied | undefined {
  if (side === "unknown") return before;
  switch (before?.phase) {
    case undefined: {
      if (side !== "in") return undefined;
      const pending = begun(rules, fix);
      if (isUp(pending, rules, fix)) return entered(fence, version, pending, newEpisode);
      return { fence, version, phase: "pending_in", pending };
    }
    case "pending_in": {
      if (side !== "in") return undefined;
      const pending = counted(before.pending);
      if (isUp(pending, rules, fix)) return entered(fence, version, pending, newEpisode);
      return pending === before.pending ? before : { ...before, pending };
    }
    case "in": {
      if (side !== "out") return before;
      const pending = begun(rules, fix);
      return isUp(pending, rules, fix) ? undefined : { ...before, phase: "pending_out", pending };
    }
    case "pending_out": {
      if (side !== "out") return { fence, version, phase: "in", episode: before.episode };
      const pending = counted(before.pending);
      if (isUp(pending, rules, fix)) return undefined;
      return pending === before.pending ? before : { ...before, pending };
    }
    default:
      return before satisfies never;
  }
}

/** What becomes of it when its deadline is there. @returns as `judged` does. */
export function dwelt(before: Occupied, newEpisode: () => string): Occupied | undefined {
  return before.phase === "pending_in"
    ? entered(before.fence, before.version, before.pending, newEpisode)
    : undefined;
}

/** When it changes although nothing more is heard, Unix ms; Infinity = not at all. */
export function dueOf(occupied: Occupied): number {
  return occupied.phase === "in" || occupied.pending.wanted > 0 ? Infinity : occupied.pending.due;
}

export function isStay(occupied: Occupied): occupied is Stay {
  return occupied.phase !== "pending_in";
}

/** Names of the fences that it is inside of, sorted. */
export function staysOf(all: readonly Occupied[]): string[] {
  return all.flatMap((one) => (isStay(one) ? [one.fence] : [])).sort();
}

function begun({ minReports, dwellMs }: FenceRules, { t, now }: Fix): Pending {
  return { since: t, wanted: minReports - 1, due: now + dwellMs };
}

function counted(pending: Pending): Pending {
  return pending.wanted === 0 ? pending : { ...pending, wanted: pending.wanted - 1 };
}

/** Fix times count too: devices send in one go what they could not send before, and recordings are played faster than they were made. */
function isUp({ since, wanted, due }: Pending, { dwellMs }: FenceRules, { t, now }: Fix): boolean {
  return wanted === 0 && (t - since >= dwellMs || now >= due);
}

function entered(fence: string, version: number, { since }: Pending, newEpisode: () => string): Occupied {
  return { fence, version, phase: "in", episode: { id: newEpisode(), enteredAt: since } };
}
