// What entities were, and whether they were there, between reports with a place: from memory, from rows, played, and after a crash.
import t from "tap";
import type { Report } from "../../src/actors/messages.ts";
import { shardOf } from "../../src/actors/shard-hash.ts";
import { pointAt } from "../../src/tracks/segment.ts";
import type { TrackLog } from "../../src/tracks/track-log.ts";
import { segmentOf } from "../../src/tracks/tracks.ts";
import { at, Past, START } from "./past.ts";

const MOVING = "online.moving";

t.test("[TR2] [TR11] [TR12] [TR5] a command between two reports counts from then on", async (t) => {
  const past = await Past.begin(t);
  await past.tell(0, { lon: 25 });
  await past.signOff(3);
  const check = async (where: string, isGone: boolean) => {
    for (const [seconds, state] of [
      [0, MOVING],
      [1, MOVING],
      [2.999, MOVING],
      [3, "offline"],
      [4, "offline"],
    ] as const) {
      const lon = isGone ? 25 + seconds / 10 : 25;
      const found = await past.at(seconds);
      t.equal(found?.state, state, `${where}: at ${seconds} s`);
      t.ok(Math.abs(found!.lon! - lon) < 1e-6, `${where}: ${found!.lon} at ${seconds} s`);
    }
    t.equal((await past.at(1, 2))?.state, MOVING, `${where}: as known before`);
    t.equal((await past.at(1, 5))?.state, MOVING, where);
    t.equal((await past.at(4, 5))?.state, "offline", `${where}: as known after`);
  };
  await past.pass(5);
  await past.everywhere((where) => check(where, false));
  await past.tell(10, { lon: 26 });
  await past.tell(20, { lon: 27 });
  await past.everywhere((where) => check(where, true));
  t.match(await past.at(10), { state: MOVING });
  t.match(
    [...past.rows.values()].filter(({ points }) => points[0].t < at(10)).map(({ state }) => state),
    [MOVING, "offline"],
  );
});

t.test("[TR2] [TR11] attributes of a report without a place count from its time on", async (t) => {
  const past = await Past.begin(t);
  await past.tell(0, { lon: 25, attributes: { a: 1 } });
  await past.note(1, { attributes: { a: 2 } });
  // Under way for two seconds, overtaken by none.
  await past.note(4, { attributes: { a: 3 } }, 6);
  const check = async (where: string) => {
    for (const [seconds, a] of [
      [0, 1],
      [0.5, 1],
      [1, 2],
      [3.999, 2],
      [4, 3],
      [5, 3],
    ] as const)
      t.same((await past.at(seconds))?.attributes, { a }, `${where}: at ${seconds} s`);
  };
  await past.pass(7);
  await past.everywhere(check);
  // Observed before the last change came to be known, and after it was.
  await past.tell(5, { lon: 25.5 }, 7.5);
  await past.tell(10, { lon: 26 });
  await past.everywhere(check);
  t.ok(Math.abs((await past.at(2.5))!.lon! - 25.25) < 1e-6, "it was on its way");
});

for (const [how, forget] of [
  ["erased", (log: TrackLog, number: number) => log.forget(number)],
  ["not known", (log: TrackLog, number: number) => log.forgetUnknown((one) => one !== number)],
] as const)
  t.test(`[TR2] a change counts from its time on also if another in its shard is ${how}`, async (t) => {
    const past = await Past.begin(t);
    const id = Array.from({ length: 3_000 }, (_, i) => `v${i}`).find((id) => shardOf(id) === shardOf("a"))!;
    await past.tell(0, { lon: 25, attributes: { a: 1 } });
    await past.tell(0, { id });
    await past.note(2, { attributes: { a: 2 } });
    await past.note(2, { id, attributes: { a: 3 } });
    const { picture, number } = past.h.system.table;
    forget(past.tracks, number.of(picture.find(id)));
    // So soon that no checkpoint has written the log anew.
    await past.tell(4, { lon: 26 });
    for (const [seconds, a] of [
      [1, 1],
      [2, 2],
      [3, 2],
    ] as const) {
      const found = await past.at(seconds);
      t.same(found?.attributes, { a }, `at ${seconds} s`);
      t.ok(Math.abs(found!.lon! - (25 + seconds / 4)) < 1e-6, `${found!.lon} at ${seconds} s`);
    }
  });

t.test("[TR1] [TR2] a change by the report with the place itself makes no rows of its own", async (t) => {
  const past = await Past.begin(t);
  const log = () => past.h.system.table.tracks.logs[shardOf("a")];
  // A tenth of a second under way: decided after it was observed.
  const tell = (seconds: number, more: Partial<Report>) => past.tell(seconds, more, seconds + 0.1);
  await tell(0, { attributes: { a: 1 } });
  await tell(10, { attributes: { a: 2 } });
  await tell(20, { speed: 0 });
  await tell(30, { speed: 5, attributes: { a: 3 } });
  await tell(40, {});
  const ended = log().closed.map((closed) => segmentOf(log(), "a", closed));
  t.same(
    ended.map(({ state, attributes, points }) => [
      state,
      attributes,
      points.map(({ t }) => (t - START) / 1_000),
    ]),
    [
      [MOVING, '{"a":1}', [0, 10]],
      [MOVING, '{"a":2}', [10, 20]],
      ["online.stopped", '{"a":2}', [20, 30]],
    ],
  );
  t.equal(log().changes.wanted.bytes, 0);
});

