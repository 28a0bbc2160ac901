// Where one segment ends and another begins, and where a hold does: nothing is lost there, told twice, or not known any more.
import t from "tap";
import { BUSY_FLUSH_INTERVAL_MS } from "../../src/limits.ts";
import { report } from "../support/actor-system.ts";
import { Past } from "./past.ts";

t.test("[TR12] between the end of a segment and the next report it is known where it was", async (t) => {
  const past = await Past.begin(t);
  await past.tell(0, { lon: 25, attributes: { a: 1 } });
  await past.tell(10, { lon: 26, attributes: { a: 2 } });
  // Heard of meanwhile.
  await past.note(14);
  await past.tell(20, { lon: 27, attributes: { a: 3 } });
  await past.everywhere(async (where) => {
    for (const [second, known, lon, a] of [
      [10, 10.5, 26, 2],
      [12, 13, 26, 2],
      [19, 19.5, 26, 2],
      [5, 15, 25.5, 1],
      [25, 30, 27, 3],
    ] as const)
      t.match(
        await past.at(second, known),
        { lon, attributes: { a } },
        `${where}: ${second} s as known at ${known} s`,
      );
  });
});

t.test("[TR2] [TR3] a hold ends when it did, whatever is heard after its end", async (t) => {
  const past = await Past.begin(t, 20);
  await past.tell(0, { lon: 25 });
  await past.note(10);
  await past.pass(31);
  // So late that nothing goes on with it.
  await past.tell(-5, { lon: 24 }, 31);
  await past.everywhere(async () => {});
  await past.tell(25, { lon: 26 }, 33);
  await past.everywhere(async (where) => {
    t.ok(Math.abs((await past.at(12.5))!.lon! - 25.5) < 1e-6, where);
    t.match(await past.at(25), { lon: 26 }, where);
    t.match(await past.at(29), { lon: 26 }, where);
  });
});

t.test("[TR1] [TR3] what is overtaken by news without a place goes on where a hold was", async (t) => {
  const past = await Past.begin(t, 20);
  await past.tell(0, { lon: 25 });
  await past.pass(25);
  // Older than a hold, so it is not there again with it.
  await past.note(2, {}, 25);
  await past.tell(1, { lon: 26 }, 26);
  await past.crash(true);
  past.write();
  past.correct();
  await past.tell(18, { lon: 27 }, 27);
  const check = async (where: string) => {
    for (const [second, lon] of [
      [0, 25],
      [1, 26],
      [18, 27],
    ] as const)
      t.match(await past.at(second), { lon }, `${where}: at ${second} s`);
  };
  await check("before it is a row");
  await past.everywhere(check);
});

t.test("[TR3] heard of again before it was noticed that it was not, it is there again", async (t) => {
  const past = await Past.begin(t, 20);
  await past.tell(0, { lon: 25 });
  await past.note(15);
  past.h.clock.pass(31_000);
  const { system, clock } = past.h;
  const answer = system.router.submit([report("a", 46, { lon: undefined, lat: undefined })]);
  await clock.advance(BUSY_FLUSH_INTERVAL_MS);
  t.match(await answer, { accepted: 1 });
  await past.everywhere(async (where) => {
    for (const [second, isThere] of [
      [15, true],
      [34.9, true],
      [35, false],
      [45, false],
      [46.5, true],
    ] as const)
      t.equal((await past.at(second)) !== undefined, isThere, `${where}: at ${second} s`);
  });
});

t.test("[TR3] [TR4] a fix that was old when it came is not held by news without a place", async (t) => {
  const past = await Past.begin(t, 20);
  await past.tell(-100, { lon: 25 }, 0);
  await past.note(1);
  await past.tell(-50, { lon: 26 }, 2);
  await past.everywhere(async (where) => {
    t.match(await past.at(-50), { lon: 26 }, where);
    t.equal(await past.at(1.5), undefined, where);
  });
});

t.test("[TR8] [TR9] where it was before it was first heard of without a place is in a row", async (t) => {
  const past = await Past.begin(t, 20);
  await past.note(0);
  await past.tell(-3, { lon: 26 }, 1);
  await past.crash(true);
  past.correct();
  t.match(await past.at(-2), { lon: 26 });
});

t.test(
  "[TR11] [TR17] what comes late of an id that is used again hides nothing of who had it before",
  async (t) => {
    const past = await Past.begin(t, 20);
    await past.tell(0, { lon: 25 });
    await past.remove(5);
    past.write();
    await past.tell(-400, { lon: 26 }, 6);
    t.match(await past.at(1), { lon: 25 });
    await past.crash(true);
    past.correct();
    t.match(await past.at(-390), { lon: 26 });
    t.match(await past.at(1), { lon: 25 });
  },
);

for (const [what, first, second] of [
  ["in time, then late", [0, 0], [5, 30]],
  ["late, then late a minute after", [-100, 0], [-50, 70]],
  ["late, then in time", [-100, 0], [0, 1]],
] as const)
  t.test(`[TR4] [TR21] of two reports the first is not told as known with the second: ${what}`, async (t) => {
    const past = await Past.begin(t);
    const [from, received] = first;
    const [to, known] = second;
    await past.tell(from, { lon: 25 }, received);
    await past.tell(to, { lon: 26 }, known);
    const between = from + 0.8 * (to - from);
    await past.everywhere(async (where) => {
      t.match(await past.at(between, known - 0.5), { lon: 25 }, `${where}: before it came`);
      t.match(await past.at(between, known + 0.5), { lon: 25.8 }, `${where}: after it came`);
      t.match(await past.at(to + 0.5), { lon: 26 }, where);
    });
  });

t.test("[TR37] what came late is told as the first that is in memory while that is in no row", async (t) => {
  for (const [change, written] of [
    ["tell", true],
    ["note", true],
    ["note", false],
  ] as const) {
    const past = await Past.begin(t);
    await past.tell(1_000, { attributes: { a: 1 } });
    await past[change](1_005, { attributes: { a: 2 } });
    await past.tell(10, { lon: 24 }, 1_006);
    if (written) await past.note(1_007, { attributes: { a: 3 } });
    await past.crash(true);
    past.correct();
    t.match([...past.rows.values()], [{ kind: "vessel", attributes: '{"a":1}' }], change);
  }
});
