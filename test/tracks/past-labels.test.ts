// No time before a change of labels is told with the labels of after it, in whatever order reports come.
import assert from "node:assert/strict";
import t from "tap";
import { EntityTable } from "../../src/actors/entity-table.ts";
import { LocalTails } from "../../src/actors/local-tails.ts";
import { STALE } from "../../src/actors/messages.ts";
import { adopt } from "../../src/actors/recovery.ts";
import { shardOf } from "../../src/actors/shard-hash.ts";
import { TrackSource } from "../../src/actors/track-source.ts";
import { Picture } from "../../src/picture/picture.ts";
import {
  MAX_SHARD_WAITING_LABEL_BYTES,
  MAX_WAITING_LABELS,
  WAITING_LABELS_BYTES,
} from "../../src/tracks/changes.ts";
import { correct } from "../../src/tracks/correct.ts";
import type { Segment } from "../../src/tracks/segment.ts";
import { TrackLog } from "../../src/tracks/track-log.ts";
import { segmentOf, Tracks } from "../../src/tracks/tracks.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { fc, runs } from "../support/seeded.ts";
import { HOLD_MS, NO_DESCRIPTION, SHARD } from "./log-run.ts";
import { at, Past, START } from "./past.ts";
import { PlainTrack } from "./plain-track.ts";

t.test("[AC60] a backlog after a silence is told with the labels that there were then", async (t) => {
  for (const [how, first] of [
    ["just heard of, of long ago", 7_200],
    ["stale", 0],
  ] as const) {
    const past = await Past.begin(t);
    await past.pass(first);
    await past.tell(0, { lon: 25 }, first);
    if (how === "stale") await past.pass(7_200);
    await past.label(7_210, "north");
    await past.label(7_220, "south");
    for (const second of [3_600, 3_660, 7_215]) await past.tell(second, { lon: 26 }, 7_221);
    await past.tell(7_225, { lon: 27 });
    await past.everywhere(async (where) => {
      for (const [second, labels] of [
        [0, []],
        [3_600, []],
        [3_700, []],
        [7_215, ["north"]],
        [7_219, ["north"]],
        [7_220, ["south"]],
        [7_225, ["south"]],
      ] as const)
        t.same((await past.at(second))?.labels, labels, `${how}, ${where}: at ${second} s`);
    });
  }
});

t.test("[AC60] so is what takes the place of a hold, and a first place", async (t) => {
  const held = await Past.begin(t);
  await held.tell(0, { lon: 25 });
  await held.pass(1_000);
  await held.label(1_000, "south");
  await held.tell(200, { lon: 26 }, 1_001);
  await held.everywhere(async (where) => {
    for (const second of [0, 100, 200, 499]) t.same((await held.at(second))?.labels, [], where);
  });
  const first = await Past.begin(t);
  await first.note(0, {}, 1_000);
  await first.label(1_000, "south");
  await first.tell(600, { lon: 26 }, 1_001);
  await first.everywhere(async (where) => {
    t.same((await first.at(600))?.labels, [], where);
  });
});

t.test("[AC61] what comes late has labels of before only", async (t) => {
  const past = await Past.begin(t);
  await past.tell(5_000, { kind: "vessel", attributes: { a: 1 } });
  await past.label(5_010, "south");
  for (const second of [5_011, 5_012]) await past.tell(second);
  await past.tell(1_000, { lon: 24 }, 5_013);
  await past.pass(6_000);
  await past.crash(true);
  past.write();
  past.correct();
  t.match(
    [...past.rows.values()].filter(({ points }) => points[0].t === at(1_000)),
    [{ kind: "vessel", attributes: '{"a":1}', labels: [] }],
  );
  const labelled = await Past.begin(t);
  await labelled.tell(0);
  await labelled.label(1, "north");
  for (const second of [2, 3]) await labelled.tell(second);
  await labelled.pass(1_000);
  await labelled.label(1_000, "south");
  for (const second of [1_001, 1_002]) await labelled.tell(second);
  await labelled.tell(700, { lon: 24 }, 1_003);
  await labelled.crash(true);
  labelled.write();
  labelled.correct();
  t.match(
    [...labelled.rows.values()].find(({ points }) => points[0].t === at(700)),
    { labels: ["north"] },
  );
  const row = { ...NO_DESCRIPTION, id: "a", labels: ["south"], recorded: 0, hold: false };
  const point = { t: 1_000, lon: 1, lat: 1, alt: NaN, speed: NaN, course: NaN };
  const after = [{ ...row, points: [point, { ...point, t: 2_000 }] }];
  const late = [{ point: { ...point, t: 0 }, received: 5_000 }];
  for (const current of [after, []]) {
    const [segment] = correct("a", current, late, Infinity, HOLD_MS, undefined, row);
    t.same([segment.kind, segment.labels], ["truck", []]);
  }
});

