// The bytes of muster.v1.bin, both directions: what is written is read again, and nothing else than a LayoutError comes of bad bytes.
import assert from "node:assert/strict";
import t from "tap";
import {
  BATCH_BYTES,
  BATCH_REPORTS,
  type BatchHead,
  encodeBatch,
  type Introduction,
  readBatchHead,
  readIntroductions,
} from "../../src/transport/feed/batch-layout.ts";
import {
  CELL_BYTES,
  type Cell,
  DEPARTURE_BYTES,
  encodeFull,
  FRAME_BYTES,
  FRAME_CLUSTERS,
  FRAME_SNAPSHOT,
  type FrameHead,
  FULL_BYTES,
  type Full,
  fitsMove,
  LayoutError,
  LIVENESS_NAMES,
  MAX_AGE_MS,
  MAX_HANDLE,
  MOVE_BYTES,
  type Move,
  PLACED_AT_BYTES,
  REASONS,
  readCell,
  readDeparture,
  readFrameHead,
  readFull,
  readMove,
  VERSION,
} from "../../src/transport/feed/layout.ts";
import { fc, runs } from "../support/seeded.ts";
import { encodeFrame, type FrameParts } from "./binary-frames.ts";

const NO_MOVE: Move = { handle: 0, t: 0, lon: 0, lat: 0, alt: 0, speed: 0, course: 0, heading: 0 };
const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

interface ReadFrame {
  head: FrameHead;
  departures: { handle: number; reason: string }[];
  moves: Move[];
  cells: Cell[];
  fulls: Full[];
}

function readFrame(bytes: Uint8Array): ReadFrame {
  const view = viewOf(bytes);
  const head = readFrameHead(view);
  const read: ReadFrame = { head, departures: [], moves: [], cells: [], fulls: [] };
  let at = FRAME_BYTES;
  for (let i = 0; i < head.departures; i++, at += DEPARTURE_BYTES)
    read.departures.push(readDeparture(view, at));
  for (let i = 0; i < head.moves; i++) {
    if (head.type === FRAME_CLUSTERS) read.cells.push(readCell(view, at));
    else read.moves.push(readMove(view, at, head.t, { ...NO_MOVE }));
    at += head.type === FRAME_CLUSTERS ? CELL_BYTES : MOVE_BYTES;
  }
  while (at < bytes.byteLength) {
    const { full, next } = readFull(view, at, bytes.byteLength);
    read.fulls.push(full);
    at = next;
  }
  return read;
}

function readBatch(bytes: Uint8Array): { head: BatchHead; introductions: Introduction[]; moves: Move[] } {
  const view = viewOf(bytes);
  const head = readBatchHead(view);
  const introductions = readIntroductions(view, head);
  const start = BATCH_BYTES + head.introductionBytes;
  const moves = Array.from({ length: head.moves }, (_, i) =>
    readMove(view, start + i * MOVE_BYTES, head.t, { ...NO_MOVE }),
  );
  return { head, introductions, moves };
}

const u32 = fc.integer({ min: 0, max: 0xffffffff });
const handle = fc.integer({ min: 0, max: MAX_HANDLE });
const unknownOr = (value: fc.Arbitrary<number>) =>
  fc.oneof({ weight: 4, arbitrary: value }, fc.constant(NaN));
const within = (min: number, max: number) => fc.double({ min, max, noNaN: true });
const time = fc.integer({ min: MAX_AGE_MS, max: 4_102_444_800_000 });
const text = (maxLength: number) => fc.string({ unit: "binary", maxLength });

/** What fits into 24 bytes, with any digits behind the documented ones. */
const moveAt = (t: number) =>
  fc.record({
    handle: u32,
    t: fc.integer({ min: 0, max: MAX_AGE_MS }).map((age) => t - age),
    lon: unknownOr(within(-180, 180)),
    lat: unknownOr(within(-90, 90)),
    alt: unknownOr(within(-838_860.7, 838_860.7)),
    speed: unknownOr(within(0, 655.34)),
    course: unknownOr(within(0, 359.994)),
    heading: unknownOr(within(0, 359.994)),
  });
