// What the benchmarks are made of: that it counts right and can be repeated.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import t from "tap";
import { AGE_UNITS_PER_MS, AgeCounter } from "../bench/age-counter.ts";
import { BinaryBatches } from "../bench/binary-batches.ts";
import { BinaryCounter } from "../bench/binary-counter.ts";
import { Fleet, workloadHash } from "../bench/fleet.ts";
import { FrameReader, type FrameSink } from "../bench/frame-reader.ts";
import { Histogram } from "../bench/histogram.ts";
import { JsonCounter } from "../bench/json-counter.ts";
import { NatsReader } from "../bench/peers/nats-reader.ts";
import {
  DEPTH,
  finestTile,
  nameOf,
  subjectOf,
  tileOfName,
  tilesOf,
  wildcardOf,
} from "../bench/peers/tiles.ts";
import { Random } from "../bench/random.ts";
import { ReportBatches } from "../bench/report-batches.ts";
import { percentile, ReportClient, type ReportRoute } from "../bench/report-client.ts";
import { type TickCounts, ViewCounter } from "../bench/view-counter.ts";
import { chooseViewports, countIn, keysAt } from "../bench/viewports.ts";
import { covers } from "../src/picture/cover.ts";
import { BATCH_BYTES, readBatchHead, readIntroductions } from "../src/transport/feed/batch-layout.ts";
import {
  DEPARTURE_BYTES,
  encodeFull,
  FRAME_BYTES,
  FRAME_DELTA,
  FRAME_SNAPSHOT,
  type FrameHead,
  MOVE_BYTES,
  type Move,
  putDeparture,
  putFrameHead,
  putMove,
  readMove,
} from "../src/transport/feed/layout.ts";
import { decodeReport, isRefusal } from "../src/transport/ingest/report.ts";

t.test("[B2] a workload is made by its seed", async (t) => {
  const batches = (seed: number) =>
    new ReportBatches(new Fleet({ entities: 500, seed }), 100, seed).generated;
  const hash = (seed: number) => workloadHash({ seed }, ...batches(seed));
  t.equal(hash(1), hash(1));
  t.not(hash(1), hash(2));
  t.not(workloadHash({ seed: 1 }, ...batches(1)), workloadHash({ seed: 1 }, ...batches(2)), "what was made");
  t.not(workloadHash({ seed: 1 }, ...batches(1)), workloadHash({ seed: 2 }, ...batches(1)), "parameters");
  t.equal(hash(1), "4caca5462447", "the same on every machine");
  const random = new Random(7);
  const numbers = Array.from({ length: 10_000 }, () => random.next());
  t.ok(numbers.every((number) => number >= 0 && number < 1));
  t.ok(Math.abs(numbers.reduce((a, b) => a + b) / numbers.length - 0.5) < 0.02, "even");
});

t.test("[B3] reports of one entity are all different, later than the one before, and valid", async (t) => {
  const fleet = new Fleet({ entities: 300, seed: 3 });
  const batches = new ReportBatches(fleet, 100, 3);
  t.equal(batches.perRound, 3);
  const last = new Map<string, number>();
  let changes = 0;
  const stopped = new Map<string, boolean>();
  for (let i = 0; i < 5 * batches.perRound; i++) {
    // A clock that stands still must not make duplicates.
    const reports = JSON.parse(batches.next(1_000_000).toString()) as unknown[];
    assert.equal(reports.length, 100);
    for (const value of reports) {
      const report = decodeReport(value);
      if (isRefusal(report)) throw new Error(report.detail);
      if (report.t <= (last.get(report.id) ?? 0)) t.fail(`${report.id} is reported twice at ${report.t}`);
      last.set(report.id, report.t);
      const stops = report.speed === 0;
      if (stopped.has(report.id) && stopped.get(report.id) !== stops) changes += 1;
      stopped.set(report.id, stops);
    }
  }
  t.equal(last.size, fleet.size, "each entity in each round");
  t.equal(changes, 4 * 3, "1 of 100 changes its state at each report");
  t.throws(() => new ReportBatches(fleet, 99, 3), RangeError);
  t.equal(percentile([1, 2, 3, 4], 0.5), 2);
  t.equal(percentile([1, 2, 3, 4], 0.99), 4);
});

type Watched = { ticks: TickCounts; seen: string[]; reader: FrameReader };

function watched(
  sink: (counter: ViewCounter) => FrameSink,
  expected: "entities" | "clusters" = "entities",
): Watched {
  const ticks: TickCounts = new Map();
  const seen: string[] = [];
  const events = { complete: () => seen.push("complete"), delta: (tick: number) => seen.push(`${tick}`) };
  return { ticks, seen, reader: new FrameReader(sink(new ViewCounter(ticks, events, expected))) };
}
const jsonSink = (counter: ViewCounter) => new JsonCounter(counter, true);
const binarySink = (counter: ViewCounter) => new BinaryCounter(counter, true);

