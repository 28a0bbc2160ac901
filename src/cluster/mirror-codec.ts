/**
 * The frames in which a node tells another one what it owns of that one's interest. A frame is a head and records, in the order in which they
 * are to be applied. All numbers little-endian. `placedAt` is there if `flags` have `PLACED_BEFORE`; else the place is of `t`.
 *
 *     head      u8 version, string owner, u32 stream, u32 n, f64 k, f64 t
 *     full      u8 1, u8 shard, u32 number, u32 epoch, u32 seq, u8 flags, u8 liveness, f64 t, f64 received, f64 lon, f64 lat,
 *               f32 alt, f32 speed, f32 course, f32 heading, f64 placedAt?, f32 accuracy, strings id, kind, state, source, attributes,
 *               labels, fences
 *     motion    u8 2, u8 shard, u32 number, u32 epoch, u32 seq, u8 flags, f64 t, f64 received, f64 lon, f64 lat, f32 alt … heading,
 *               f64 placedAt?
 *     gone      u8 3, u8 shard, u32 number, u32 epoch, u8 reason
 *     complete  u8 4, u8 count − 1, count × (u8 shard, u32 epoch)
 */
import assert from "node:assert/strict";
import { ByteReader, type ByteWriter } from "../actors/bytes.ts";
import { LIVENESS } from "../actors/messages.ts";
import { shardOf } from "../actors/shard-hash.ts";
import { type Columns, HAS_PLACE, IMPLAUSIBLE } from "../picture/columns.ts";
import type { RemovalReason } from "../picture/picture.ts";
import { isPlacedBefore } from "../picture/record.ts";

const VERSION = 3;
export const FULL_RECORD = 1;
export const MOTION_RECORD = 2;
export const GONE_RECORD = 3;
export const COMPLETE_RECORD = 4;
/** At most, without strings. */
const FULL_BYTES = 80;
const MOTION_BYTES = 72;
/** Flags that are the entity's, not the table's in which it is. */
const TOLD_FLAGS = HAS_PLACE | IMPLAUSIBLE;
/** Beside them: the newest report had no place. */
const PLACED_BEFORE = 8;
const REASONS: readonly RemovalReason[] = ["left", "deleted"];
const NONE: readonly string[] = [];

export interface FrameHead {
  /** Incarnation of the sender. */
  owner: string;
  /** Rises each time that the sender starts again from nothing. */
  stream: number;
  /** Counts the frames of a stream from 1 without gaps. */
  n: number;
  /** Number of the interest that was applied. */
  k: number;
  /** The sender's wall clock, Unix ms. */
  t: number;
}

export function writeHead(out: ByteWriter, { owner, stream, n, k, t }: FrameHead): void {
  out.reserve(1);
  out.u8(VERSION);
  out.string(owner);
  out.reserve(24);
  out.u32(stream);
  out.u32(n);
  out.f64(k);
  out.f64(t);
}

export function writeFull(out: ByteWriter, columns: Columns, slot: number, number: number): void {
  out.reserve(FULL_BYTES);
  out.u8(FULL_RECORD);
  writeStart(out, columns, slot, number);
  out.u8(columns.liveness.of(slot));
  writePlace(out, columns, slot);
  out.f32(columns.accuracy.of(slot));
  out.string(columns.id[slot]!);
  out.string(columns.kinds.name(columns.kind.of(slot)));
  out.string(columns.states.name(columns.state.of(slot)));
  out.string(columns.sources.name(columns.source.of(slot)));
  out.string(columns.attributes.get(slot) ?? "");
  writeNames(out, columns.labels.get(slot));
  writeNames(out, columns.fences.get(slot));
}

/** As JSON text; empty = none. */
function writeNames(out: ByteWriter, names: readonly string[] | undefined): void {
  out.string(names === undefined ? "" : JSON.stringify(names));
}

export function writeMotion(out: ByteWriter, columns: Columns, slot: number, number: number): void {
  out.reserve(MOTION_BYTES);
  out.u8(MOTION_RECORD);
  writeStart(out, columns, slot, number);
  writePlace(out, columns, slot);
}

function writeStart(out: ByteWriter, columns: Columns, slot: number, number: number): void {
  out.u8(columns.shard.of(slot));
  out.u32(number);
  out.u32(columns.epoch.of(slot));
  out.u32(columns.seq.of(slot));
  out.u8((columns.flags.of(slot) & TOLD_FLAGS) | (isPlacedBefore(columns, slot) ? PLACED_BEFORE : 0));
}

function writePlace(out: ByteWriter, columns: Columns, slot: number): void {
  out.f64(columns.t.of(slot));
  out.f64(columns.received.of(slot));
  out.f64(columns.lon.of(slot));
  out.f64(columns.lat.of(slot));
  out.f32(columns.alt.of(slot));
  out.f32(columns.speed.of(slot));
  out.f32(columns.course.of(slot));
  out.f32(columns.heading.of(slot));
  if (isPlacedBefore(columns, slot)) out.f64(columns.placedAt.of(slot));
}

