/** What may happen to a log of tracks, and whether it and its rows are what was reported then. */
import assert from "node:assert/strict";
import { PackedSegments } from "../../src/tracks/packed-segments.ts";
import { type Description, inOrder, type Segment, wrapLongitude } from "../../src/tracks/segment.ts";
import type { TakenTail } from "../../src/tracks/taken-tail.ts";
import { segmentOf, Tracks } from "../../src/tracks/tracks.ts";
import { fc } from "../support/seeded.ts";
import { PlainTrack } from "./plain-track.ts";
import { unpacked } from "./unpacked.ts";

export const HOLD_MS = 300_000;
export const SHARD = 3;
export const START = Date.UTC(2026, 0, 1, 23, 30);
export const NO_DESCRIPTION: Description = {
  kind: "truck",
  state: "a",
  attributes: "",
  labels: [],
  fences: [],
};
export const NUMBERS = [0, 1, 5];
/** Of so many a log is large although their segments are short. */
export const MANY = Array.from({ length: 40 }, (_, number) => number);

export type Step =
  | { is: "report"; number: number; after: number; delay: number; lon: number; speed: number }
  | { is: "late"; number: number; before: number; delay: number; lon: number }
  | { is: "run"; number: number; count: number; everyMs: number }
  | { is: "traffic"; count: number }
  /** @param after the last report, or with it. */
  | { is: "changes"; number: number; state: string; after: number | "with it" }
  /** A report without a place. */
  | { is: "stays"; number: number; after: number; delay: number }
  | { is: "silent"; number: number }
  | { is: "checkpoint"; lands: boolean | "when the next is taken"; written: boolean }
  | { is: "crash" };

