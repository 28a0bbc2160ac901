/** Queries on the picture as it is now. Expired entities are never found. */
import { EXPIRED } from "../actors/messages.ts";
import type { Columns } from "./columns.ts";
import { type Box, coverOf } from "./cover.ts";
import type { Interner } from "./interner.ts";
import type { Picture } from "./picture.ts";
import { boxAround, distance, FARTHEST } from "./sphere.ts";

export interface BboxQuery {
  /** Only what is within, edges included. Absent = everything, entities that never had a place too. */
  bbox?: Box;
  /** Only these kinds. */
  kinds?: readonly string[];
  /** Only these states. */
  states?: readonly string[];
  /** How many at most, ≥ 1. */
  limit: number;
  /** Only ids greater than this one: the last one of the page before. */
  after?: string;
  /** Only slots for which this is true. Absent = all. */
  only?: (slot: number) => boolean;
}

/** The entities with the smallest ids, in order of id (by UTF-16 units). `more`: there are others beyond the limit. */
export function queryBbox(picture: Picture, query: BboxQuery): { slots: number[]; more: boolean } {
  const { columns } = picture;
  const { bbox, limit, after } = query;
  const passes = filterOf(columns, query);
  const smallest = new SmallestIds(columns.id as readonly string[], limit + 1);
  const look = (slot: number) => {
    const id = columns.id[slot]!;
    if (after !== undefined && id <= after) return;
    if (columns.liveness.of(slot) !== EXPIRED && passes(slot)) smallest.add(slot);
  };
  if (bbox === undefined) {
    for (let slot = 0; slot < columns.extent; slot++)
      if (columns.id[slot] !== undefined && picture.removal(slot) === undefined) look(slot);
  } else {
    const cover = coverOf(bbox);
    for (let i = 0; i < cover.length; i += 2)
      picture.index.range(cover[i], cover[i + 1], (slot) => {
        if (isWithin(columns.lon.of(slot), columns.lat.of(slot), bbox)) look(slot);
      });
  }
  const slots = smallest.sorted();
  const more = slots.length > limit;
  if (more) slots.pop();
  return { slots, more };
}

/** Whether a place is in a box, edges included. Longitudes 180 and −180 are the same. */
export function isWithin(lon: number, lat: number, [west, south, east, north]: Box): boolean {
  if (lat < south || lat > north) return false;
  if (west <= east ? lon >= west && lon <= east : lon >= west || lon <= east) return true;
  return Math.abs(lon) === 180 && (Math.abs(west) === 180 || Math.abs(east) === 180);
}

export interface NearQuery {
  /** Degrees. */
  lon: number;
  lat: number;
  /** Not farther than so many metres. Absent = anywhere. */
  radius?: number;
  /** How many at most, ≥ 1. */
  k: number;
  kinds?: readonly string[];
  states?: readonly string[];
  /** Only slots for which this is true. Absent = all. */
  only?: (slot: number) => boolean;
}

/** Where the search starts, metres: a few cells. */
const FIRST_RADIUS = 1_000;
/** How much farther it looks when it found too little: by the density it met, within these bounds. */
const LEAST_STEP = 1.5;
const GREATEST_STEP = 4;

/**
 * The nearest entities, nearest first, with great-circle distances in metres; equally far ones in order of id.
 * It looks in a box around growing circles until one holds enough.
 */
export function queryNear(picture: Picture, query: NearQuery): { slots: number[]; distances: number[] } {
  const { columns, index } = picture;
  const { lon, lat, k } = query;
  const farthest = Math.min(query.radius ?? FARTHEST, FARTHEST);
  const passes = filterOf(columns, query);
  let radius = Math.min(FIRST_RADIUS, farthest);
  for (;;) {
    const found: { slot: number; metres: number }[] = [];
    const cover = coverOf(boxAround(lon, lat, radius));
    for (let i = 0; i < cover.length; i += 2)
      index.range(cover[i], cover[i + 1], (slot) => {
        if (columns.liveness.of(slot) === EXPIRED || !passes(slot)) return;
        const metres = distance(lon, lat, columns.lon.of(slot), columns.lat.of(slot));
        if (metres <= radius) found.push({ slot, metres });
      });
    if (found.length >= k || radius >= farthest) return nearest(columns, found, k);
    const step = found.length === 0 ? GREATEST_STEP : 1.2 * Math.sqrt(k / found.length);
    radius = Math.min(farthest, radius * Math.min(GREATEST_STEP, Math.max(LEAST_STEP, step)));
  }
}

function nearest(columns: Columns, found: { slot: number; metres: number }[], k: number) {
  found.sort((a, b) => a.metres - b.metres || (columns.id[a.slot]! < columns.id[b.slot]! ? -1 : 1));
  const taken = found.slice(0, k);
  return { slots: taken.map(({ slot }) => slot), distances: taken.map(({ metres }) => metres) };
}

function filterOf(
  columns: Columns,
  { kinds, states, only }: Pick<BboxQuery, "kinds" | "states" | "only">,
): (slot: number) => boolean {
  const kindNumbers = numbersOf(columns.kinds, kinds);
  const stateNumbers = numbersOf(columns.states, states);
  return (slot) =>
    (kindNumbers?.has(columns.kind.of(slot)) ?? true) &&
    (stateNumbers?.has(columns.state.of(slot)) ?? true) &&
    (only?.(slot) ?? true);
}

function numbersOf(interner: Interner, names: readonly string[] | undefined): Set<number> | undefined {
  return names && new Set(names.map((name) => interner.find(name)));
}

/** Keeps the slots with the smallest ids: a binary heap with the greatest of them on top, so that nothing else is sorted. */
class SmallestIds {
  readonly #ids: readonly string[];
  readonly #limit: number;
  readonly #heap: number[] = [];

  constructor(ids: readonly string[], limit: number) {
    this.#ids = ids;
    this.#limit = limit;
  }

  add(slot: number): void {
    const heap = this.#heap;
    const ids = this.#ids;
    if (heap.length < this.#limit) {
      let at = heap.push(slot) - 1;
      while (at > 0) {
        const parent = (at - 1) >> 1;
        if (ids[heap[parent]] >= ids[slot]) break;
        heap[at] = heap[parent];
        at = parent;
      }
      heap[at] = slot;
    } else if (ids[slot] < ids[heap[0]]) this.#replaceTop(slot);
  }

  #replaceTop(slot: number): void {
    const heap = this.#heap;
    const ids = this.#ids;
    let at = 0;
    for (let child = 1; child < heap.length; child = 2 * at + 1) {
      if (child + 1 < heap.length && ids[heap[child + 1]] > ids[heap[child]]) child++;
      if (ids[heap[child]] <= ids[slot]) break;
      heap[at] = heap[child];
      at = child;
    }
    heap[at] = slot;
  }

  sorted(): number[] {
    return this.#heap.sort((a, b) => (this.#ids[a] < this.#ids[b] ? -1 : 1));
  }
}
