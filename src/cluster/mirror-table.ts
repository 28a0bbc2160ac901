/**
 * Mirrors: slots of this node's picture of entities that other nodes own. Views, channels and lenses see no difference; actors and queries do
 * (`MIRROR` in `flags`).
 *
 * A mirror is *confirmed* if the owner of its shard under the newest epoch has told it in its present stream; else it is what an earlier owner
 * said, and stays until the new one has told all that it has of the shard (`complete`), so that the death of a node makes nothing leave.
 * Nothing goes back: what comes under an older epoch than one known of the shard is ignored, and so is an older `(epoch, seq)` of an entity.
 */
import type { EntityTable } from "../actors/entity-table.ts";
import { MAX_ENTITIES, SHARDS } from "../limits.ts";
import { HAS_PLACE, IMPLAUSIBLE, MIRROR, widenU32 } from "../picture/columns.ts";
import { FULL, MOTION, type Picture, type RemovalReason } from "../picture/picture.ts";
import type { FrameReader } from "./mirror-codec.ts";

/** What became of a record. */
export type Outcome =
  /** Taken, or older than what is known. */
  | "done"
  /** Of something that this stream has not told yet, or that is not a mirror here. */
  | "unknown"
  /** This node believes to own the shard; the sender has a newer epoch of it. */
  | "ours"
  /** There is no room for it. */
  | "full";

/** In place of a slot. */
const FULL_TABLE = -1;
const UNKNOWN = -2;

export class MirrorTable {
  readonly #picture: Picture;
  readonly #maxEntities: number;
  /** By shard: the newest epoch known. */
  readonly #epochs = new Uint32Array(SHARDS);
  /** By shard: this node has it. */
  readonly #own = new Uint8Array(SHARDS);
  /** By shard: number → slot of its mirrors. */
  readonly #slots: readonly Map<number, number>[] = Array.from({ length: SHARDS }, () => new Map());
  /** By slot of a mirror: its number, and the stamp of the stream that told it last; 0 = none. */
  #number = new Uint32Array(0);
  #stamp = new Uint32Array(0);

  constructor(picture: Picture, maxEntities = MAX_ENTITIES) {
    this.#picture = picture;
    this.#maxEntities = maxEntities;
  }

  get size(): number {
    return this.#slots.reduce((size, slots) => size + slots.size, 0);
  }