t.test("[TR2] [TR9] changes without a place do not stay in memory without end", async (t) => {
  const past = await Past.begin(t);
  await past.tell(0);
  for (let second = 1; second <= 200; second++) await past.note(second, { attributes: { second } });
  const log = past.h.system.table.tracks.logs[shardOf("a")];
  t.ok(log.changes.of(0).length <= 64, `${log.changes.of(0).length} wait for a place`);
  t.ok(log.closed.length >= 120);
  past.write();
  const shown = await past.at(100.5);
  t.match(shown, { attributes: { second: 100 }, lon: 25 });
  t.match(await past.at(199), { attributes: { second: 199 }, lon: 25 });
  await past.everywhere(async (where) => {
    for (const second of [1, 50, 63, 64, 65, 130, 131, 199])
      t.match(await past.at(second), { attributes: { second } }, `${where}: at ${second} s`);
  });
});

t.test("[TR2] [TR3] a change while nothing is heard is told in the hold too", async (t) => {
  const past = await Past.begin(t, 20);
  await past.tell(0);
  await past.signOff(5);
  await past.pass(30);
  await past.everywhere(async (where) => {
    t.equal((await past.at(4))?.state, MOVING, where);
    t.equal((await past.at(5))?.state, "offline", where);
    t.equal((await past.at(19.9))?.state, "offline", where);
    t.equal(await past.at(20), undefined, where);
  });
});

t.test("[TR3] [TR11] what is heard of without a place is where it was last seen", async (t) => {
  const past = await Past.begin(t, 5);
  await past.tell(0, { lon: 25 });
  for (let second = 2; second <= 14; second += 2) await past.note(second, { attributes: { second } });
  const check = async (where: string, seconds: readonly number[]) => {
    for (const second of seconds) t.match(await past.at(second), { lon: 25 }, `${where}: at ${second} s`);
  };
  await past.everywhere((where) => check(where, [0, 4.9, 5, 9, 11, 13.9]));
  await past.tell(15, { lon: 26 });
  await past.everywhere((where) => check(where, [0, 4.9, 5, 9, 11]));
  t.ok(await past.at(14.5));
  await past.pass(100);
  t.equal(await past.at(20), undefined, "and then silence is silence");
  await past.everywhere(async (where) => {
    t.ok(await past.at(19.9), where);
    t.equal(await past.at(20), undefined, where);
  });
});

t.test("[TR3] [TR11] heard of again after silence it is where it was seen, but not in between", async (t) => {
  const past = await Past.begin(t, 5);
  await past.tell(0);
  await past.note(3);
  await past.note(20);
  await past.note(24);
  const check = async (where: string) => {
    for (const [second, isThere] of [
      [7.9, true],
      [8, false],
      [19.9, false],
      [20, true],
      [24.5, true],
    ] as const)
      t.equal((await past.at(second)) !== undefined, isThere, `${where}: at ${second} s`);
  };
  await past.everywhere(check);
  await past.pass(40);
  await past.everywhere(async (where) => {
    await check(where);
    t.ok(await past.at(28.9), where);
    t.equal(await past.at(29), undefined, where);
  });
});

t.test("[TR3] [TR11] a fix that is old when it comes is not held until now", async (t) => {
  const past = await Past.begin(t, 300);
  const day = 86_400;
  await past.tell(-7 * day, {}, 0);
  await past.pass(10);
  await past.everywhere(async (where) => {
    t.ok(await past.at(-7 * day + 299), where);
    for (const second of [-7 * day + 300, -4 * day, -1, 5])
      t.equal(await past.at(second), undefined, `${where}: at ${second} s`);
  });
  await past.pass(1_000);
  await past.everywhere(async (where) => {
    t.ok(await past.at(-7 * day + 299), where);
    t.equal(await past.at(-7 * day + 300), undefined, where);
  });
  await past.tell(1_000);
  t.equal(await past.at(999), undefined);
  t.ok(await past.at(1_000));
});

t.test("[TR1] [TR3] a report that is overtaken by news without a place is where it was then", async (t) => {
  const past = await Past.begin(t, 5);
  await past.tell(0, { lon: 25 });
  await past.note(4);
  await past.note(8);
  await past.tell(7.5, { lon: 26 }, 9);
  await past.tell(9.5, { lon: 27 });
  await past.everywhere(async (where) => {
    for (const [second, lon] of [
      [7.5, 26],
      [8, 26],
      [9.5, 27],
    ] as const)
      t.ok(Math.abs((await past.at(second))!.lon! - lon) < 1e-6, `${where}: at ${second} s`);
  });
});

t.test("[TR6] [TR11] where it was at a change across 180° is between both reports", async (t) => {
  const past = await Past.begin(t);
  await past.tell(0, { lon: 179.99 });
  await past.signOff(5);
  await past.tell(10, { lon: -179.99 });
  past.write();
  const rows = [...past.rows.values()];
  t.equal(rows.length, 2);
  t.ok(Math.abs(pointAt(rows[0].points, at(2.5))!.lon - 179.995) < 1e-6);
  t.ok(Math.abs((await past.at(7.5))!.lon! + 179.995) < 1e-6);
});