const any = fc.double({ noNaN: false });
const full: fc.Arbitrary<Full> = fc.record({
  handle: u32,
  t: any,
  placedAt: unknownOr(any),
  received: any,
  lon: unknownOr(within(-180, 180)),
  lat: unknownOr(within(-90, 90)),
  alt: any,
  speed: any,
  course: any,
  heading: any,
  accuracy: any,
  id: text(256),
  kind: text(64),
  state: text(64),
  liveness: fc.nat(LIVENESS_NAMES.length - 1),
  implausible: fc.boolean(),
  source: text(64),
  attributes: fc.oneof(fc.constant(""), fc.json()),
  labels: fc.oneof(fc.constant(""), fc.constant('["a","ß"]')),
  fences: fc.oneof(fc.constant(""), fc.constant('["harbour","ö"]')),
  epoch: u32,
  seq: u32,
});
const cell: fc.Arbitrary<Cell> = fc.record({ count: u32, lon: within(-180, 180), lat: within(-90, 90) });

const frame: fc.Arbitrary<FrameParts> = fc
  .record({
    type: fc.integer({ min: FRAME_SNAPSHOT, max: FRAME_CLUSTERS }),
    first: fc.boolean(),
    last: fc.boolean(),
    view: u32,
    n: u32,
    tick: u32,
    t: time,
    lag: u32,
  })
  .chain((head) =>
    fc.record({
      head: fc.constant(head),
      departures: fc.array(fc.record({ handle, reason: fc.nat(REASONS.length - 1) }), { maxLength: 4 }),
      moves: fc.array(moveAt(head.t), { maxLength: head.type === FRAME_CLUSTERS ? 0 : 4 }),
      cells: fc.array(cell, { maxLength: head.type === FRAME_CLUSTERS ? 4 : 0 }),
      fulls: fc.array(full, { maxLength: 3 }),
    }),
  );
const batch = fc.record({ n: u32, t: time }).chain((head) =>
  fc.record({
    head: fc.constant(head),
    introductions: fc.array(fc.record({ id: text(256), kind: text(64), source: text(64) }), { maxLength: 4 }),
    moves: fc.array(moveAt(head.t), { maxLength: 4 }),
  }),
);

// + 0 makes −0 to 0.
const to = (digits: number) => (value: number) => Math.round(value * 10 ** digits) / 10 ** digits + 0;
const degrees = to(7);
const rounded = <M extends Move>(move: M): M => ({
  ...move,
  lon: degrees(move.lon),
  lat: degrees(move.lat),
  alt: to(1)(move.alt),
  speed: to(2)(move.speed),
  course: to(2)(move.course),
  heading: to(2)(move.heading),
});

t.test("[F40] a frame of a view is read as it was written, to the documented precision", async () => {
  fc.assert(
    fc.property(frame, (parts) => {
      const { head, departures = [], moves = [], cells = [], fulls = [] } = parts;
      const fullBytes = fulls.reduce((sum, record) => sum + encodeFull(record).length, 0);
      const counts = { departures: departures.length, moves: moves.length + cells.length, fullBytes };
      assert.deepStrictEqual(readFrame(encodeFrame(parts)), {
        head: { ...head, ...counts },
        departures: departures.map(({ handle, reason }) => ({ handle, reason: REASONS[reason] })),
        moves: moves.map(rounded),
        cells: cells.map(({ count, lon, lat }) => ({ count, lon: degrees(lon), lat: degrees(lat) })),
        fulls: fulls.map((record) => ({ ...record, lon: degrees(record.lon), lat: degrees(record.lat) })),
      });
    }),
  );
});

t.test("[F40] as many fences fit in a full record as it has room for", async (t) => {
  const fences = "x".repeat(65_535);
  const bytes = encodeFull({
    ...{ ...NO_MOVE, id: "a", kind: "k", state: "s", source: "", attributes: "", labels: "", fences },
    ...{ liveness: 0, placedAt: NaN, received: 0, accuracy: NaN, implausible: false, epoch: 1, seq: 1 },
  });
  t.equal(readFull(viewOf(bytes), 0, bytes.byteLength).full.fences, fences);
});