const number = fc.constantFrom(...NUMBERS);
export const step: fc.Arbitrary<Step> = fc.oneof(
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
    arbitrary: fc.record({
      is: fc.constant("changes" as const),
      number,
      state: fc.constantFrom("a", "b"),
      after: fc.constantFrom("with it" as const, 0, 1, 500, 100_000),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      is: fc.constant("stays" as const),
      number,
      after: fc.constantFrom(1, 1_000, 200_000, 299_999, 300_000),
      delay: fc.constantFrom(0, 5_000, 400_000),
    }),
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

/** Places are kept to 7 digits. */
function lateText(number: number, t: number, lon: number): string {
  return `${number} ${t} ${Math.round(lon * 1e7)}`;
}

/** One is in a fence in one of its states. */
function described(state: string): Description {
  return { ...NO_DESCRIPTION, state, fences: state === "b" ? ["harbour", "ö"] : [] };
}

/** One shard's tracks, with a store that keeps pieces, and what was done since as the journal has it. */
export class Run {
  tracks = new Tracks(HOLD_MS);
  readonly #packed = new PackedSegments();
  /** How often pieces were not wanted any more: the oldest, and all. */
  dropped = 0;
  rewritten = 0;
  readonly #numbers: readonly number[];
  readonly #lag: number;
  readonly plain: Map<number, PlainTrack>;
  readonly rows = new Map<string, Segment>();
  readonly late: string[] = [];
  #pieces = new Map<number, Uint8Array>();
  #hanging: { tail: TakenTail; since: number } | undefined;
  #since: ((tracks: Tracks) => void)[] = [];
  #state = "a";
  readonly #clock: Map<number, number>;
  readonly #heard: Map<number, number>;
  /** The newest time of a report, with or without a place: one that is older is late. */
  readonly #newest: Map<number, number>;
  #now = START;

  /** @param lag segments that are not written as rows before others have ended. */
  constructor(numbers: readonly number[], lag: number) {
    this.#numbers = numbers;
    this.#lag = lag;
    this.plain = new Map(numbers.map((number) => [number, new PlainTrack(HOLD_MS)]));
    this.#clock = new Map(numbers.map((number) => [number, START]));
    this.#heard = new Map(numbers.map((number) => [number, START]));
    this.#newest = new Map(numbers.map((number) => [number, -Infinity]));
  }

  get log() {
    return this.tracks.logs[SHARD];
  }

  #do(what: (tracks: Tracks) => void): void {
    this.#since.push(what);
    what(this.tracks);
  }

  #report(number: number, t: number, delay: number, lon: number, speed: number, isOld: boolean): void {
    const lat = 60;
    const received = Math.max(this.#now, t + delay);
    this.#now = received;
    const newest = this.#newest.get(number)!;
    const late = isOld || t < newest;
    this.#newest.set(number, Math.max(newest, t));
    const isLast = t >= this.log.last(number);
    const fix = { t, received, lon, lat, alt: NaN, speed, course: NaN, late };
    const description = described(this.#state);
    const heard = this.#heard.get(number)!;
    const before = this.log.late.size;
    this.#do((tracks) => tracks.reported(SHARD, number, fix, heard, { describe: () => description }, 0));
    this.#heard.set(number, received);
    this.plain.get(number)!.heardAt(received);
    if (late) this.plain.get(number)!.staysAt(received);
    if (this.log.late.size > before) this.late.push(lateText(number, t, lon));
    // Of an older one at the time of another, the other stays.
    else if (!(late && this.plain.get(number)!.points.has(t)) || isLast)
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
      case "traffic":
        for (let i = 0; i < step.count; i++)
          for (const number of this.#numbers) {
            const t = this.#clock.get(number)! + 1_000;
            this.#clock.set(number, t);
            this.#report(number, t, 0, wrapLongitude(100 + i / 10), 3, false);
          }
        break;
      case "changes": {
        const before = described(this.#state);
        if (before.state === step.state) break;
        const isWithIt = step.after === "with it";
        if (step.after !== "with it") this.#now += step.after;
        const since = isWithIt ? undefined : this.#now;
        for (const [number, heard] of this.#heard) {
          // Its silence was noticed long before.
          if (this.#now - heard >= HOLD_MS) this.#do((tracks) => tracks.silent(SHARD, number, heard, before));
          const last = this.log.last(number);
          const isHeld = this.log.count(number) === 0;
          this.plain.get(number)!.changesAt(isHeld ? last : (since ?? last), step.state, isHeld);
          this.#do((tracks) => tracks.changes(SHARD, number, heard, before, since));
        }
        this.#state = step.state;
        break;
      }
      case "stays": {
        const { number } = step;
        const heard = this.#heard.get(number)!;
        this.#now += step.after;
        const report = { t: this.#now - step.delay, received: this.#now, late: false };
        const description = described(this.#state);
        this.#do((tracks) => tracks.stays(SHARD, number, report, heard, { describe: () => description }, 0));
        this.#heard.set(number, report.received);
        this.#newest.set(number, Math.max(this.#newest.get(number)!, report.t));
        for (const moment of [report.t, report.received]) this.plain.get(number)!.staysAt(moment);
        this.plain.get(number)!.heardAt(report.received);
        break;
      }
      case "silent": {
        const heard = this.#heard.get(step.number)!;
        const description = described(this.#state);
        this.#do((tracks) => tracks.silent(SHARD, step.number, heard, description));
        this.#now += 1;
        break;
      }
      case "checkpoint":
        this.#checkpoint(step.lands, step.written);
        break;
      case "crash":
        this.tracks = new Tracks(HOLD_MS);
        this.#hanging = undefined;
        for (const [no, body] of [...this.#pieces].sort(([a], [b]) => a - b)) this.log.load(no, body);
        for (const what of this.#since) what(this.tracks);
        break;
      default:
        step satisfies never;
    }
  }

  #checkpoint(lands: boolean | "when the next is taken", write: boolean): void {
    const taken = { tail: this.log.take(), since: this.#since.length };
    if (this.#hanging !== undefined) {
      this.#land(this.#hanging);
      this.run({ is: "crash" });
      return;
    }
    if (lands === "when the next is taken") {
      this.#hanging = taken;
      this.#writeRows(0);
    }
    if (lands !== true) return;
    this.#land({ ...taken, since: this.#since.length });
    // What lands and is not known to have is the harder case.
    if (!write) return;
    this.log.wasWritten(taken.tail);
    this.#writeRows(this.#lag);
  }

  /** @param left so many stay. */
  #writeRows(left: number): void {
    while (this.log.closed.length > left && this.log.isDurable(this.log.closed[0])) this.#write();
  }

  #land({ tail, since }: { tail: TakenTail; since: number }): void {
    this.#since.splice(0, since);
    const first = Math.min(...this.#pieces.keys());
    if (tail.firstNo === tail.no && this.#pieces.size > 0) this.rewritten += 1;
    else if (tail.firstNo > first) this.dropped += 1;
    for (const no of this.#pieces.keys()) if (no < tail.firstNo) this.#pieces.delete(no);
    this.#pieces.set(tail.no, tail.body.slice());
  }

  #write(): void {
    const closed = this.log.closed.shift()!;
    const segment = segmentOf(this.log, String(closed.number), closed);
    this.#packed.clear();
    this.#packed.addEnded(this.log, segment.id, closed);
    if (segment.points.length < 2) return;
    assert.deepEqual(unpacked(this.#packed), [segment], "it is written as it is read from memory");
    const key = `${segment.id} ${segment.points[0].t} ${segment.recorded}`;
    const known = this.rows.get(key);
    if (known !== undefined) assert.deepEqual(segment, known, "the same key, the same row");
    this.rows.set(key, segment);
  }

  check(): void {
    for (const number of this.#numbers) {
      const ended = this.log.closed.filter((closed) => closed.number === number);
      const unwritten = ended.map((closed) => segmentOf(this.log, String(number), closed));
      const written = [...this.rows.values()].filter(({ id }) => id === String(number));
      const segments = PlainTrack.current(
        [...written, ...unwritten].filter(({ points }) => points.length > 1),
      );
      const open = this.log.count(number) > 0 ? inOrder(this.log.open(number)) : [];
      const before = segments.at(-1);
      // What goes on from a hold takes its place.
      if (open.length > 0 && before?.hold && before.points[0].t === open[0].t) segments.pop();
      for (const segment of segments) {
        assert.deepEqual(segment.fences, described(segment.state).fences);
        this.plain.get(number)!.checkState(segment);
      }
      this.plain.get(number)!.check(segments, open);
    }
    const late = [...this.log.late.numbers()].flatMap((number) =>
      this.log
        .readLate(this.log.late.of(number).places)
        .map(({ point }) => lateText(number, point.t, point.lon)),
    );
    assert.deepEqual(late.sort(), this.late.sort());
  }
}

/** So much that pieces are dropped. A late point that is in no row would pin its piece. */
export const busyStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 20,
    arbitrary: fc.record({ is: fc.constant("traffic" as const), count: fc.constantFrom(4, 8, 8, 16) }),
  },
  {
    weight: 20,
    arbitrary: fc.record({
      is: fc.constant("checkpoint" as const),
      lands: fc.constantFrom(true, true, true, true, true, true, false, "when the next is taken" as const),
      written: fc.constantFrom(true, true, true, true, true, true, true, false),
    }),
  },
  { weight: 2, arbitrary: fc.record({ is: fc.constant("crash" as const) }) },
  { weight: 4, arbitrary: fc.record({ is: fc.constant("silent" as const), number }) },
  { weight: 1, arbitrary: step },
);
