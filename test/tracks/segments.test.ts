import t from "tap";
import { MAX_SHARD_TRACK_BYTES, SHARDS } from "../../src/limits.ts";
import { inOrder, pointAt } from "../../src/tracks/segment.ts";
import { segmentOf, Tracks } from "../../src/tracks/tracks.ts";
import { fc } from "../support/seeded.ts";
import { busyStep, HOLD_MS, MANY, NO_DESCRIPTION, NUMBERS, Run, SHARD, START, step } from "./log-run.ts";

t.test(
  "[TR1] [TR2] [TR3] [TR5] tracks are what was reported, whatever fails, lands unseen or is written anew",
  async () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const run = new Run(NUMBERS, 0);
        for (const one of steps) run.run(one);
        run.check();
        run.run({ is: "crash" });
        run.check();
      }),
      { numRuns: 300 },
    );
  },
);

t.test("[TR1] [TR10] the oldest pieces are dropped when all of them is in rows", async (t) => {
  let dropped = 0;
  let rewritten = 0;
  fc.assert(
    fc.property(fc.array(busyStep, { minLength: 80, maxLength: 160 }), (steps) => {
      const run = new Run(MANY, 30);
      for (const one of steps) run.run(one);
      run.check();
      run.run({ is: "crash" });
      run.check();
      dropped += run.dropped;
      rewritten += run.rewritten;
    }),
    { numRuns: 40 },
  );
  t.ok(dropped >= 20 && rewritten > 0, `${dropped} times, and written anew ${rewritten} times`);
});

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
  t.equal(log.late.size, 1);
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

t.test("[TR1] a late report at a time of which there is a point changes nothing", async (t) => {
  const tracks = new Tracks(HOLD_MS);
  const log = tracks.logs[SHARD];
  const report = (second: number, more: object = {}) => {
    const at = START + second * 1_000;
    tracks.reported(SHARD, 0, fix(at, { received: START + 9_000, ...more }), START + 8_000, PLAIN, 0);
  };
  for (const second of [0, 3, 6]) report(second);
  const before = inOrder(log.open(0));
  for (const second of [0, 3]) report(second, { lon: 11, late: true });
  t.same(inOrder(log.open(0)), before);
  report(4, { lon: 11, late: true });
  report(4, { lon: 12, late: true });
  t.same(
    inOrder(log.open(0)).map(({ lon }) => lon),
    [10, 10, 11, 10],
  );
});

for (const follows of [false, true])
  t.test(
    `[TR34] a log that is written anew keeps that an entity was only taken to be there: ${follows ? "after a segment" : "alone"}`,
    async (t) => {
      const report = (to: Tracks, number: number, second: number, lon: number, received = second) => {
        const [at, came] = [START + second * 1_000, START + received * 1_000];
        const one = fix(at, { received: came, lon, late: received > second });
        to.reported(SHARD, number, one, came - 1_000, PLAIN, 0);
      };
      const tracks = new Tracks(20_000);
      const log = tracks.logs[SHARD];
      report(tracks, 0, 0, 10);
      report(tracks, 0, 5, 10);
      if (follows) tracks.changes(SHARD, 0, START + 5_000, NO_DESCRIPTION);
      const now = START + 25_000;
      tracks.stays(SHARD, 0, { t: now, received: now, late: false }, now - 10_000, PLAIN, 0);
      report(tracks, 1, 0, 1);
      const before = log.take();
      log.wasWritten(before);
      log.forget(1);
      const { no, firstNo, body } = log.take();
      t.ok(firstNo > before.no, "it is written anew");
      const loaded = new Tracks(20_000);
      loaded.logs[SHARD].load(no, body);
      for (const one of [tracks, loaded]) {
        report(one, 0, 24, 11, 26);
        t.same(
          inOrder(one.logs[SHARD].open(0))
            .slice(-2)
            .map(({ t, lon }) => [t - START, lon]),
          [
            [24_000, 11],
            [25_000, 11],
          ],
        );
      }
    },
  );