/** Pushes bytes in pieces of all sizes, and looks what was counted: tick, frames, records. */
function countsTo(
  bytes: Buffer,
  sink: (counter: ViewCounter) => FrameSink,
  counts: number[][],
  seen: string[],
): void {
  for (let size = 1; size <= bytes.length; size += size < 80 ? 1 : 37) {
    const watch = watched(sink);
    for (let at = 0; at < bytes.length; at += size) watch.reader.push(bytes.subarray(at, at + size));
    const counted = [...watch.ticks].map(([tick, count]) => [tick, count.frames, count.records]);
    assert.deepEqual(counted, counts, `in pieces of ${size}`);
    assert.deepEqual(watch.seen, seen);
  }
}

t.test("[B4] JSON records are counted right however the bytes are cut", async (t) => {
  const records = Array.from({ length: 9 }, (_, i) => ({
    id: `vessel-${i}`,
    t: "2026-01-01T00:00:00.000Z",
    lon: 24.5 + i,
    lat: 60,
  }));
  const delta = (n: number, tick: number, updates: object[]) =>
    frame({ op: "delta", view: "v", n, tick, departures: [["vessel-77", "left"]], updates });
  const bytes = Buffer.concat([
    frame({ op: "view", view: "v", cover: [] }),
    frame({ op: "snapshot", view: "v", n: 1, first: true, last: true, tick: 4, entities: records }),
    delta(2, 5, records),
    frame({ op: "heartbeat", t: "2026-01-01T00:00:00.000Z", tick: 5, lag: 0, stale: false }),
    delta(3, 6, records.slice(0, 1)),
    delta(4, 7, []),
  ]);
  const counts = [
    [5, 1, 9],
    [6, 1, 1],
    [7, 1, 0],
  ];
  countsTo(bytes, jsonSink, counts, ["complete", "5", "6", "7"]);
  const push = (bytes: Buffer, expected?: "clusters") => watched(jsonSink, expected).reader.push(bytes);
  t.throws(() => push(delta(2, 5, records)), /without gaps/);
  t.throws(() => push(delta(1, 5, records), "clusters"), /gets delta/);
  t.throws(() => push(frame({ op: "error", view: "v", type: "bad-request" })), /the server answered/);
  const clusters = frame({ op: "clusters", view: "v", n: 1, t: "", tick: 3, lag: 0, cells: [[1, 2, 3]] });
  t.doesNotThrow(() => push(clusters, "clusters"));
  t.throws(() => push(clusters), /gets clusters/);
});

t.test("[B4] binary records are counted right however the bytes are cut", async (t) => {
  const t0 = Date.UTC(2026, 0, 1);
  const { full, move, binary } = binaryFrames(t0);
  const bytes = Buffer.concat([
    frame({ op: "view", view: "v", cover: [] }),
    binary({ type: FRAME_SNAPSHOT, n: 1, tick: 4, first: true }, [], [], [full(1), full(2)]),
    binary({ type: FRAME_SNAPSHOT, n: 2, tick: 4, last: true }, [], [], [full(3)]),
    binary({ n: 3, tick: 5 }, [2], [move(1), move(3)], [full(4), full(2)]),
    frame({ op: "heartbeat", t: "2026-01-01T00:00:00.000Z", tick: 5, lag: 0, stale: false }),
    binary({ n: 4, tick: 6 }, [], [move(4)], []),
    binary({ n: 5, tick: 7 }, [4], [], []),
  ]);
  const counts = [
    [5, 1, 4],
    [6, 1, 1],
    [7, 1, 0],
  ];
  countsTo(bytes, binarySink, counts, ["complete", "5", "6", "7"]);
  const push = (...frames: Buffer[]) => watched(binarySink).reader.push(Buffer.concat(frames));
  t.throws(() => push(binary({ n: 2, tick: 5 }, [], [], [])), /without gaps/);
  t.throws(() => push(binary({ n: 1, tick: 5 }, [], [move(9)], [])), /was introduced/);
  t.throws(() => push(binary({ n: 1, tick: 5 }, [9], [], [])), /was there/);
  t.throws(() => push(frame({ op: "error", view: "v", type: "bad-request" })), /the server answered/);
});

