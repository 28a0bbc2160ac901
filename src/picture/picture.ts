/**
 * The picture: the one in-memory table that all reads are served from. It owns the columns, the id index, the spatial
 * index and the marks of what changed since the last base tick. Actors write it, the feed and the queries read it.
 *
 * A slot is free, in use, or removed: a removed slot keeps its number until every channel has told its departure
 * (`releaseRemoved`), so that a handle never means two entities within one view.
 */
import { Columns, HAS_PLACE } from "./columns.ts";
import { IdIndex, type WrittenIds } from "./id-index.ts";
import { mortonKey } from "./morton.ts";
import type { Uint8Column } from "./rows.ts";
import { Slots } from "./slots.ts";
import { SpatialIndex } from "./spatial-index.ts";

/** What changed of a slot: only place, motion and times; or anything else too. */
export const MOTION = 1;
export const FULL = 2;

export type RemovalReason = "left" | "deleted" | "denied";

/** The slots that changed between two base ticks, each once. */
export interface Changes {
  readonly count: number;
  /** `count` slots, in order of their first change. */
  readonly slots: Uint32Array;
  /** By slot: MOTION or FULL bits. */
  readonly what: Uint8Column;
}

/** Somebody beside the feed who wants to know what changes, at a pace of its own. */
export interface Watcher {
  touched(slot: number, what: typeof MOTION | typeof FULL): void;
  /** Whether it has yet to look at a slot: one that was removed must keep its number so long. */
  isDirty(slot: number): boolean;
}

export class Picture {
  readonly columns = new Columns();
  readonly index: SpatialIndex;
  readonly #slotOf = new IdIndex(this.columns.id);
  readonly #slots = new Slots();
  readonly #removed = new Map<number, RemovalReason>();
  #changed = new Uint32Array(0);
  #changedCount = 0;
  #watcher: Watcher | undefined;

  /** @param index `NO_INDEX` if it is not asked where anything is. */
  constructor(index = new SpatialIndex()) {
    this.index = index;
  }

  /** How many entities there are, expired ones included. */
  get size(): number {
    return this.#slotOf.size;
  }

  /** The slot of an id, or −1. @param hint a slot that it may be in: to look there is cheaper */
  find(id: string, hint = -1): number {
    return this.#isIn(hint, id) ? hint : this.#slotOf.find(id);
  }

  #isIn(slot: number, id: string): boolean {
    return slot >= 0 && this.columns.id[slot] === id && this.removal(slot) === undefined;
  }

  /**
   * Finds some ids, in less time than one after the other.
   * @param count of them, at most `MAX_FIND`. @param slots their hints, in place of which their slots are set.
   */
  findAll(ids: readonly string[], count: number, slots: Int32Array): void {
    for (let i = 0; i < count; i++) if (!this.#isIn(slots[i], ids[i])) slots[i] = -1;
    this.#slotOf.findAll(ids, count, slots);
  }

  /** As `findAll`, of ids that are written: `IdIndex.findWritten`. */
  findWritten(written: WrittenIds, first: number, count: number, slots: Int32Array): void {
    this.#slotOf.findWritten(written, first, count, slots);
  }

  /** Adds an entity that is not there. Its slot has no place and is marked FULL. */
  add(id: string, shard: number): number {
    const columns = this.columns;
    const slot = this.#slots.take(shard);
    const { extent } = this.#slots;
    if (extent > columns.extent) {
      if (extent > columns.capacity) this.#grow(extent);
      while (columns.id.length < extent) columns.id.push(undefined);
      columns.extent = extent;
    }
    columns.reset(slot);
    columns.id[slot] = id;
    columns.shard.set(slot, shard);
    this.#slotOf.add(slot);
    this.touch(slot, FULL);
    return slot;
  }

  /** Sets the place of an entity, where it is at its `t`, and marks it MOTION. */
  place(slot: number, lon: number, lat: number): void {
    const columns = this.columns;
    const key = mortonKey(lon, lat);
    columns.lon.set(slot, lon);
    columns.lat.set(slot, lat);
    columns.placedAt.set(slot, columns.t.of(slot));
    if (columns.flags.of(slot) & HAS_PLACE) {
      // Most moves stay in their cell.
      if (columns.key.of(slot) !== key) {
        columns.key.set(slot, key);
        this.index.move(slot, key);
      }
    } else {
      columns.key.set(slot, key);
      columns.flags.set(slot, columns.flags.of(slot) | HAS_PLACE);
      this.index.insert(slot, key);
    }
    this.touch(slot, MOTION);
  }

  /** Takes the place of an entity away and marks it FULL. */
  unplace(slot: number): void {
    const { flags, lon, lat, placedAt } = this.columns;
    if ((flags.of(slot) & HAS_PLACE) === 0) return;
    flags.set(slot, flags.of(slot) & ~HAS_PLACE);
    lon.set(slot, NaN);
    lat.set(slot, NaN);
    placedAt.set(slot, Number.NEGATIVE_INFINITY);
    this.index.remove(slot);
    this.touch(slot, FULL);
  }

  /** From now on `watcher` is told of all changes too. */
  watch(watcher: Watcher): void {
    this.#watcher = watcher;
  }

  /** Marks what changed of a slot for the next base tick. */
  touch(slot: number, what: typeof MOTION | typeof FULL): void {
    if (this.#watcher !== undefined) this.#watcher.touched(slot, what);
    const { changed } = this.columns;
    const before = changed.of(slot);
    if (before === 0) this.#changed[this.#changedCount++] = slot;
    changed.set(slot, before | what);
  }

  /** Takes an entity out. Its id is free at once, its slot after `releaseRemoved`. */
  remove(slot: number, reason: RemovalReason): void {
    const columns = this.columns;
    this.#slotOf.remove(slot);
    if (columns.flags.of(slot) & HAS_PLACE) this.index.remove(slot);
    columns.flags.set(slot, columns.flags.of(slot) & ~HAS_PLACE);
    this.#removed.set(slot, reason);
    this.touch(slot, FULL);
  }

  /** Why a slot was taken out, or `undefined` if it was not. */
  removal(slot: number): RemovalReason | undefined {
    return this.#removed.size === 0 ? undefined : this.#removed.get(slot);
  }

  /** Slots taken out and not yet released. */
  get removedCount(): number {
    return this.#removed.size;
  }

  /** What changed since `clearChanges`. Valid until then. */
  changes(): Changes {
    return { count: this.#changedCount, slots: this.#changed, what: this.columns.changed };
  }

  /** Starts the next base tick. */
  clearChanges(): void {
    const { changed } = this.columns;
    for (let i = 0; i < this.#changedCount; i++) changed.set(this.#changed[i], 0);
    this.#changedCount = 0;
  }

  /** Frees removed slots for which `told` says that every channel has told the departure. Call after `clearChanges`. */
  releaseRemoved(told: (slot: number) => boolean): void {
    for (const slot of this.#removed.keys()) {
      if (this.columns.changed.of(slot) !== 0 || !told(slot) || this.#watcher?.isDirty(slot)) continue;
      this.#removed.delete(slot);
      this.columns.id[slot] = undefined;
      this.columns.reset(slot);
      this.#slots.give(slot, this.columns.shard.of(slot));
    }
  }

  #grow(wanted: number): void {
    const columns = this.columns;
    columns.grow(wanted);
    this.index.grow(columns.capacity);
    const changed = new Uint32Array(columns.capacity);
    changed.set(this.#changed);
    this.#changed = changed;
  }
}