const fix = (t: number) => ({
  ...{ t, received: t, lon: 10, lat: 60, alt: NaN, speed: NaN, course: NaN, late: false },
});

t.test("[AC63] of more changes than may wait none is told to have been before", async (t) => {
  const begin = (): [Tracks, (number: number, at: number, ...labels: string[]) => void] => {
    const tracks = new Tracks(HOLD_MS);
    const change = (number: number, at: number, ...labels: string[]) =>
      tracks.changes(SHARD, number, START, { ...NO_DESCRIPTION, labels }, START + at, true);
    return [tracks, change];
  };
  const waiting = (log: TrackLog, number = 0) =>
    log.changes.of(number).map(({ at, before }) => [at - START, before.labels.join()]);
  const [tracks, change] = begin();
  const log = tracks.logs[SHARD];
  for (let i = 0; i <= MAX_WAITING_LABELS; i++) change(0, i, `before ${i}`);
  change(0, 100, "last");
  const left = [
    [MAX_WAITING_LABELS, ""],
    [100, "last"],
  ];
  t.same(waiting(log), left);
  const again = new TrackLog();
  again.load(0, log.take().body);
  t.same(waiting(again), left, "after a restart");
  tracks.reported(SHARD, 0, fix(START + 50), START, { describe: () => NO_DESCRIPTION }, 0);
  t.same(waiting(log), left.slice(1), "what begins after a change is not told as before it");

  const [full, changeMany] = begin();
  const long = "x".repeat(60);
  for (let number = 0; full.logs[SHARD].changes.labelBytes < MAX_SHARD_WAITING_LABEL_BYTES; number++)
    for (let i = 0; i < 10; i++) changeMany(number, i, ...Array<string>(32).fill(long));
  changeMany(9_999, 1, long);
  t.same(waiting(full.logs[SHARD], 9_999), [[1, ""]], "nor of a shard");

  const [many, changeShort] = begin();
  let count = 0;
  for (; many.logs[SHARD].changes.labelBytes < MAX_SHARD_WAITING_LABEL_BYTES; count++)
    changeShort(count, 1, "a");
  t.ok(count * WAITING_LABELS_BYTES < MAX_SHARD_WAITING_LABEL_BYTES, "short ones count with their objects");
});

type Step =
  | { pass: number }
  | { report: "now" | "same" | number }
  | { note: number }
  | "patch"
  | "silent"
  | "checkpoint"
  | "write"
  | "crash";

/** One entity whose labels say how often they were changed. */
class Life {
  table = new EntityTable(new Picture(), HOLD_MS);
  rows: Segment[] = [];
  now = START;
  /** When labels were given. */
  readonly given: number[] = [];
  #base: EntityTable | undefined;
  readonly #pieces = new Map<number, Uint8Array>();
  #since: object[] = [];
  #seq = 0;
  #newest = START;

  constructor() {
    this.shard.status = "open";
    this.#apply({ is: "introduced", id: "a", kind: "boat" });
    this.#report(START, NaN);
  }

  get shard() {
    return this.table.shards[shardOf("a")];
  }

  get log() {
    return this.table.tracks.logs[this.shard.index];
  }

  #apply(fact: object): void {
    const whole = { number: 0, seq: ++this.#seq, ...fact };
    this.#since.push(whole);
    this.table.apply(this.shard, whole as never);
  }

