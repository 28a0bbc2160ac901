/**
 * What a viewer does with frames of `muster.v1.bin`: it counts the records by the frame's head, and full records by going from length to
 * length. `verify` decodes every byte too, and follows which handles the client knows.
 */
import assert from "node:assert/strict";
import {
  CELL_BYTES,
  DEPARTURE_BYTES,
  FLAG_LAST,
  FRAME_BYTES,
  FRAME_CLUSTERS,
  FRAME_DELTA,
  MOVE_BYTES,
  type Move,
  readCell,
  readDeparture,
  readFrameHead,
  readFull,
  readMove,
} from "../src/transport/feed/layout.ts";
import { BINARY_FRAME, type FrameSink } from "./frame-reader.ts";
import type { TickCount, ViewCounter } from "./view-counter.ts";

/** A full record begins with its length. */
const LENGTH_BYTES = 4;

export class BinaryCounter implements FrameSink {
  readonly #counter: ViewCounter;
  readonly #verify: boolean;
  #isBinary = false;
  #length = 0;
  /** The head of the frame, then the length of each full record. */
  readonly #collected = Buffer.alloc(FRAME_BYTES);
  #collectedBytes = 0;
  #wanted = FRAME_BYTES;
  /** Bytes that say nothing more. */
  #skip = 0;
  #count: TickCount | undefined;
  #frameRecords = 0;
  #whole: Buffer[] = [];
  /** Handles that the client knows; only kept for `verify`. */
  readonly #held = new Set<number>();

  constructor(counter: ViewCounter, verify: boolean) {
    this.#counter = counter;
    this.#verify = verify;
  }

  begin(kind: number, length: number): void {
    this.#isBinary = kind === BINARY_FRAME;
    this.#length = length;
    this.#collectedBytes = this.#skip = this.#frameRecords = 0;
    this.#wanted = FRAME_BYTES;
    this.#count = undefined;
    this.#whole = [];
  }

  payload(part: Buffer): void {
    if (!this.#isBinary || this.#verify) this.#whole.push(Buffer.from(part));
    if (!this.#isBinary) return;
    for (let at = 0; at < part.length; ) {
      if (this.#skip > 0) {
        const skipped = Math.min(this.#skip, part.length - at);
        this.#skip -= skipped;
        at += skipped;
        continue;
      }
      const copied = part.copy(
        this.#collected,
        this.#collectedBytes,
        at,
        at + this.#wanted - this.#collectedBytes,
      );
      at += copied;
      this.#collectedBytes += copied;
      if (this.#collectedBytes < this.#wanted) continue;
      this.#collectedBytes = 0;
      if (this.#wanted === FRAME_BYTES) this.#head();
      else this.#full();
    }
  }

  #head(): void {
    const head = this.#collected;
    const type = head[1];
    const moves = head.readUInt32LE(32);
    const departures = head.readUInt32LE(28);
    this.#count = this.#counter.frame(
      type === FRAME_DELTA ? "delta" : type === FRAME_CLUSTERS ? "clusters" : "snapshot",
      head.readUInt32LE(8),
      head.readUInt32LE(12),
      this.#length,
      (head[2] & FLAG_LAST) !== 0,
    );
    this.#frameRecords = moves;
    this.#skip = departures * DEPARTURE_BYTES + moves * (type === FRAME_CLUSTERS ? CELL_BYTES : MOVE_BYTES);
    this.#wanted = LENGTH_BYTES;
  }

  #full(): void {
    this.#frameRecords += 1;
    this.#skip = this.#collected.readUInt32LE(0) - LENGTH_BYTES;
  }

  end(): void {
    if (!this.#isBinary) {
      const text = Buffer.concat(this.#whole).toString();
      if (text.startsWith('{"op":"error"')) throw new Error(`the server answered ${text}`);
      return;
    }
    if (this.#count !== undefined) this.#count.records += this.#frameRecords;
    if (this.#verify) this.#decode(Buffer.concat(this.#whole));
  }

  #decode(frame: Buffer): void {
    const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
    const head = readFrameHead(view);
    const held = this.#held;
    let records = head.moves;
    let at = FRAME_BYTES;
    if (head.first) held.clear();
    for (let i = 0; i < head.departures; i++, at += DEPARTURE_BYTES)
      assert.ok(held.delete(readDeparture(view, at).handle), "what departs was there");
    if (head.type === FRAME_CLUSTERS)
      for (let i = 0; i < head.moves; i++, at += CELL_BYTES) assert.ok(readCell(view, at).count > 0);
    else
      for (let i = 0; i < head.moves; i++, at += MOVE_BYTES)
        assert.ok(held.has(readMove(view, at, head.t, {} as Move).handle), "what moves was introduced");
    while (at < frame.length) {
      const { full, next } = readFull(view, at, frame.length);
      held.add(full.handle);
      records += 1;
      at = next;
    }
    assert.equal(records, this.#frameRecords, "records counted are those that are there");
  }
}
