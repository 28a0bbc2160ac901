// Labels that administrators change, in what was: from memory, from rows, played, and after a crash.
import t from "tap";
import { at, Past } from "./past.ts";

t.test("[AC45] [TR2] [TR11] labels count from when they are given, moving or not", async (t) => {
  const past = await Past.begin(t);
  await past.tell(0, { lon: 25 });
  await past.label(2, "north");
  await past.tell(4, { lon: 26 });
  await past.label(6, "north", "rented");
  await past.label(7, "north", "rented");
  const check = async (where: string) => {
    for (const [seconds, labels] of [
      [0, []],
      [1.999, []],
      [2, ["north"]],
      [5.999, ["north"]],
      [6, ["north", "rented"]],
      [8, ["north", "rented"]],
    ] as const)
      t.same((await past.at(seconds))?.labels, labels, `${where}: at ${seconds} s`);
    t.same((await past.at(1, 2))?.labels, [], `${where}: as known then`);
    t.same((await past.at(3, 5))?.labels, ["north"], `${where}: as known after`);
  };
  await past.pass(9);
  await past.everywhere(check);
  await past.label(12);
  await past.tell(20, { lon: 27 });
  await past.tell(21, { lon: 28 });
  await past.everywhere(async (where) => {
    await check(where);
    t.same((await past.at(11.999))?.labels, ["north", "rented"], where);
    for (const seconds of [12, 20, 21]) t.same((await past.at(seconds))?.labels, [], where);
  });
  const segments = [...past.rows.values()].map(({ points, labels }) => [points[0].t, labels]);
  t.same(
    segments.filter(([t]) => (t as number) < at(20)),
    [
      [at(0), []],
      [at(2), ["north"]],
      [at(6), ["north", "rented"]],
    ],
    "a segment of its own each",
  );
});

t.test("[AC45] [AC48] attributes and labels that come together count from the same moment", async (t) => {
  const past = await Past.begin(t);
  await past.tell(0, { lon: 25, attributes: { n: 1 } });
  await past.pass(2);
  const answer = past.h.system.router.command({
    ...{ id: "both", entity: "a", labels: ["north"], attributes: { n: 2 } },
  });
  await past.pass(3);
  t.match(await answer, { accepted: true });
  await past.everywhere(async (where) => {
    t.match(await past.at(1.999), { attributes: { n: 1 }, labels: [] }, where);
    for (const seconds of [2, 3])
      t.match(await past.at(seconds), { attributes: { n: 2 }, labels: ["north"] }, where);
  });
});

t.test("[AC45] labels of what is stale are those of its next segment", async (t) => {
  const past = await Past.begin(t);
  await past.tell(0, { lon: 25 });
  await past.pass(1_000);
  await past.label(1_001, "north");
  await past.tell(1_010, { lon: 26 });
  await past.tell(1_011, { lon: 27 });
  await past.everywhere(async (where) => {
    t.same((await past.at(1))?.labels, [], where);
    t.same((await past.at(1_011))?.labels, ["north"], where);
  });
});