  isMirror(slot: number): boolean {
    return (this.#picture.columns.flags.of(slot) & MIRROR) !== 0;
  }

  /** Everything about an entity. @param stamp of the stream, > 0 and never used before. */
  full(stamp: number, record: FrameReader): Outcome {
    const admitted = this.#admits(record.shard, record.epoch);
    if (admitted !== true) return admitted;
    const { columns } = this.#picture;
    const slot = this.#slotFor(record);
    if (slot === UNKNOWN) return "unknown";
    if (slot === FULL_TABLE) return "full";
    this.#stamp[slot] = stamp;
    if (!isNewer(record, columns.epoch.of(slot), columns.seq.of(slot))) return "done";
    columns.kind.set(slot, columns.kinds.number(record.kind));
    columns.state.set(slot, columns.states.number(record.state));
    columns.source.set(slot, columns.sources.number(record.source));
    columns.liveness.set(slot, record.liveness);
    columns.accuracy.set(slot, record.accuracy);
    if (record.attributes === "") columns.attributes.delete(slot);
    else columns.attributes.set(slot, record.attributes);
    if (record.labels.length === 0) columns.labels.delete(slot);
    else columns.labels.set(slot, record.labels);
    if (record.fences.length === 0) columns.fences.delete(slot);
    else columns.fences.set(slot, record.fences);
    this.#move(slot, record);
    this.#picture.touch(slot, FULL);
    return "done";
  }

  motion(stamp: number, record: FrameReader): Outcome {
    const admitted = this.#admits(record.shard, record.epoch);
    if (admitted !== true) return admitted;
    const { columns } = this.#picture;
    const slot = this.#slots[record.shard].get(record.number) ?? -1;
    // A number whose introduction was never committed may name another entity under the next epoch.
    if (slot < 0 || this.#stamp[slot] !== stamp || columns.epoch.of(slot) !== record.epoch) return "unknown";
    if (record.seq <= columns.seq.of(slot)) return "done";
    this.#move(slot, record);
    this.#picture.touch(slot, MOTION);
    return "done";
  }

  /** What is in both kinds of records. */
  #move(slot: number, record: FrameReader): void {
    const { columns } = this.#picture;
    columns.epoch.set(slot, record.epoch);
    columns.seq.set(slot, record.seq);
    columns.t.set(slot, record.t);
    columns.received.set(slot, record.received);
    columns.setMotion(slot, record);
    if (record.flags & HAS_PLACE) {
      this.#picture.place(slot, record.lon, record.lat);
      columns.placedAt.set(slot, record.placedAt);
    } else this.#picture.unplace(slot);
    columns.flags.set(slot, (columns.flags.of(slot) & ~IMPLAUSIBLE) | (record.flags & IMPLAUSIBLE));
  }

  /** An entity has left this node's interest, or is deleted. */
  gone(stamp: number, record: FrameReader): Outcome {
    const admitted = this.#admits(record.shard, record.epoch);
    if (admitted !== true) return admitted;
    const slot = this.#slots[record.shard].get(record.number);
    if (slot !== undefined && this.#stamp[slot] === stamp) this.#remove(record.shard, slot, record.reason);
    return "done";
  }

  /** The owner has told all that it has of a shard within this node's present interest: there is nothing else. */
  complete(stamp: number, shard: number, epoch: number): Outcome {
    const admitted = this.#admits(shard, epoch);
    if (admitted !== true) return admitted;
    const { columns } = this.#picture;
    for (const slot of this.#slots[shard].values())
      if (this.#stamp[slot] !== stamp || columns.epoch.of(slot) !== epoch) this.#remove(shard, slot, "left");
    return "done";
  }

  /** This node has opened a shard; its entities are in the table. Mirrors that were not taken over were never durable. */
  opened(shard: number, epoch: number): void {
    this.#own[shard] = 1;
    this.#epochs[shard] = Math.max(this.#epochs[shard], epoch);
    const slots = this.#slots[shard];
    for (const slot of slots.values()) if (this.isMirror(slot)) this.#picture.remove(slot, "deleted");
    slots.clear();
  }

  /**
   * This node has a shard no longer: what is `wanted` of its entities become mirrors, the others leave.
   * @param gone is called for each slot first.
   */
  release(
    table: EntityTable,
    shard: number,
    wanted: (slot: number) => boolean,
    gone: (slot: number) => void,
  ): void {
    this.#own[shard] = 0;
    this.#grow();
    table.release(table.shards[shard], gone, (slot) => {
      if (!wanted(slot)) return false;
      this.#bind(shard, table.number.of(slot), slot);
      this.#stamp[slot] = 0;
      return true;
    });
  }

  #admits(shard: number, epoch: number): true | "done" | "ours" {
    if (epoch < this.#epochs[shard]) return "done";
    if (this.#own[shard] === 1) return "ours";
    this.#epochs[shard] = epoch;
    return true;
  }

  /** The slot of a record's entity, a new one if need be. `UNKNOWN`: it is no mirror, though its shard is not this node's. */
  #slotFor({ shard, number, id, epoch }: FrameReader): number {
    const slots = this.#slots[shard];
    const { columns } = this.#picture;
    const known = slots.get(number);
    if (known !== undefined) {
      if (columns.id[known] === id) return known;
      // It was never committed, and its number was given again.
      this.#remove(shard, known, "deleted");
    }
    let slot = this.#picture.find(id);
    if (slot >= 0) {
      // It says what cannot be, or this node has something that it should not: another node's word must not end it.
      if (!this.isMirror(slot) || columns.shard.of(slot) !== shard) return UNKNOWN;
      slots.delete(this.#number[slot]);
      // Its owner has deleted it, and begun another with its id, whose `seq` begins anew.
      if (columns.epoch.of(slot) === epoch) {
        this.#remove(shard, slot, "deleted");
        slot = -1;
      }
    }
    if (slot < 0) {
      if (this.#picture.size >= this.#maxEntities) return FULL_TABLE;
      slot = this.#picture.add(id, shard);
      columns.flags.set(slot, columns.flags.of(slot) | MIRROR);
      this.#grow();
    }
    this.#bind(shard, number, slot);
    return slot;
  }

  #bind(shard: number, number: number, slot: number): void {
    this.#slots[shard].set(number, slot);
    this.#number[slot] = number;
  }

  #remove(shard: number, slot: number, reason: RemovalReason): void {
    this.#slots[shard].delete(this.#number[slot]);
    this.#stamp[slot] = 0;
    this.#picture.remove(slot, reason);
  }

  #grow(): void {
    const { capacity } = this.#picture.columns;
    if (this.#stamp.length >= capacity) return;
    this.#number = widenU32(this.#number, capacity);
    this.#stamp = widenU32(this.#stamp, capacity);
  }
}

function isNewer({ epoch, seq }: FrameReader, knownEpoch: number, knownSeq: number): boolean {
  return epoch > knownEpoch || (epoch === knownEpoch && seq > knownSeq);
}
