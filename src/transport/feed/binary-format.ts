/** Records and frames of `muster.v1.bin`: see `layout.ts`. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { MAX_OCCUPIED } from "../../actors/fences/limits.ts";
import { MAX_CLUSTER_CELLS, MAX_NAME_LENGTH } from "../../limits.ts";
import type { Bytes } from "../../picture/bytes.ts";
import { type Columns, IMPLAUSIBLE } from "../../picture/columns.ts";
import type { Interner } from "../../picture/interner.ts";
import type { Picture } from "../../picture/picture.ts";
import {
  isKnown,
  isPlacedBefore,
  roundAlt,
  roundDegrees,
  roundDirection,
  roundMotion,
  writableTime,
} from "../../picture/record.ts";
import { DEPARTURE_REASONS, type DepartureReason, type TickTime } from "../../picture/tick.ts";
import type { EachCell, Format, FrameName } from "./format.ts";
import { type Parts, room } from "./frame-parts.ts";
import {
  CELL_BYTES,
  DEPARTURE_BYTES,
  FRAME_BYTES,
  FRAME_CLUSTERS,
  FRAME_DELTA,
  FRAME_SNAPSHOT,
  type FrameHead,
  type FullLengths,
  fullHeadBytes,
  MOVE_BYTES,
  type Move,
  putCell,
  putDeparture,
  putFrameHead,
  putFullHead,
  putMove,
} from "./layout.ts";

/** A UTF-16 unit takes at most 3 bytes of UTF-8. */
const UNIT_ROOM = 3;
// With quotes and commas, each unit as `\u0000`.
assert.ok(MAX_OCCUPIED * (6 * MAX_NAME_LENGTH + 3) < 2 ** 16, "names of fences have a length of two bytes");
const REASON_NUMBERS = new Map(DEPARTURE_REASONS.map((reason, number) => [reason, number]));

