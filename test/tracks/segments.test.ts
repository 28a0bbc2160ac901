import assert from "node:assert/strict";
import t from "tap";
import { MAX_SHARD_TRACK_BYTES, SHARDS } from "../../src/limits.ts";
import { PackedSegments } from "../../src/tracks/packed-segments.ts";
import { type Description, inOrder, pointAt, type Segment, wrapLongitude } from "../../src/tracks/segment.ts";
import { segmentOf, Tracks } from "../../src/tracks/tracks.ts";
import { fc } from "../support/seeded.ts";
import { PlainTrack } from "./plain-track.ts";
import { unpacked } from "./unpacked.ts";

const HOLD_MS = 300_000;
const SHARD = 3;
const NUMBERS = [0, 1, 5];
const START = Date.UTC(2026, 0, 1, 23, 30);
const NO_DESCRIPTION: Description = { kind: "truck", state: "a", attributes: "", labels: [], fences: [] };

type Step =
  | { is: "report"; number: number; after: number; delay: number; lon: number; speed: number }
  | { is: "late"; number: number; before: number; delay: number; lon: number }
  | { is: "run"; number: number; count: number; everyMs: number }
  | { is: "changes"; number: number; state: string }
  | { is: "silent"; number: number }
  | { is: "checkpoint"; lands: boolean; written: boolean }
  | { is: "crash" };

const number = fc.constantFrom(...NUMBERS);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      is: fc.constant("report" as const),
      number,
      after: fc.constantFrom(0, 1, 1_000, 60_000, 299_999, 300_000, 1_000_000),
      delay: fc.constantFrom(0, 0, 0, 5_000, 100_000),
      lon: fc.constantFrom(-180, -179.5, 10, 10.0000001, 179.9, 180),
      speed: fc.constantFrom(NaN, 0, 12.3),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      is: fc.constant("late" as const),
      number,
      before: fc.constantFrom(1, 1_500, 40_000, 2_000_000),
      delay: fc.constantFrom(0, 60_000),
      lon: fc.constantFrom(11, -179),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      is: fc.constant("run" as const),
      number,
      count: fc.constantFrom(3, 70, 2_000),
      everyMs: fc.constantFrom(1_000, 20_000),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ is: fc.constant("changes" as const), number, state: fc.constantFrom("a", "b") }),
  },
  { weight: 1, arbitrary: fc.record({ is: fc.constant("silent" as const), number }) },
  {
    weight: 3,
    arbitrary: fc.record({
      is: fc.constant("checkpoint" as const),
      lands: fc.boolean(),
      written: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ is: "crash" as const }) },
);

/** One is in a fence in one of its states. */
function described(state: string): Description {
  return { ...NO_DESCRIPTION, state, fences: state === "b" ? ["harbour", "ö"] : [] };
}

/** One shard's tracks, with a store that keeps pieces, and what was done since as the journal has it. */
class Run {
  tracks = new Tracks(HOLD_MS);
  readonly #packed = new PackedSegments();
  readonly plain = new Map(NUMBERS.map((number) => [number, new PlainTrack(HOLD_MS)]));
  readonly rows = new Map<string, Segment>();
  readonly late: string[] = [];
  #pieces = new Map<number, Uint8Array>();
  #since: ((tracks: Tracks) => void)[] = [];
  #state = "a";
  readonly #clock = new Map(NUMBERS.map((number) => [number, START]));
  readonly #heard = new Map(NUMBERS.map((number) => [number, START]));
  #now = START;

  get log() {
    return this.tracks.logs[SHARD];
  }