t.test("[F40] a batch of reports is read as it was written, to the documented precision", async () => {
  fc.assert(
    fc.property(batch, ({ head, introductions, moves }) => {
      const read = readBatch(encodeBatch(head.n, head.t, introductions, moves));
      assert.deepStrictEqual([read.head.n, read.head.t], [head.n, head.t]);
      // Arbitrary records may have no prototype.
      assert.deepStrictEqual(
        read.introductions,
        introductions.map((introduction) => ({ ...introduction })),
      );
      assert.deepStrictEqual(read.moves, moves.map(rounded));
    }),
  );
});

t.test("[F41] a move fits if and only if it comes out of its 24 bytes as it went in", async (t) => {
  const frameT = 1_717_660_800_000;
  const known = { ...NO_MOVE, t: frameT, speed: 1, course: 2, heading: 3, alt: 4 };
  const rows: [more: Partial<Move>, fits: boolean][] = [
    [{}, true],
    [{ t: frameT - MAX_AGE_MS }, true],
    [{ t: frameT - MAX_AGE_MS - 1 }, false],
    [{ t: frameT + 1 }, false],
    [{ t: NaN }, false],
    [{ speed: 655.34, course: 655.34, heading: 655.34 }, true],
    [{ speed: 655.344 }, true],
    [{ speed: 655.35 }, false],
    [{ heading: 655.345 }, false],
    [{ course: Number.POSITIVE_INFINITY }, false],
    [{ speed: -0.01 }, false],
    [{ alt: 838_860.7 }, true],
    [{ alt: -838_860.7 }, true],
    [{ alt: 838_860.8 }, false],
    [{ alt: -838_860.8 }, false],
    [{ alt: Number.NEGATIVE_INFINITY }, false],
    [{ alt: NaN, speed: NaN, course: NaN, heading: NaN }, true],
  ];
  for (const [more, fits] of rows) {
    const move = { ...known, ...more };
    t.equal(fitsMove(move, frameT), fits, JSON.stringify(more));
    const { moves } = readBatch(encodeBatch(1, frameT, [], [move]));
    if (fits) assert.deepStrictEqual(moves, [rounded(move)]);
    else assert.notDeepStrictEqual(moves, [rounded(move)]);
  }
});

/** Reading ends with a result or a LayoutError: nothing else is thrown, and nothing runs on for ever. @returns whether it was read */
function survives(read: () => unknown): boolean {
  try {
    read();
    return true;
  } catch (error) {
    assert.ok(error instanceof LayoutError, error as Error);
    return false;
  }
}

/** The bytes with each end cut off, and with each byte changed in several ways. */
function* damaged(bytes: Uint8Array): Generator<Uint8Array> {
  for (let length = 0; length < bytes.length; length++) yield bytes.slice(0, length);
  for (let at = 0; at < bytes.length; at++) {
    for (const value of [0, 1, 0x7f, 0x80, 0xff, bytes[at] ^ 1, bytes[at] ^ 0x80]) {
      const changed = bytes.slice();
      changed[at] = value;
      yield changed;
    }
  }
}

t.test("[F42] bytes that are cut or changed anywhere are valid or a LayoutError", async (t) => {
  let cut = 0;
  fc.assert(
    fc.property(frame, batch, (parts, { head, introductions, moves }) => {
      const view = encodeFrame(parts);
      for (const bytes of damaged(view)) {
        const read = survives(() => readFrame(bytes));
        if (bytes.length < view.length) assert.ok(!read, "a frame that is cut off is never valid");
        cut++;
      }
      const reports = encodeBatch(head.n, head.t, introductions, moves);
      for (const bytes of damaged(reports)) {
        const read = survives(() => readBatch(bytes));
        if (bytes.length < reports.length) assert.ok(!read, "a batch that is cut off is never valid");
      }
    }),
    { numRuns: 30 },
  );
  t.ok(cut > 1_000);
});

