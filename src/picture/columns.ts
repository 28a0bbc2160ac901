/**
 * The state of all entities of a node as columns: one typed-array entry a `slot`. Absent numbers are NaN. A million
 * entities cost no objects; rare things are in side tables by slot.
 *
 * Arrays are replaced when the table grows: read them through the `Columns` object, do not keep them.
 */
import { Interner } from "./interner.ts";

export const MAX_KINDS = 4_096;
export const MAX_STATES = 65_535;
export const MAX_SOURCES = 1_048_576;

/** Bits of `flags`. */
export const HAS_PLACE = 1;
/** The last move was faster than anything of its kind can be. */
export const IMPLAUSIBLE = 2;
/** Another node owns the entity: what is here is a copy of what viewers of this node look at. No actor has it, no query answers with it. */
export const MIRROR = 4;

export class Columns {
  capacity = 0;
  /** All slots that are in use are below; `id` is as long. */
  extent = 0;

  /** `undefined` = the slot is free. */
  readonly id: (string | undefined)[] = [];
  readonly kinds = new Interner(MAX_KINDS);
  readonly states = new Interner(MAX_STATES);
  readonly sources = new Interner(MAX_SOURCES);

  lon = new Float64Array(0);
  lat = new Float64Array(0);
  /** Fix time of the newest report, Unix ms. */
  t = new Float64Array(0);
  /** When the newest report of any age came in, Unix ms. */
  received = new Float64Array(0);
  alt = new Float32Array(0);
  speed = new Float32Array(0);
  course = new Float32Array(0);
  heading = new Float32Array(0);
  accuracy = new Float32Array(0);
  kind = new Uint16Array(0);
  state = new Uint16Array(0);
  source = new Uint32Array(0);
  liveness = new Uint8Array(0);
  flags = new Uint8Array(0);
  shard = new Uint8Array(0);
  /** The epoch of the shard when the entity last changed: `(epoch, seq)` only grows. */
  epoch = new Uint32Array(0);
  /** Facts of the entity, without gaps. */
  seq = new Uint32Array(0);
  /** Morton key of the place; meaningless without `HAS_PLACE`. */
  key = new Uint32Array(0);

  /** Slot → JSON text of the attributes, an object; absent = none. Text, so that feeds copy it and nobody mutates it. */
  readonly attributes = new Map<number, string>();
  /** Slot → labels, sorted; absent = none. */
  readonly labels = new Map<number, readonly string[]>();
  /** Slot → names of the fences that the entity is inside of, sorted; absent = none. */
  readonly fences = new Map<number, readonly string[]>();

  /** Makes room for at least `wanted` slots. */
  grow(wanted: number): void {
    if (wanted <= this.capacity) return;
    const capacity = Math.max(1_024, this.capacity * 2, wanted);
    this.lon = widenF64(this.lon, capacity);
    this.lat = widenF64(this.lat, capacity);
    this.t = widenF64(this.t, capacity);
    this.received = widenF64(this.received, capacity);
    this.alt = widenF32(this.alt, capacity);
    this.speed = widenF32(this.speed, capacity);
    this.course = widenF32(this.course, capacity);
    this.heading = widenF32(this.heading, capacity);
    this.accuracy = widenF32(this.accuracy, capacity);
    this.kind = widenU16(this.kind, capacity);
    this.state = widenU16(this.state, capacity);
    this.source = widenU32(this.source, capacity);
    this.liveness = widenU8(this.liveness, capacity);
    this.flags = widenU8(this.flags, capacity);
    this.shard = widenU8(this.shard, capacity);
    this.epoch = widenU32(this.epoch, capacity);
    this.seq = widenU32(this.seq, capacity);
    this.key = widenU32(this.key, capacity);
    this.capacity = capacity;
  }

  /** Puts a slot into the state of an entity that was never reported. */
  reset(slot: number): void {
    this.lon[slot] = this.lat[slot] = NaN;
    this.t[slot] = Number.NEGATIVE_INFINITY;
    this.received[slot] = 0;
    this.alt[slot] = this.speed[slot] = this.course[slot] = NaN;
    this.heading[slot] = this.accuracy[slot] = NaN;
    this.kind[slot] = this.state[slot] = this.source[slot] = 0;
    this.liveness[slot] = this.flags[slot] = 0;
    this.epoch[slot] = this.seq[slot] = this.key[slot] = 0;
    this.attributes.delete(slot);
    this.labels.delete(slot);
    this.fences.delete(slot);
  }
}

export function widenF64(from: Float64Array, capacity: number): Float64Array<ArrayBuffer> {
  const to = new Float64Array(capacity);
  to.set(from);
  return to;
}
export function widenF32(from: Float32Array, capacity: number): Float32Array<ArrayBuffer> {
  const to = new Float32Array(capacity);
  to.set(from);
  return to;
}
export function widenU32(from: Uint32Array, capacity: number): Uint32Array<ArrayBuffer> {
  const to = new Uint32Array(capacity);
  to.set(from);
  return to;
}
export function widenU16(from: Uint16Array, capacity: number): Uint16Array<ArrayBuffer> {
  const to = new Uint16Array(capacity);
  to.set(from);
  return to;
}
export function widenU8(from: Uint8Array, capacity: number): Uint8Array<ArrayBuffer> {
  const to = new Uint8Array(capacity);
  to.set(from);
  return to;
}
