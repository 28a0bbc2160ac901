/** What goes into a frame of a view, before it is bytes of a protocol; and the room that its bytes are written to. */
import { Buffer } from "node:buffer";
import { Bytes } from "../../picture/bytes.ts";
import { type Encoded, Ranges } from "../../picture/record-list.ts";

/** Records of one kind: ranges of a list that all views share, then records written for this view alone. */
export class Part {
  readonly ranges = new Ranges();
  readonly own = new Bytes();
  ownCount = 0;
  #source: Encoded | undefined;

  clear(): void {
    this.ranges.clear();
    this.own.clear();
    this.ownCount = 0;
    this.#source = undefined;
  }

  /** Says what list the ranges are of. */
  of(source: Encoded): void {
    this.#source = source;
  }

  /** Copies one record of a shared list. */
  add(source: Encoded, place: number): void {
    const { own } = this;
    const start = source.offsets[place];
    const end = source.offsets[place + 1];
    own.reserve(end - start);
    source.bytes.buffer.copy(own.buffer, own.length, start, end);
    own.length += end - start;
    this.ownCount++;
  }

  get count(): number {
    return this.ranges.count + this.ownCount;
  }

  /** In bytes. */
  get size(): number {
    return (this.#source?.size(this.ranges) ?? 0) + this.own.length;
  }

  /** Copies all records to `target`. @returns where the next byte goes. */
  copy(target: Buffer, start: number): number {
    const at = this.#source === undefined ? start : this.#source.copy(this.ranges, target, start);
    return at + this.own.buffer.copy(target, at, 0, this.own.length);
  }
}

/** The records of a frame. One view is worked on at a time, so all share one object. */
export interface Parts {
  readonly departures: Part;
  readonly moves: Part;
  readonly fulls: Part;
}

export const parts: Parts = { departures: new Part(), moves: new Part(), fulls: new Part() };

export function clearParts(): void {
  parts.departures.clear();
  parts.moves.clear();
  parts.fulls.clear();
}

/** Leaves the records that were written for this view alone. */
export function clearRanges(): void {
  parts.departures.ranges.clear();
  parts.moves.ranges.clear();
  parts.fulls.ranges.clear();
}

/** Room kept for the next frame: most are smaller, and what is larger is rare enough to be allocated anew. */
const MAX_KEPT_BYTES = 4 * 2 ** 20;

/**
 * Room for one frame, used again for the next if the socket has taken all of it at once, as most do. Fresh memory for
 * each frame costs more than filling it: for 300 KB 45 µs against 4 µs, all of it page faults.
 */
class FrameRoom {
  #kept: Room | undefined;
  #lent: Room | undefined;

  /** At least `size` bytes, for one frame. */
  take(size: number): Buffer {
    const kept = this.#kept;
    this.#kept = undefined;
    this.#lent = kept !== undefined && kept.bytes.length >= size ? kept : roomOf(size + (size >> 1));
    return this.#lent.bytes;
  }

  /** What was taken last, to write numbers to. */
  get view(): DataView {
    return this.#lent!.view;
  }

  /** What was taken last is not read any more. */
  giveBack(): void {
    if (this.#lent !== undefined && this.#lent.bytes.length <= MAX_KEPT_BYTES) this.#kept = this.#lent;
    this.#lent = undefined;
  }
}

interface Room {
  readonly bytes: Buffer;
  readonly view: DataView;
}

function roomOf(size: number): Room {
  const bytes = Buffer.allocUnsafeSlow(size);
  return { bytes, view: new DataView(bytes.buffer) };
}

export const room = new FrameRoom();