t.test("[F42] arbitrary bytes are valid or a LayoutError", async () => {
  const version = fc.constantFrom(0, VERSION, 2);
  const type = fc.constantFrom(0, FRAME_SNAPSHOT, 2, FRAME_CLUSTERS, 4, BATCH_REPORTS, 17);
  fc.assert(
    fc.property(version, type, fc.uint8Array({ maxLength: 200 }), (version, type, rest) => {
      const bytes = Uint8Array.of(version, type, ...rest);
      survives(() => readFrame(bytes));
      survives(() => readBatch(bytes));
      // Behind a head of its own, anything is a full record or introductions.
      const head = { type, first: true, last: true, view: 1, n: 1, tick: 1, t: 1, lag: 0 };
      const frame = new Uint8Array([...encodeFrame({ head }), ...rest]);
      viewOf(frame).setUint32(36, rest.length, true);
      survives(() => readFrame(frame));
      const batch = new Uint8Array([...encodeBatch(1, 1, [], []), ...rest]);
      viewOf(batch).setUint32(20, rest.length, true);
      survives(() => readBatch(batch));
    }),
    { numRuns: runs(1_000) },
  );
});

t.test(
  "[F43] what is not known, is reserved and not 0, and a time that is no number, are LayoutErrors",
  async (t) => {
    const head = { type: FRAME_SNAPSHOT, first: true, last: true, view: 1, n: 1, tick: 1, t: 1, lag: 0 };
    const record: Full = {
      ...NO_MOVE,
      ...{ id: "a", kind: "k", state: "s", source: "", attributes: "", labels: "", fences: "" },
      ...{ liveness: 0, placedAt: 5, received: 0, accuracy: NaN, implausible: false, epoch: 1, seq: 1 },
    };
    const good = encodeFrame({ head, departures: [{ handle: 1, reason: 0 }], fulls: [record] });
    t.ok(survives(() => readFrame(good)));
    const record0 = FRAME_BYTES + DEPARTURE_BYTES;
    const rows: [name: string, at: number, value: number, message: RegExp][] = [
      ["version", 0, 2, /version 2 is not known/],
      ["type", 1, 4, /type 4 are not known/],
      ["flags", 2, 4, /flags 4 are not known/],
      ["flags", 2, 0x83, /flags 131 are not known/],
      ["reserved", 3, 1, /a reserved byte of a frame is not 0/],
      ["time", 23, 0x7f, /the time of a frame is not a number/],
      ["reason", FRAME_BYTES + 3, 0x50, /reason 5 are not known/],
      ["liveness", record0 + 96, 4, /liveness 4 is not known/],
      ["flags of a record", record0 + 97, 6, /flags 6 of a record are not known/],
      ["flags of a record", record0 + 97, 0, /strings do not make up its length/],
      ["time of a place", record0 + FULL_BYTES + 7, 0x7f, /the time of a place is not a number/],
      ["text", record0 + FULL_BYTES + PLACED_AT_BYTES, 0xff, /not UTF-8/],
    ];
    for (const [name, at, value, message] of rows) {
      const bad = good.slice();
      bad[at] = value;
      if (/time/.test(name)) bad[at - 1] = 0xf8;
      t.throws(() => readFrame(bad), { name: "LayoutError", message });
    }
    for (const at of [2, 3]) {
      const reserved = encodeBatch(1, 1, [], []);
      reserved[at] = 0x80;
      t.throws(() => readBatch(reserved), { name: "LayoutError", message: /reserved bytes of a batch/ });
    }
    const bad = encodeBatch(1, NaN, [], []);
    t.throws(() => readBatch(bad), { name: "LayoutError", message: /base time/ });
    bad[0] = 9;
    t.throws(() => readBatch(bad), { name: "LayoutError", message: /version 9/ });
    t.throws(() => readBatch(good), { name: "LayoutError", message: /type 1 are not known/ });
  },
);