  #report(t: number, lon: number): void {
    const late = t < this.table.picture.columns.t.of(this.table.picture.find("a"));
    this.#newest = Math.max(this.#newest, t);
    this.#apply({
      ...{ is: "reported", t, received: this.now, hash: 0, late, implausible: false, lon, lat: 0 },
      ...{ alt: NaN, speed: 1, course: NaN, heading: NaN, accuracy: NaN, source: "", sourceSeq: -1 },
      attributes: "",
    });
  }

  run(step: Step, i: number): void {
    if (typeof step === "object" && "pass" in step) this.now += step.pass;
    else if (typeof step === "object" && "note" in step) this.#report(this.now - step.note, NaN);
    else if (typeof step === "object") {
      const { report } = step;
      // A share of the time since the newest, or so long before it.
      const share = typeof report === "number" ? report : report === "now" ? 1 : 0;
      const span = share < 0 ? 1_000_000 : this.now - this.#newest;
      this.#report(Math.floor(this.#newest + share * span), 20 + i / 100);
    } else if (step === "patch") {
      this.given.push(this.now);
      const labels = [String(this.given.length - 1)];
      this.#apply({ is: "patched", key: `${i}`, at: this.now, labels, attributes: "" });
    } else if (step === "silent") {
      const slot = this.table.picture.find("a");
      if (this.now - this.table.picture.columns.received.of(slot) >= HOLD_MS)
        this.#apply({ is: "liveness", liveness: STALE });
    } else this[step]();
  }

  checkpoint(): void {
    const tail = this.log.take();
    for (const no of this.#pieces.keys()) if (no < tail.firstNo) this.#pieces.delete(no);
    this.#pieces.set(tail.no, tail.body.slice());
    this.log.wasWritten(tail);
    this.#base = this.#copy(this.table);
    this.#since = [];
  }

  #copy(from: EntityTable): EntityTable {
    const next = new EntityTable(new Picture(), HOLD_MS);
    adopt(next, from, next.shards[this.shard.index]);
    next.shards[this.shard.index].status = "open";
    return next;
  }

  crash(): void {
    const next = this.#base === undefined ? new EntityTable(new Picture(), HOLD_MS) : this.#copy(this.#base);
    const { index } = this.shard;
    next.tracks.logs[index] = new TrackLog();
    for (const [no, body] of this.#pieces) next.tracks.logs[index].load(no, body);
    this.table = next;
    this.shard.status = "open";
    for (const fact of this.#since) this.table.apply(this.shard, fact as never);
  }

  write(): void {
    const durable = new Set(this.log.closed.filter((closed) => this.log.isDurable(closed)));
    for (const closed of durable) {
      const segment = segmentOf(this.log, "a", closed);
      if (segment.points.length > 1) this.rows.push(segment);
    }
    this.log.closed = this.log.closed.filter((closed) => !durable.has(closed));
    const source = new TrackSource(this.table);
    for (const one of source.late({ entities: 9, points: 9 }, () => false)) {
      const current = PlainTrack.current(this.rows);
      this.rows.push(...correct("a", current, one.points, one.end, HOLD_MS, one.former, one.otherwise));
      one.written(Infinity);
    }
  }

  /** In rows and in memory. */
  told(): Segment[] {
    const found = new LocalTails(this.table, new FakeClock()).of("a");
    return PlainTrack.current([...this.rows, ...found]);
  }

  /** @param isInOrder nothing came late: labels are those of then. Else there are none of later. */
  check(isInOrder: boolean): void {
    for (const { points, labels } of this.told()) {
      const [first, end] = [points[0].t, points.at(-1)!.t];
      const index = labels.length === 0 ? -1 : Number(labels[0]);
      // Of changes at the same time the last counts; one with a report counts just after it.
      if (index >= 0) assert.ok(first >= this.given[index], `told as of ${index} since ${first - START}`);
      const next = this.given.find((given, i) => i > index && given > (this.given[index] ?? -Infinity));
      if (isInOrder && next !== undefined)
        assert.ok(end <= next + 1, `told as of ${index} until ${end - START}, when there were others`);
    }
  }
}

t.test("[AC62] a change with a report of long ago does not count from that on", async (t) => {
  const life = new Life();
  life.now += 3_600_000;
  life.run({ report: 0.3 }, 0);
  life.run("patch", 1);
  life.now += 1_000;
  life.run({ report: "now" }, 2);
  t.same(
    life.told().map(({ points, labels }) => [points[0].t - START, labels]),
    [
      [1_080_000, []],
      [3_601_000, ["0"]],
    ],
  );
});

const pass = fc.record({ pass: fc.constantFrom(0, 1, 5_000, 60_000, 300_000, 2_000_000) });
const inOrder: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: pass },
  {
    weight: 5,
    arbitrary: fc.record({ report: fc.constantFrom("now" as const, "same" as const, 0.01, 0.3, 0.9) }),
  },
  { weight: 3, arbitrary: fc.constantFrom("patch" as const) },
  {
    weight: 4,
    arbitrary: fc.constantFrom("silent" as const, "checkpoint" as const, "write" as const, "crash" as const),
  },
);
const anyOrder: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: inOrder },
  { weight: 2, arbitrary: fc.record({ report: fc.constantFrom(-1, -0.3, -0.001) }) },
  { weight: 1, arbitrary: fc.record({ note: fc.constantFrom(0, 1, 20_000, 500_000) }) },
);

for (const [order, step, isInOrder] of [
  ["in order, of whatever time", inOrder, true],
  ["in any order", anyOrder, false],
] as const)
  t.test(`[AC60] [AC61] [AC62] labels are those of then, of reports that come ${order}`, async () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 3, maxLength: 40 }), (steps) => {
        const life = new Life();
        for (const [i, one] of steps.entries()) {
          life.run(one, i);
          life.check(isInOrder);
        }
      }),
      { numRuns: runs(1_000) },
    );
  });
