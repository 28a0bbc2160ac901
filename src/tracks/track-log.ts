/**
 * The points of one shard that are in no row yet: a log of records, in which each point leads back to the entity's one before. What was added since
 * the last checkpoint goes with the next one as a piece, so that all pieces together hold the whole log. The oldest pieces are dropped when nothing in
 * them is wanted any more; when little is wanted of the others it is written anew, and the next checkpoint replaces all pieces before it.
 *
 * A segment is open (points are added) → closed → durable (a checkpoint that holds its end was written) → written as a row, and dropped. Rows are made
 * of durable segments only: after a crash the log gives the same ones again, so that nothing is written twice that is not the same row.
 */
import assert from "node:assert/strict";
import { ByteReader } from "../actors/bytes.ts";
import { Changes, type Until } from "./changes.ts";
import type { Late } from "./correct.ts";
import type { ClosedSegment } from "./ended.ts";
import { LatePoints } from "./late-points.ts";
import { RecordLog } from "./record-log.ts";
import { RecordReader } from "./record-reader.ts";
import type { Description, TrackPoint } from "./segment.ts";
import type { TakenTail } from "./taken-tail.ts";
import { CARRIED, DELAYED, HELD, STILL, TrackHeads } from "./track-heads.ts";
import { type Place, TrackPieces } from "./track-pieces.ts";
import {
  ALONE,
  BEGIN,
  CHANGE,
  copyPoint,
  END,
  type EndRecord,
  HOLD,
  hasPoint,
  isEnd,
  LABELS,
  LATE,
  type Motion,
  NO_DESCRIPTION,
  POINT,
  readPoints,
  readRecord,
  STATE,
  tagOf,
  writeEnd,
  writePoint,
} from "./track-records.ts";
import { DROPPED_SHARE, isMostlyUnwanted, SMALL_BYTES, wantedOf } from "./wanted.ts";

export class TrackLog {
  #out = new RecordLog();
  #reader = new RecordReader(this.#out);
  #heads = new TrackHeads();
  #turn = 0;
  readonly #pieces = new TrackPieces();
  /** Numbers whose open segment began in a piece that was dropped: it is a row. Only while pieces are loaded. */
  readonly #cut = new Set<number>();
  /** How often something was forgotten, now and when it was written anew. */
  forgotten = 0;
  #rewritten = 0;
  /** In the order in which they ended. */
  closed: ClosedSegment[] = [];
  readonly late = new LatePoints();
  changes = new Changes();

  get bytes(): number {
    return this.#out.length;
  }

  /** Looks at what the next point of a number needs. @returns as `Rows.touch`. */
  touch(number: number): number {
    return this.#heads.count(number) + this.#out.touch() + this.late.bytes + Number(this.changes.has(number));
  }

  /** Points of the open segment, 0 = there is none. */
  count(number: number): number {
    return this.#heads.count(number);
  }

  state(number: number): number {
    return this.#heads.state(number);
  }

  /** Time of the first point of the open segment, Unix ms. */
  first(number: number): number {
    return this.#heads.firstTime(number);
  }

  /** Time of the last point, −Infinity if none is known. */
  last(number: number): number {
    return this.#heads.lastTime(number);
  }

  recorded(number: number): number {
    return this.#heads.recorded(number);
  }

  /** Begins a segment. Nothing may be open. */
  begin(number: number, t: number, motion: Motion, recorded: number, state: number): void {
    this.#heads.grow(number);
    assert.equal(this.count(number), 0, "one segment of an entity is open");
    this.#point(POINT | BEGIN | STATE, number, t, motion, state, recorded);
  }

  /** Begins a segment with the last point that is known. */
  beginAgain(number: number, recorded: number): void {
    const point = this.lastPoint(number);
    this.begin(number, point.t, point, recorded, CARRIED);
  }

  /** Adds a point to the open segment. If it came late and is its first own one, the segment is recorded when it came. */
  add(number: number, t: number, motion: Motion, received: number, isDelayed: boolean): void {
    if ((this.state(number) & CARRIED) === 0) this.#point(POINT, number, t, motion, 0, NaN);
    else if (isDelayed) this.#point(POINT | STATE, number, t, motion, DELAYED, received);
    else this.#point(POINT | STATE, number, t, motion, 0, this.recorded(number));
  }