function binaryFrames(t0: number) {
  const motion = { lon: 24.5, lat: 60, alt: NaN, speed: 5, course: 90, heading: NaN };
  const full = (handle: number) =>
    encodeFull({
      ...{ handle, t: t0, ...motion, id: `vessel-${handle}`, kind: "vessel", state: "online" },
      ...{ liveness: 0, placedAt: NaN, received: t0, accuracy: NaN, implausible: false, source: "" },
      ...{ attributes: "", labels: "", fences: "", epoch: 1, seq: handle },
    });
  const move = (handle: number) => ({ handle, t: t0, ...motion });
  const binary = (
    head: Partial<FrameHead>,
    departures: number[],
    moves: Move[],
    fulls: Uint8Array[],
  ): Buffer => {
    const bytes = Buffer.concat([
      Buffer.alloc(FRAME_BYTES + departures.length * DEPARTURE_BYTES + moves.length * MOVE_BYTES),
      ...fulls,
    ]);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    let at = FRAME_BYTES;
    for (const handle of departures) {
      putDeparture(view, at, handle, 0);
      at += DEPARTURE_BYTES;
    }
    for (const one of moves) {
      putMove(view, at, one, head.t ?? t0);
      at += MOVE_BYTES;
    }
    putFrameHead(view, {
      ...{ type: FRAME_DELTA, first: false, last: false, view: 1, n: 1, tick: 1, t: t0, lag: 0 },
      ...{ departures: departures.length, moves: moves.length, fullBytes: bytes.length - at },
      ...head,
    });
    return serverFrame(0x82, bytes);
  };
  return { full, move, binary };
}

/** A text frame, as a server sends it. */
function frame(message: object): Buffer {
  return serverFrame(0x81, Buffer.from(JSON.stringify(message)));
}

/** Not masked. */
function serverFrame(kind: number, payload: Buffer): Buffer {
  const header = payload.length < 126 ? Buffer.from([kind, payload.length]) : Buffer.from([kind, 126, 0, 0]);
  if (payload.length >= 126) header.writeUInt16BE(payload.length, 2);
  return Buffer.concat([header, payload]);
}

t.test("[B3] binary batches introduce each handle once on its connection, and no report twice", async (t) => {
  const fleet = new Fleet({ entities: 300, seed: 3 });
  const batches = new BinaryBatches(fleet, 100, 3, 2);
  t.equal(batches.perRound, 3);
  const handles: string[][] = [[], []];
  const last = new Map<string, number>();
  for (let i = 0; i < 4 * batches.perRound; i++) {
    const { connection, n, bytes } = batches.next(1_000_000);
    assert.equal(n, i);
    // A mask of zeros: what the client masks is what it is.
    const payload = bytes.subarray(bytes.length - batchBytesOf(bytes));
    const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
    const head = readBatchHead(view);
    t.match(head, { n, moves: 100 });
    for (const { id } of readIntroductions(view, head)) handles[connection].push(id);
    for (let k = 0; k < head.moves; k++) {
      const at = BATCH_BYTES + head.introductionBytes + k * MOVE_BYTES;
      const move = readMove(view, at, head.t, {} as Move);
      const id = handles[connection][move.handle];
      if (id === undefined) t.fail(`handle ${move.handle} was not introduced`);
      if (move.t <= (last.get(id) ?? 0)) t.fail(`${id} is reported twice at ${move.t}`);
      last.set(id, move.t);
    }
  }
  t.equal(last.size, fleet.size, "each entity in each round");
  t.equal(handles.flat().length, fleet.size, "introduced once");
});

/** Length of a client frame's payload. */
function batchBytesOf(frame: Buffer): number {
  return (frame[1] & 0x7f) === 126 ? frame.readUInt16BE(2) : frame[1] & 0x7f;
}

t.test("[B16] a server that answers nothing in time is measured until its first answer", async (t) => {
  const answering = (ms: number): ReportRoute => ({
    batches: { batchSize: 10, perRound: 1, bodies: 4 },
    post: () => sleep(ms, 10),
    close() {},
  });
  const client = new ReportClient(answering(60));
  const perS = await client.saturate(2, 0.02);
  t.ok(perS > 0 && perS <= 10 / 0.058, `${perS} reports/s: one batch, 60 ms`);
  t.equal(client.acknowledged, 20, "the other was sent too");
  const { latencies } = await client.offer(1, 0.02);
  t.equal(latencies.length, 1, "and of a rate too low for its time one batch is sent");
});

