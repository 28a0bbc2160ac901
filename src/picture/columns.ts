/**
 * The state of all entities of a node, one row a `slot`. Absent numbers are NaN. A million entities cost no objects; rare things are in side tables by slot.
 */
import { Interner } from "./interner.ts";
import { Rows } from "./rows.ts";

/**
 * A node that knows so many kinds, or sources, takes no report with a new one. It may come to know more: those of shards that it takes over, and of
 * what its viewers look at elsewhere.
 */
export const MAX_KINDS = 4_096;
export const MAX_SOURCES = 1_048_576;
/** A column has 16 bits for them. All that ever were are counted in one place, the store (`MAX_MACHINE_STATES_KEPT`), so that no node knows more. */
export const MAX_STATES = 65_535;

/** Bits of `flags`. */
export const HAS_PLACE = 1;
/** The last move was faster than anything of its kind can be. */
export const IMPLAUSIBLE = 2;
/** Another node owns the entity: what is here is a copy of what viewers of this node look at. No actor has it, no query answers with it. */
export const MIRROR = 4;

/** Metres, metres per second, degrees clockwise from true north. */
interface Motion {
  alt: number;
  speed: number;
  course: number;
  heading: number;
}

export class Columns {
  /** What the columns are of. */
  readonly rows = new Rows();
  /** All slots that are in use are below; `id` is as long. */
  extent = 0;

  /** `undefined` = the slot is free. */
  readonly id: (string | undefined)[] = [];
  readonly kinds = new Interner();
  readonly states = new Interner(MAX_STATES);
  readonly sources = new Interner();

  readonly lon = this.rows.float64();
  readonly lat = this.rows.float64();
  /** Fix time of the newest report, Unix ms. */
  readonly t = this.rows.float64();
  /** Of the newest report with a place, Unix ms: `lon` and `lat` are of then, and `t` may be later; −∞ = there was none. */
  readonly placedAt = this.rows.float64();
  /** When the newest report of any age came in, Unix ms. */
  readonly received = this.rows.float64();
  readonly alt = this.rows.float32();
  readonly speed = this.rows.float32();
  readonly course = this.rows.float32();
  readonly heading = this.rows.float32();
  readonly accuracy = this.rows.float32();
  /** With 16 bits a row was as long, and the kinds of 17 nodes too many for the one that is left. */
  readonly kind = this.rows.uint32();
  readonly state = this.rows.uint16();
  readonly source = this.rows.uint32();
  readonly liveness = this.rows.uint8();
  readonly flags = this.rows.uint8();
  readonly shard = this.rows.uint8();
  /** The epoch of the shard when the entity last changed: `(epoch, seq)` only grows. */
  readonly epoch = this.rows.uint32();
  /** Facts of the entity, without gaps. */
  readonly seq = this.rows.uint32();
  /** Morton key of the place; meaningless without `HAS_PLACE`. */
  readonly key = this.rows.uint32();
  /** What changed since the last base tick: bits of `MOTION` and `FULL` (`picture.ts`). */
  readonly changed = this.rows.uint8();

  /** Slot → JSON text of the attributes, an object; absent = none. Text, so that feeds copy it and nobody mutates it. */
  readonly attributes = new Map<number, string>();
  /** Slot → labels, sorted; absent = none. */
  readonly labels = new Map<number, readonly string[]>();
  /** Slot → names of the fences that the entity is inside of, sorted; absent = none. */
  readonly fences = new Map<number, readonly string[]>();

  get capacity(): number {
    return this.rows.capacity;
  }

  /** Makes room for at least `wanted` slots. */
  grow(wanted: number): void {
    if (wanted > this.capacity) this.rows.grow(Math.max(1_024, this.capacity * 2, wanted));
  }

  /** Sets the motion of an entity as a whole; NaN = unknown. */
  setMotion(slot: number, motion: Motion): void {
    this.alt.set(slot, motion.alt);
    this.speed.set(slot, motion.speed);
    this.course.set(slot, motion.course);
    this.heading.set(slot, motion.heading);
  }

  /** Puts a slot into the state of an entity that was never reported. */
  reset(slot: number): void {
    const { lon, lat, alt, speed, course, heading, accuracy } = this;
    for (const column of [lon, lat, alt, speed, course, heading, accuracy]) column.set(slot, NaN);
    this.t.set(slot, Number.NEGATIVE_INFINITY);
    this.placedAt.set(slot, Number.NEGATIVE_INFINITY);
    const { received, kind, state, source, liveness, flags, epoch, seq, key } = this;
    for (const column of [received, kind, state, source, liveness, flags, epoch, seq, key])
      column.set(slot, 0);
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
export function widenU8(from: Uint8Array, capacity: number): Uint8Array<ArrayBuffer> {
  const to = new Uint8Array(capacity);
  to.set(from);
  return to;
}