  /** Adds to the open segment that the entity is still where it was. */
  addStill(number: number, t: number, motion: Motion): void {
    const state = (this.state(number) & ~CARRIED) | STILL;
    this.#point(POINT | STATE, number, t, motion, state, this.recorded(number));
  }

  /** Adds a point to the open segment that is older than its last, which is repeated so that it stays the last. */
  addBefore(number: number, t: number, motion: Motion): void {
    const point = this.lastPoint(number);
    const isStill = (this.state(number) & STILL) !== 0;
    this.#point(POINT, number, t, motion, 0, NaN);
    if (isStill) this.addStill(number, point.t, motion);
    else this.#point(POINT, number, point.t, point, 0, NaN);
  }

  /** What is open, or may begin yet, is another from `at` on, which is after its last point. @param isAlone it takes the place of those that wait. */
  change(number: number, at: number, recorded: number, before: Until, isAlone = false): void {
    const tag = CHANGE | HOLD | ("kind" in before ? 0 : LABELS) | (isAlone ? ALONE : 0);
    const from = this.bytes;
    const record = { tag, number, recorded, nextRecorded: NaN, until: at, ...NO_DESCRIPTION, ...before };
    writeEnd(this.#out.writer(), record);
    this.changes.add(record, from, this.bytes - from);
  }

  /** Keeps a point for a segment that has ended. */
  addLate(number: number, t: number, motion: Motion, received: number): void {
    this.late.add(number, t, this.bytes, ++this.#turn);
    writePoint(this.#out.writer(), LATE, number, 0, t, motion, 0, received);
  }

  /**
   * Ends the open segment. Without a hold the next one is open at once, with the last point.
   * @param until of the hold, Unix ms; NaN = none. @param nextRecorded if nothing comes after the last point.
   * @param begins the last point is the next one's own too: it is recorded at `nextRecorded`.
   */
  end(number: number, description: Description, nextRecorded: number, until: number, begins = false): void {
    const tag = END | (Number.isNaN(until) ? 0 : HOLD) | (begins ? BEGIN : 0);
    const record = { tag, number, recorded: this.recorded(number), nextRecorded, until, ...description };
    const at = this.bytes;
    writeEnd(this.#out.writer(), record);
    this.#applyEnd(record, this.bytes - at);
  }

  /** What goes with a checkpoint that holds all that was added until now. */
  take(): TakenTail {
    // One that was taken and hangs may still be written after this: both must begin at the same record, and stay where they are.
    if (!this.#pieces.isPending) this.#tidy();
    const body = this.#out.since(this.#pieces.durable.end);
    return { log: this, body, ...this.#pieces.take(this.#place) };
  }

  /** The checkpoint that it went with is durable. */
  wasWritten(tail: TakenTail): void {
    this.#pieces.wasWritten(tail);
  }

  /** Takes a piece that a checkpoint held, in their order. */
  load(no: number, body: Uint8Array): void {
    const from = this.bytes;
    this.#out.append(body);
    const input = new ByteReader(body);
    while (!input.done) {
      const at = from + input.at;
      const record = readRecord(input);
      const bytes = from + input.at - at;
      if (tagOf(record.tag) === CHANGE) this.changes.add(record as EndRecord, at, bytes);
      else if (isEnd(record)) this.#applyEnd(record, bytes);
      else if (tagOf(record.tag) === LATE) this.late.add(record.number, record.point.t, at, ++this.#turn);
      else this.#applyPoint(record.tag, record.number, record.point.t, record.state, record.recorded, at);
    }
    this.#pieces.add(no, this.#place);
  }

  /** Forgets all of a number, whatever was to become of it: it is in the pieces no more once they are written anew. */
  forget(number: number): void {
    this.closed = this.closed.filter((one) => one.number !== number);
    this.late.drop(number);
    this.drop(number);
    this.forgotten += 1;
  }

  /** Forgets all numbers of which `isKnown` does not hold. */
  forgetUnknown(isKnown: (number: number) => boolean): void {
    const before = this.closed.length + this.late.size + this.changes.size;
    this.changes.keep(isKnown);
    this.closed = this.closed.filter(({ number }) => isKnown(number));
    this.late.keep(isKnown);
    const unknown = this.#heads.known().filter((number) => !isKnown(number));
    for (const number of unknown) this.drop(number);
    const after = this.closed.length + this.late.size + this.changes.size;
    if (unknown.length > 0 || after < before) this.forgotten += 1;
  }

  /** Forgets where a number was last: it has ended, and nothing of it waits to be written. */
  drop(number: number): void {
    this.#heads.drop(number);
    this.changes.dropUntil(number);
  }

  /** Whether no piece that is durable holds anything of what the first so many times forgot. */
  isClean(forgotten: number): boolean {
    return this.#pieces.durable.forgotten >= forgotten;
  }

  /** Numbers of which something that has ended is in no row yet. */
  held(): Set<number> {
    return new Set([...this.closed.map(({ number }) => number), ...this.late.numbers()]);
  }

  /** Whether a segment, or a late point, is in a checkpoint that was written. */
  isDurable({ turn }: { turn: number }): boolean {
    return turn <= this.#pieces.durable.turn;
  }

  /** The points of the last `count` records up to the one at `last`, in the order in which they came. */
  points(last: number, count: number): TrackPoint[] {
    return readPoints(this.#out, last, count);
  }

  /** Until something is dropped. */
  get reader(): RecordReader {
    return this.#reader;
  }

  /** The points of the open segment; there must be one. */
  open(number: number): TrackPoint[] {
    return this.points(this.#heads.lastAt(number), this.count(number));
  }

  /** Whether one of the last `most` points that came is this one. */
  has(number: number, most: number, t: number, motion: Motion): boolean {
    const heads = this.#heads;
    return heads.hasLast(number) && hasPoint(this.#out, heads.lastAt(number), most, t, motion);
  }

  /** Late points, by where their records begin. */
  readLate(places: readonly number[]): Late[] {
    return places.map((place) => this.#reader.late(place));
  }

  /** The last point of an entity that has one. */
  lastPoint(number: number): TrackPoint {
    return this.#reader.point(this.#heads.lastAt(number)).point;
  }

  /** As of a `RecordReader`. @param at by default the first record of the open segment, which there must be */
  begunAgain(number: number, at = this.#heads.firstAt(number)): TrackPoint | undefined {
    return this.#reader.begunAgain(at);
  }

  #point(tag: number, number: number, t: number, motion: Motion, state: number, recorded: number): void {
    const at = this.#out.length;
    const back = this.#heads.hasLast(number) ? at - this.#heads.lastAt(number) : 0;
    writePoint(this.#out.writer(), tag, number, back, t, motion, state, recorded);
    this.#applyPoint(tag, number, t, state, recorded, at);
  }

  #applyPoint(tag: number, number: number, t: number, state: number, recorded: number, at: number): void {
    const heads = this.#heads;
    heads.grow(number);
    let count = heads.count(number);
    let stateNow = heads.state(number);
    if (tag & BEGIN) {
      count = 0;
      this.changes.dropUntil(number, t);
      heads.setFirstTime(number, t);
      heads.setFirstAt(number, at);
    } else if (!heads.hasLast(number)) this.#cut.add(number);
    count += 1;
    stateNow &= ~STILL;
    if (tag & STATE) {
      stateNow = state;
      heads.setRecorded(number, recorded);
      if (state & HELD) count = 0;
    }
    heads.setLast(number, at, t);
    heads.setOpen(number, count, stateNow);
  }

  #applyEnd(record: EndRecord, endBytes: number): void {
    const { number, recorded, nextRecorded, until, kind, state, attributes, labels, fences } = record;
    this.changes.dropUntil(number, Number.isNaN(until) ? this.last(number) : until - 1);
    // All of it was dropped but its end.
    if (!this.#heads.hasLast(number)) return;
    const last = this.#heads.lastAt(number);
    const count = this.count(number);
    const turn = ++this.#turn;
    const first = this.#heads.firstAt(number);
    const begins = (record.tag & BEGIN) !== 0;
    const what = { kind, state, attributes, labels, fences, endBytes, begins };
    if (!this.#cut.delete(number))
      this.closed.push({ number, recorded, until, ...what, first, last, count, turn });
    if (!Number.isNaN(until)) {
      this.#heads.setOpen(number, 0, this.state(number));
      this.#heads.setRecorded(number, until);
      return;
    }
    this.#heads.setOpen(number, 1, begins ? 0 : CARRIED);
    this.#heads.setFirstTime(number, this.#heads.lastTime(number));
    this.#heads.setFirstAt(number, last);
    this.#heads.setRecorded(number, nextRecorded);
  }

  get #place(): Place {
    return { end: this.bytes, turn: this.#turn, forgotten: this.#rewritten };
  }

  /** Drops what is not wanted, if it is worth it; also what is forgotten. */
  #tidy(): void {
    if (this.bytes > SMALL_BYTES) {
      const wanted = wantedOf(this.#heads, this.changes.wanted, this.closed, this.late);
      this.#dropBefore(wanted.first);
      if (isMostlyUnwanted(wanted, this.bytes)) this.#rewrite();
    }
    if (this.#rewritten < this.forgotten) this.#rewrite();
  }

  #dropBefore(wanted: number): void {
    const bytes = this.#pieces.dropBefore(wanted, this.bytes * DROPPED_SHARE);
    if (bytes === 0) return;
    this.#out.dropFront(bytes);
    this.#heads.moveBack(bytes);
    this.changes.moveBack(bytes);
    for (const one of this.closed) Object.assign(one, { first: one.first - bytes, last: one.last - bytes });
    this.late.move((place) => place - bytes);
  }

  /** Writes what is wanted anew, entity by entity. */
  #rewrite(): void {
    const to = new TrackLog();
    const closed = Map.groupBy(this.closed, ({ number }) => number);
    for (const number of this.#heads.known()) {
      const ended = closed.get(number) ?? [];
      for (const [i, segment] of ended.entries()) {
        to.#copy(this, number, segment.last, segment.count, segment.recorded, 0);
        const { until, begins } = segment;
        to.end(number, segment, ended[i + 1]?.recorded ?? this.recorded(number), until, begins);
        const { first, last } = to.closed.at(-1)!;
        Object.assign(segment, { first, last });
      }
      const last = this.#heads.lastAt(number);
      const count = this.count(number);
      if (count > 0) to.#copy(this, number, last, count, this.recorded(number), this.state(number));
      else if (ended.length === 0) to.#copy(this, number, last, 1, this.recorded(number), HELD);
    }
    for (const { number, at, recorded, before } of this.changes.all())
      to.change(number, at, recorded, before);
    this.late.move((place) => {
      const { number, point, recorded } = this.#reader.point(place);
      const at = to.bytes;
      writePoint(to.#out.writer(), LATE, number, 0, point.t, point, 0, recorded);
      return at;
    });
    this.#out.discard();
    this.#out = to.#out;
    this.#reader = to.#reader;
    this.#heads = to.#heads;
    this.changes = to.changes;
    this.#pieces.dropAll();
    this.#rewritten = this.forgotten;
  }

  /** A segment of another log, without its first point if that is open already as the last one of the segment before. */
  #copy(from: TrackLog, number: number, last: number, count: number, recorded: number, state: number): void {
    const found = from.#reader.find(last, count);
    for (let i = this.count(number) === 0 ? 0 : 1; i < count; i++) {
      const isStill = i === count - 1 && (state & STILL) !== 0;
      if (i === 0 || isStill || this.state(number) & CARRIED) {
        const { point } = from.#reader.point(found[i]);
        if (i === 0) this.begin(number, point.t, point, recorded, state);
        else if (isStill) this.addStill(number, point.t, point);
        else this.add(number, point.t, point, recorded, (state & DELAYED) !== 0);
        continue;
      }
      const to = this.#out.length;
      const back = to - this.#heads.lastAt(number);
      const t = copyPoint(from.#out.at(found[i]), this.#out.writer(), number, back);
      this.#applyPoint(POINT, number, t, 0, NaN, to);
    }
  }
}