export function writeGone(
  out: ByteWriter,
  shard: number,
  number: number,
  epoch: number,
  reason: RemovalReason,
): void {
  out.reserve(16);
  out.u8(GONE_RECORD);
  out.u8(shard);
  out.u32(number);
  out.u32(epoch);
  out.u8(REASONS.indexOf(reason));
}

/** @param shards at least one. */
export function writeComplete(out: ByteWriter, shards: readonly { shard: number; epoch: number }[]): void {
  out.reserve(2 + 5 * shards.length);
  out.u8(COMPLETE_RECORD);
  out.u8(shards.length - 1);
  for (const { shard, epoch } of shards) {
    out.u8(shard);
    out.u32(epoch);
  }
}

/** Reads one frame, record by record, into the same object. What is no frame throws, whatever it is: see `read`. */
export class FrameReader {
  readonly head: FrameHead;
  shard = 0;
  number = 0;
  epoch = 0;
  seq = 0;
  /** HAS_PLACE and IMPLAUSIBLE. */
  flags = 0;
  liveness = 0;
  t = 0;
  /** As `t` if there is no place. */
  placedAt = 0;
  received = 0;
  lon = NaN;
  lat = NaN;
  alt = NaN;
  speed = NaN;
  course = NaN;
  heading = NaN;
  accuracy = NaN;
  id = "";
  kind = "";
  state = "";
  source = "";
  /** JSON text, or empty. */
  attributes = "";
  labels: readonly string[] = [];
  fences: readonly string[] = [];
  reason: RemovalReason = "left";
  /** Of a complete record. */
  shards: { shard: number; epoch: number }[] = [];
  readonly #input: ByteReader;
  #isPlacedBefore = false;

  /** @throws Error if it has no head of this version. */
  constructor(payload: Uint8Array) {
    const input = new ByteReader(payload);
    this.#input = input;
    assert.equal(input.u8(), VERSION, "the version of the frame");
    this.head = {
      owner: input.string(),
      stream: input.u32(),
      n: input.u32(),
      k: input.f64(),
      t: input.f64(),
    };
  }

  /** The type of the record that it reads, 0 at the end. @throws Error if there is none; nothing can be read any more then. */
  next(): number {
    const input = this.#input;
    if (input.done) return 0;
    const type = input.u8();
    switch (type) {
      case FULL_RECORD:
        this.#full();
        break;
      case MOTION_RECORD:
        this.#motion();
        break;
      case GONE_RECORD: {
        this.shard = input.u8();
        this.number = input.u32();
        this.epoch = input.u32();
        const reason = REASONS[input.u8()];
        assert.ok(reason !== undefined);
        this.reason = reason;
        break;
      }
      case COMPLETE_RECORD:
        this.shards = Array.from({ length: input.u8() + 1 }, () => ({
          shard: input.u8(),
          epoch: input.u32(),
        }));
        break;
      default:
        assert.fail(`no record has type ${type}`);
    }
    return type;
  }

  #start(): void {
    const input = this.#input;
    this.shard = input.u8();
    this.number = input.u32();
    this.epoch = input.u32();
    this.seq = input.u32();
    const flags = input.u8();
    this.flags = flags & ~PLACED_BEFORE;
    assert.equal(this.flags & ~TOLD_FLAGS, 0, "flags");
    this.#isPlacedBefore = flags !== this.flags;
    assert.ok(!this.#isPlacedBefore || this.flags & HAS_PLACE, "when a place was");
  }

  #place(): void {
    const input = this.#input;
    this.t = input.f64();
    this.received = input.f64();
    this.lon = input.f64();
    this.lat = input.f64();
    this.alt = input.f32();
    this.speed = input.f32();
    this.course = input.f32();
    this.heading = input.f32();
    this.placedAt = this.#isPlacedBefore ? input.f64() : this.t;
    assert.ok(!Number.isNaN(this.t) && !Number.isNaN(this.received) && !Number.isNaN(this.placedAt), "times");
    if (this.flags & HAS_PLACE)
      assert.ok(Math.abs(this.lon) <= 180 && Math.abs(this.lat) <= 90, "a place on the globe");
  }

  #full(): void {
    const input = this.#input;
    this.#start();
    this.liveness = input.u8();
    assert.ok(this.liveness < LIVENESS.length, "liveness");
    this.#place();
    this.accuracy = input.f32();
    this.id = input.string();
    assert.equal(shardOf(this.id), this.shard, "the shard of the id");
    this.kind = input.string();
    this.state = input.string();
    this.source = input.string();
    this.attributes = input.string();
    this.labels = readNames(input.string());
    this.fences = readNames(input.string());
  }

  #motion(): void {
    this.#start();
    this.#place();
  }
}

function readNames(text: string): readonly string[] {
  if (text === "") return NONE;
  const names = JSON.parse(text) as unknown;
  assert.ok(Array.isArray(names) && names.every((name) => typeof name === "string"), "names");
  return names as string[];
}
