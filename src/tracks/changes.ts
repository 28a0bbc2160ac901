/**
 * Since when an entity is told otherwise: changes after its last point. They are ends of segments that have no place yet, or that have not begun:
 * what comes later may be from before them.
 */
import { MAX_SHARD_TRACK_BYTES } from "../limits.ts";
import type { Description } from "./segment.ts";
import { ALONE, type EndRecord, LABELS } from "./track-records.ts";

/** Changes of labels that wait while nothing of an entity is open: of more, and of those for which a shard has no room, none is told to have been before. */
export const MAX_WAITING_LABELS = 16;
export const MAX_SHARD_WAITING_LABEL_BYTES = MAX_SHARD_TRACK_BYTES / 4;

/** What a change of labels takes of memory beside its record, about: measured, one with a record of 49 bytes takes 252 in all. */
export const WAITING_LABELS_BYTES = 200;

/** All of it, or labels alone. */
export type Until = Description | Pick<Description, "labels">;

export interface Change {
  number: number;
  /** Unix ms. */
  at: number;
  /** When the segment that it begins is recorded, Unix ms. */
  recorded: number;
  /** What was until then. If it is labels alone, the rest was as until the next change. */
  before: Until;
  /** Where its record begins, and what it takes in the log. */
  from: number;
  bytes: number;
}

const NONE: readonly Change[] = [];

export class Changes {
  readonly #byNumber = new Map<number, Change[]>();
  /** Whether there may be any: mostly there are none, and whoever looks at the map waits for memory twice. */
  #some = false;
  /** What those that tell labels alone take of memory, about, bytes. */
  #labelBytes = 0;

  get labelBytes(): number {
    return this.#labelBytes;
  }

  has(number: number): boolean {
    return this.#some && this.#byNumber.has(number);
  }

  /** By ascending time. */
  of(number: number): readonly Change[] {
    return this.#byNumber.get(number) ?? NONE;
  }

  /** Adds one that is later than those before. @param from where its record begins. @param bytes what it takes */
  add(record: EndRecord, from: number, bytes: number): void {
    const { tag, number, recorded, until: at, kind, state, attributes, labels, fences } = record;
    if (tag & ALONE) this.dropUntil(number);
    const before = tag & LABELS ? { labels } : { kind, state, attributes, labels, fences };
    this.#set(number, [...this.of(number), { number, at, recorded, before, from, bytes }]);
  }

  /** Forgets those until `at`, Unix ms. */
  dropUntil(number: number, at = Infinity): void {
    if (!this.has(number)) return;
    const left = this.of(number).filter((change) => change.at > at);
    this.#set(number, left);
  }

  /** Forgets those of other numbers. */
  keep(isKnown: (number: number) => boolean): void {
    for (const number of this.#byNumber.keys()) if (!isKnown(number)) this.dropUntil(number);
  }

  get size(): number {
    return this.#byNumber.size;
  }

  /** Where the first record of all begins, ∞ = there is none, and their bytes. */
  get wanted(): { first: number; bytes: number } {
    let [first, sum] = [Infinity, 0];
    for (const { from, bytes } of this.all()) {
      first = Math.min(first, from);
      sum += bytes;
    }
    return { first, bytes: sum };
  }

  /** All records have moved so many bytes to the front. */
  moveBack(bytes: number): void {
    for (const change of this.all()) change.from -= bytes;
  }

  /** Those of a number by ascending time. */
  *all(): Generator<Change> {
    for (const changes of this.#byNumber.values()) yield* changes;
  }

  #set(number: number, changes: Change[]): void {
    this.#labelBytes += labelBytes(changes) - labelBytes(this.of(number));
    if (changes.length === 0) this.#byNumber.delete(number);
    else this.#byNumber.set(number, changes);
    this.#some = this.#byNumber.size > 0;
  }
}

/** Whether it tells labels alone. */
export function isOfLabels({ before }: Change): boolean {
  return !("kind" in before);
}

/** What was until each of the changes. @param now what is after the last. */
export function untilEach(changes: readonly Change[], now: Description): Description[] {
  let next = now;
  return changes
    .toReversed()
    .map(({ before }) => {
      next = { ...next, ...before };
      return next;
    })
    .reverse();
}

function labelBytes(changes: readonly Change[]): number {
  return changes.reduce(
    (sum, change) => sum + (isOfLabels(change) ? WAITING_LABELS_BYTES + change.bytes : 0),
    0,
  );
}