t.test("[B8] a histogram knows every value to half a percent, and the greatest exactly", async (t) => {
  const random = new Random(8);
  const values = Array.from({ length: 5_000 }, () => Math.floor(2 ** (31 * random.next())));
  const histogram = new Histogram();
  for (const value of values) histogram.add(value);
  values.sort((a, b) => a - b);
  for (const share of [0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 1]) {
    const exact = percentile(values, share);
    const told = histogram.percentile(share);
    t.ok(told >= exact && told <= exact * 1.005, `${share}: ${told} for ${exact}`);
  }
  t.equal(histogram.max, values.at(-1));
  const copy = Histogram.from(histogram.toJSON());
  t.equal(copy.count, 5_000);
  t.same(
    [0.5, 0.99, 1].map((share) => copy.percentile(share)),
    [0.5, 0.99, 1].map((share) => histogram.percentile(share)),
  );
  t.equal(new Histogram().percentile(0.5), 0);
});

t.test("[B5] viewports hold what they should", async (t) => {
  const fleet = new Fleet({ entities: 5_000, seed: 5 });
  const keys = keysAt(fleet, 0);
  const viewports = chooseViewports(fleet, 50, [100, 1_000], new Random(5));
  t.equal(viewports.length, 50);
  const held = viewports.map(({ cover }) => keys.filter((key) => covers(cover, key)).length);
  t.ok(held.every((count) => count >= 100 && count <= 1_000));
  t.same(
    viewports.map(({ cover }) => countIn(keys, cover)),
    held,
    "counting by bisection is counting",
  );
  t.ok(Math.max(...held) > 500 && Math.min(...held) < 200, "small and large ones");
});

t.test("[B7] a report that was replaced before it went out is late, too", async (t) => {
  const t0 = Date.now() - 2_050;
  const { full, move, binary } = binaryFrames(t0);
  const ages = new Histogram();
  const { reader } = watched((counter) => new AgeCounter(counter, () => ages, 1_000));
  reader.push(binary({ type: FRAME_SNAPSHOT, n: 1, first: true, last: true }, [], [], [full(1)]));
  t.equal(ages.count, 0, "what a snapshot brings is as old as it is");
  reader.push(binary({ n: 2 }, [], [{ ...move(1), t: t0 }], [full(2)]));
  t.equal(ages.count, 2, "a move and a full record");
  const soon = { ...move(1), t: t0 + 2_000 };
  reader.push(binary({ n: 3, t: t0 + 2_000 }, [], [soon], []));
  t.equal(ages.count, 4, "this one, and the one between");
  const ms = (share: number) => ages.percentile(share) / AGE_UNITS_PER_MS;
  t.ok(ms(0.25) >= 50 && ms(0.25) < 1_050, "this one");
  t.ok(ms(0.5) >= 1_050 && ms(0.5) < 2_050, "the one between, which was due a second before");
  t.ok(ms(1) >= 2_050);
});

t.test(
  "[B11] the tiles of a cover hold what it holds, and no more than the finest tile brings",
  async (t) => {
    const fleet = new Fleet({ entities: 5_000, seed: 5 });
    for (const { cover } of chooseViewports(fleet, 30, [5, 1_000], new Random(5))) {
      const tiles = tilesOf(cover);
      const holds = (key: number) => tiles.filter(({ low, high }) => key >= low && key <= high).length;
      for (let i = 0; i < cover.length; i += 2)
        for (const key of [cover[i], cover[i + 1]]) assert.equal(holds(key), 1, "once");
      for (const tile of tiles) {
        assert.ok(tile.depth <= DEPTH);
        assert.deepEqual(tileOfName(nameOf(tile)), tile);
        if (tile.depth < DEPTH) assert.ok(covers(cover, tile.low) && covers(cover, tile.high));
        const subject = subjectOf(finestTile(tile.high));
        assert.ok(
          subject.startsWith(wildcardOf(tile).replace(/>$/, "")),
          `${subject} in ${wildcardOf(tile)}`,
        );
      }
    }
    t.same(tilesOf(Uint32Array.of(0, 0xffffffff)).map(subjectOf), ["m"]);
  },
);

t.test("[B11] messages of NATS are counted right however the bytes are cut", async () => {
  const bytes = Buffer.from(
    `INFO {}\r\nMSG m.1.2 3 24\r\n${"\n".repeat(24)}\r\nPING\r\nMSG m.0 1 48\r\n${"M".repeat(48)}\r\nPONG\r\n`,
  );
  for (let size = 1; size <= bytes.length; size++) {
    const total = { frames: 0, records: 0, bytes: 0 };
    const lines: string[] = [];
    const reader = new NatsReader(total, (line) => lines.push(line.trim()));
    for (let at = 0; at < bytes.length; at += size) reader.push(bytes.subarray(at, at + size));
    assert.deepEqual(total, { frames: 2, records: 3, bytes: 72 }, `in pieces of ${size}`);
    assert.deepEqual(lines, ["INFO {}", "PING", "PONG"]);
  }
});