export class BinaryFormat implements Format {
  readonly isBinary = true;
  readonly #columns: Columns;
  /** Filled and written, one record after the other. */
  readonly #move: Move = { handle: 0, t: 0, lon: 0, lat: 0, alt: 0, speed: 0, course: 0, heading: 0 };
  readonly #full = {
    ...this.#move,
    placedAt: NaN,
    received: 0,
    accuracy: 0,
    implausible: false,
    liveness: 0,
    epoch: 0,
    seq: 0,
  };
  readonly #lengths: FullLengths = [0, 0, 0, 0, 0, 0, 0];
  /** Kinds and states by number. */
  readonly #kinds: (Buffer | undefined)[] = [];
  readonly #states: (Buffer | undefined)[] = [];

  constructor(picture: Picture) {
    this.#columns = picture.columns;
  }

  look(slot: number): number {
    return this.#columns.rows.touch(slot);
  }

  departure(slot: number, reason: DepartureReason, out: Bytes): void {
    out.reserve(DEPARTURE_BYTES);
    putDeparture(out.view, out.length, slot, REASON_NUMBERS.get(reason)!);
    out.length += DEPARTURE_BYTES;
  }

  move(slot: number, _published: number, t: number, out: Bytes): void {
    out.reserve(MOVE_BYTES);
    this.#fill(slot, this.#move);
    putMove(out.view, out.length, this.#move, t);
    out.length += MOVE_BYTES;
  }

  full(slot: number, out: Bytes): void {
    const columns = this.#columns;
    const id = columns.id[slot]!;
    const source = columns.sources.name(columns.source.of(slot));
    const attributes = columns.attributes.get(slot) ?? "";
    const labels = columns.labels.get(slot);
    const labelsText = labels === undefined ? "" : JSON.stringify(labels);
    const fences = columns.fences.get(slot);
    const fencesText = fences === undefined ? "" : JSON.stringify(fences);
    const kind = bytesOf(columns.kinds, columns.kind.of(slot), this.#kinds);
    const state = bytesOf(columns.states, columns.state.of(slot), this.#states);
    const units = id.length + source.length + attributes.length + labelsText.length + fencesText.length;
    const full = this.#full;
    full.placedAt = isPlacedBefore(columns, slot) ? writableTime(columns.placedAt.of(slot)) : NaN;
    const headBytes = fullHeadBytes(full.placedAt);
    out.reserve(headBytes + units * UNIT_ROOM + kind.length + state.length);
    const { buffer } = out;
    const lengths = this.#lengths;
    let at = out.length + headBytes;
    at += lengths[0] = buffer.write(id, at, "utf8");
    at += lengths[1] = kind.copy(buffer, at);
    at += lengths[2] = state.copy(buffer, at);
    at += lengths[3] = source === "" ? 0 : buffer.write(source, at, "utf8");
    at += lengths[4] = attributes === "" ? 0 : buffer.write(attributes, at, "utf8");
    at += lengths[5] = labelsText === "" ? 0 : buffer.write(labelsText, at, "utf8");
    at += lengths[6] = fencesText === "" ? 0 : buffer.write(fencesText, at, "utf8");
    this.#fill(slot, full);
    // Full records have room for every digit, so they are rounded here, as REST's are.
    full.lon = roundDegrees(full.lon);
    full.lat = roundDegrees(full.lat);
    full.alt = roundAlt(full.alt);
    full.speed = roundMotion(full.speed);
    full.received = writableTime(columns.received.of(slot));
    full.accuracy = isKnown(columns.accuracy.of(slot)) ? roundMotion(columns.accuracy.of(slot)) : NaN;
    full.implausible = (columns.flags.of(slot) & IMPLAUSIBLE) !== 0;
    full.liveness = columns.liveness.of(slot);
    full.epoch = columns.epoch.of(slot);
    full.seq = columns.seq.of(slot);
    putFullHead(out.view, out.length, full, lengths);
    out.length = at;
  }

  delta(name: FrameName, n: number, time: TickTime, parts: Parts): Uint8Array {
    return frameOf(FRAME_DELTA, name, n, time, parts, false, false);
  }

  snapshot(
    name: FrameName,
    n: number,
    time: TickTime,
    parts: Parts,
    first: boolean,
    last: boolean,
  ): Uint8Array {
    return frameOf(FRAME_SNAPSHOT, name, n, time, parts, first, last);
  }

  clusters(name: FrameName, n: number, time: TickTime, cells: EachCell): Uint8Array {
    const frame = room.take(FRAME_BYTES + MAX_CLUSTER_CELLS * CELL_BYTES);
    const { view } = room;
    let count = 0;
    cells((lon, lat, entities) => {
      putCell(view, FRAME_BYTES + count++ * CELL_BYTES, { count: entities, lon, lat });
    });
    putHead(FRAME_CLUSTERS, name, n, time, false, false, 0, count, 0);
    return frame.subarray(0, FRAME_BYTES + count * CELL_BYTES);
  }

  #fill(slot: number, move: Move): void {
    const columns = this.#columns;
    move.handle = slot;
    move.t = writableTime(columns.t.of(slot));
    move.lon = columns.lon.of(slot);
    move.lat = columns.lat.of(slot);
    const alt = columns.alt.of(slot);
    const speed = columns.speed.of(slot);
    const course = columns.course.of(slot);
    const heading = columns.heading.of(slot);
    move.alt = isKnown(alt) ? alt : NaN;
    move.speed = isKnown(speed) ? speed : NaN;
    move.course = isKnown(course) ? roundDirection(course) : NaN;
    move.heading = isKnown(heading) ? roundDirection(heading) : NaN;
  }
}

function frameOf(
  type: number,
  name: FrameName,
  n: number,
  time: TickTime,
  { departures, moves, fulls }: Parts,
  first: boolean,
  last: boolean,
): Uint8Array {
  const fullBytes = fulls.size;
  const size = FRAME_BYTES + departures.size + moves.size + fullBytes;
  const frame = room.take(size);
  putHead(type, name, n, time, first, last, departures.count, moves.count, fullBytes);
  let at = departures.copy(frame, FRAME_BYTES);
  at = moves.copy(frame, at);
  fulls.copy(frame, at);
  return frame.subarray(0, size);
}

/** One object for the heads of all frames: a new one for each, put together of others, took a twentieth of what a view costs in a tick. */
const head: FrameHead = {
  ...{ type: 0, first: false, last: false, view: 0, n: 0, tick: 0, t: 0, lag: 0 },
  ...{ departures: 0, moves: 0, fullBytes: 0 },
};

function putHead(
  type: number,
  name: FrameName,
  n: number,
  time: TickTime,
  first: boolean,
  last: boolean,
  departures: number,
  moves: number,
  fullBytes: number,
): void {
  head.type = type;
  head.first = first;
  head.last = last;
  head.view = name.number;
  head.n = n;
  head.tick = time.tick;
  head.t = time.t;
  head.lag = time.lag;
  head.departures = departures;
  head.moves = moves;
  head.fullBytes = fullBytes;
  putFrameHead(room.view, head);
}

function bytesOf(names: Interner, number: number, known: (Buffer | undefined)[]): Buffer {
  let bytes = known[number];
  if (bytes === undefined) {
    bytes = Buffer.from(names.name(number));
    known[number] = bytes;
  }
  return bytes;
}
