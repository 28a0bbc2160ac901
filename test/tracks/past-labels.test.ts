// No time before a change of labels is told with the labels of after it, in whatever order reports come.
import t from "tap";
import { MAX_SHARD_WAITING_LABEL_BYTES, MAX_WAITING_LABELS } from "../../src/tracks/changes.ts";
import { correct } from "../../src/tracks/correct.ts";
import { TrackLog } from "../../src/tracks/track-log.ts";
import { Tracks } from "../../src/tracks/tracks.ts";
import { HOLD_MS, NO_DESCRIPTION, SHARD } from "./log-run.ts";
import { at, Past, START } from "./past.ts";

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
});