  #do(what: (tracks: Tracks) => void): void {
    this.#since.push(what);
    what(this.tracks);
  }

  #report(number: number, t: number, delay: number, lon: number, speed: number, late: boolean): void {
    const lat = 60;
    const received = Math.max(this.#now, t + delay);
    this.#now = received;
    const fix = { t, received, lon, lat, alt: NaN, speed, course: NaN, late };
    const description = described(this.#state);
    const heard = this.#heard.get(number)!;
    const before = this.log.late.length;
    this.#do((tracks) => tracks.reported(SHARD, number, fix, heard, { describe: () => description }, 0));
    this.#heard.set(number, received);
    if (this.log.late.length > before) this.late.push(`${number} ${t} ${lon}`);
    // Of an older one at the time of the last, the last stays.
    else if (!(late && this.plain.get(number)!.points.has(t)) || t === this.#clock.get(number))
      this.plain.get(number)!.points.set(t, { t, lon, lat, alt: NaN, speed, course: NaN });
  }

  run(step: Step): void {
    switch (step.is) {
      case "report": {
        const t = this.#clock.get(step.number)! + step.after;
        this.#clock.set(step.number, t);
        this.#report(step.number, t, step.delay, step.lon, step.speed, false);
        break;
      }
      case "late":
        this.#report(step.number, this.#clock.get(step.number)! - step.before, step.delay, step.lon, 1, true);
        break;
      case "run":
        for (let i = 0; i < step.count; i++) {
          const t = this.#clock.get(step.number)! + step.everyMs;
          this.#clock.set(step.number, t);
          this.#report(step.number, t, 0, wrapLongitude(100 + i / 10), 3, false);
        }
        break;
      case "changes": {
        const before = described(this.#state);
        for (const number of NUMBERS) {
          const heard = this.#heard.get(number)!;
          this.#do((tracks) => tracks.changes(SHARD, number, heard, before));
        }
        this.#state = step.state;
        break;
      }
      case "silent": {
        const description = described(this.#state);
        const heard = this.#heard.get(step.number)!;
        this.#do((tracks) => tracks.silent(SHARD, step.number, heard, description));
        break;
      }
      case "checkpoint":
        this.#checkpoint(step.lands, step.written);
        break;
      case "crash":
        this.tracks = new Tracks(HOLD_MS);
        for (const [no, body] of [...this.#pieces].sort(([a], [b]) => a - b)) this.log.load(no, body);
        for (const what of this.#since) what(this.tracks);
        break;
      default:
        step satisfies never;
    }
  }

  #checkpoint(lands: boolean, write: boolean): void {
    const tail = this.log.take();
    if (!lands) return;
    if (tail.whole) for (const no of this.#pieces.keys()) if (no < tail.no) this.#pieces.delete(no);
    this.#pieces.set(tail.no, tail.body.slice());
    this.#since = [];
    // What lands and is not known to have is the harder case.
    if (!write) return;
    this.log.wasWritten(tail);
    while (this.log.closed.length > 0 && this.log.isDurable(this.log.closed[0])) this.#write();
  }

  #write(): void {
    const closed = this.log.closed.shift()!;
    const segment = segmentOf(this.log, String(closed.number), closed);
    this.#packed.addEnded(this.log, segment.id, closed);
    if (segment.points.length < 2) return;
    assert.deepEqual(unpacked(this.#packed).at(-1), segment, "it is written as it is read from memory");
    const key = `${segment.id} ${segment.points[0].t} ${segment.recorded}`;
    const known = this.rows.get(key);
    if (known !== undefined) assert.deepEqual(segment, known, "the same key, the same row");
    this.rows.set(key, segment);
  }

  check(): void {
    for (const number of NUMBERS) {
      const ended = this.log.closed.filter((closed) => closed.number === number);
      const unwritten = ended.map((closed) => segmentOf(this.log, String(number), closed));
      const written = [...this.rows.values()].filter(({ id }) => id === String(number));
      const segments = PlainTrack.current(
        [...written, ...unwritten].filter(({ points }) => points.length > 1),
      );
      const open = this.log.count(number) > 0 ? inOrder(this.log.open(number)) : [];
      for (const { state, fences } of segments) assert.deepEqual(fences, described(state).fences);
      const before = segments.at(-1);
      // What goes on from a hold takes its place.
      if (open.length > 0 && before?.hold && before.points[0].t === open[0].t) segments.pop();
      this.plain.get(number)!.check(segments, open);
    }
    const late = this.log.late.map(({ number, point }) => `${number} ${point.t} ${point.lon}`);
    assert.deepEqual(late.sort(), this.late.sort());
  }
}

t.test(
  "[TR1] [TR2] [TR3] [TR5] tracks are what was reported, whatever fails, lands unseen or is written anew",
  async () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const run = new Run();
        for (const one of steps) run.run(one);
        run.check();
        run.run({ is: "crash" });
        run.check();
      }),
      { numRuns: 300 },
    );
  },
);

const fix = (t: number, more: object = {}) => ({
  ...{ t, received: t, lon: 10, lat: 60, alt: NaN, speed: NaN, course: NaN, late: false },
  ...more,
});
const PLAIN = { describe: () => NO_DESCRIPTION };

t.test("[TR2] [TR5] a segment ends when fences change, and takes no room for none", async (t) => {
  const tracks = new Tracks(HOLD_MS);
  const log = tracks.logs[SHARD];
  const report = (second: number) =>
    tracks.reported(SHARD, 0, fix(START + second * 1_000), START + second * 1_000 - 1, PLAIN, 0);
  const change = (fences: string[]) => {
    const before = log.bytes;
    tracks.changes(SHARD, 0, START, { ...NO_DESCRIPTION, fences });
    return log.bytes - before;
  };
  for (const second of [0, 1]) report(second);
  const none = change([]);
  report(2);
  t.equal(change(["harbour"]) - none, '["harbour"]'.length + 1, "as many bytes as before there were fences");
  report(3);
  const rows = (of: Tracks["logs"][0]) => of.closed.map((closed) => segmentOf(of, "a", closed));
  t.match(rows(log), [
    { fences: [], points: [{ t: START }, { t: START + 1_000 }] },
    { fences: ["harbour"], points: [{ t: START + 1_000 }, { t: START + 2_000 }] },
  ]);
  const again = new Tracks(HOLD_MS).logs[SHARD];
  again.load(0, log.take().body);
  t.same(rows(again), rows(log));
  t.same(again.open(0), log.open(0));
});

t.test("[TR4] what came late is told apart from what came in time", async (t) => {
  const tracks = new Tracks(HOLD_MS);
  const log = tracks.logs[SHARD];
  const report = (at: number, received: number, late = false) =>
    tracks.reported(SHARD, 0, fix(START + at, { received: START + received, late }), START, PLAIN, 0);
  for (const at of [0, 1_000, 2_000]) report(at, at);
  report(3_000, 100_000);
  report(50_000, 100_000);
  report(101_000, 101_000);
  const rows = log.closed.map((closed) => segmentOf(log, "a", closed));
  t.same(
    rows.map(({ points, recorded }) => [points.map((point) => point.t - START), recorded - START]),
    [
      [[0, 1_000, 2_000], 0],
      [[2_000, 3_000, 50_000], 100_000],
    ],
    "recorded when their first own point came",
  );
  report(100_500, 101_500, true);
  t.same(
    inOrder(log.open(0)).map((point) => point.t - START),
    [50_000, 100_500, 101_000],
    "a little late is in time",
  );
  report(90_000, 102_000, true);
  t.equal(log.late.length, 1);
});

t.test("[TR2] [TR9] segments become shorter where memory is short, and then the shard is full", async (t) => {
  const tracks = new Tracks(HOLD_MS);
  const log = tracks.logs[SHARD];
  let at = START;
  while (!tracks.isFull(SHARD)) {
    at += 1_000;
    for (let number = 0; number < 2_000; number++) tracks.reported(SHARD, number, fix(at), at, PLAIN, 0);
  }
  const counts = log.closed.map(({ count }) => count);
  t.ok(Math.max(...counts) <= 64);
  t.ok(counts.at(-1)! < 16, "at the end");
  t.ok(log.bytes < MAX_SHARD_TRACK_BYTES + 200_000);
  for (const closed of log.closed) closed.turn = 0;
  log.closed = [];
  const tail = log.take();
  log.wasWritten(tail);
  log.take();
  t.ok(log.bytes < MAX_SHARD_TRACK_BYTES / 2, "what is in rows leaves memory");
  t.notOk(tracks.isFull(SHARD));
  t.equal(tracks.logs.length, SHARDS);
});

t.test("[TR6] a way across 180° has no jump, and goes through the places between", async (t) => {
  const points = inOrder([
    { t: 0, lon: 179.5, lat: 0, alt: 10, speed: 1, course: 90 },
    { t: 1_000, lon: -179.5, lat: 1, alt: NaN, speed: 2, course: 90 },
    { t: 3_000, lon: -179, lat: 1, alt: 30, speed: NaN, course: NaN },
  ]);
  t.same(
    points.map(({ lon }) => lon),
    [179.5, 180.5, 181],
  );
  t.match(pointAt(points, 750), { lon: -179.75, lat: 0.75, alt: 10, speed: 1 });
  t.match(pointAt(points, 2_000), { lon: -179.25, lat: 1, speed: 2 });
  t.match(pointAt(points, 9_000), { t: 3_000, lon: -179 });
  t.equal(pointAt(points, -1), undefined);
  t.match(pointAt(points, 1_000), { t: 1_000, lon: -179.5 }, "at a point it is that point");
  const tracks = new Tracks(HOLD_MS);
  const motion = { lon: -12.345678949, lat: 59.99999995, alt: 12.5, speed: 3.449, course: 359.96 };
  tracks.reported(SHARD, 1, fix(START + 0.7, motion), START, PLAIN, 0);
  t.same(tracks.logs[SHARD].open(1), [
    { t: START, lon: -12.3456789, lat: 60, alt: 12.5, speed: 3.4, course: 0 },
  ]);
});
