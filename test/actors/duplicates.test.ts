import t from "tap";
import { DuplicateMemory, reportHash } from "../../src/actors/duplicate-memory.ts";
import { Rows } from "../../src/picture/rows.ts";
import { report, seen, startSystem, stop, submit } from "../support/actor-system.ts";

t.test("[E4] a report sent twice is acknowledged twice and applied once, also after a restart", async (t) => {
  const h = await startSystem();
  const reports = [report("a", 0), report("a", -1, { lon: 3 }), report("b", -2, { source: "radar", seq: 7 })];
  t.same(await submit(h, ...reports), { accepted: 3, refused: [] });
  const before = ["a", "b"].map((id) => seen(h.system, id)!.seq);
  t.same(await submit(h, ...reports), { accepted: 3, refused: [] });
  t.same(
    await submit(h, report("b", -3, { source: "radar", seq: 7, lon: 1 })),
    { accepted: 1, refused: [] },
    "the number was seen",
  );
  t.same(
    ["a", "b"].map((id) => seen(h.system, id)!.seq),
    before,
  );
  const again = await startSystem({ store: h.store, clock: h.clock });
  t.same(await submit(again, ...reports), { accepted: 3, refused: [] });
  t.same(
    ["a", "b"].map((id) => seen(again.system, id)!.seq),
    before,
    "from the journal",
  );
  await stop(again);
  const third = await startSystem({ store: h.store, clock: h.clock });
  t.same(await submit(third, ...reports), { accepted: 3, refused: [] });
  t.same(
    ["a", "b"].map((id) => seen(third.system, id)!.seq),
    before,
    "from the checkpoint",
  );
  t.equal(third.system.router.stats.duplicates, 3);
});

t.test(
  "[E24] a copy that was under way for longer than an entity remembers is known by its track",
  async (t) => {
    const h = await startSystem();
    const way = Array.from({ length: 40 }, (_, i) => report("a", i - 100, { lon: i / 10, speed: 1.25 + i }));
    t.same(await submit(h, ...way), { accepted: 40, refused: [] });
    const { seq } = seen(h.system, "a")!;
    t.same(await submit(h, ...way), { accepted: 40, refused: [] });
    t.equal(seen(h.system, "a")!.seq, seq, "nothing is taken twice");
    t.equal(h.system.router.stats.duplicates, 40);

    const others = [
      report("a", -90.5, { lon: 1, speed: 11.25 }),
      report("a", -90, { lon: 1.001, speed: 11.25 }),
      report("a", -90, { lon: 1, speed: 12 }),
      report("a", -90, { lon: 1, speed: 11.25, alt: 5 }),
      { id: "a", t: report("a", -90).t, heading: 7 },
    ];
    for (const [i, other] of others.entries()) {
      t.same(await submit(h, other), { accepted: 1, refused: [] });
      t.equal(
        seen(h.system, "a")!.seq,
        seq + i + 1,
        `another report of about that time: ${JSON.stringify(other)}`,
      );
    }

    const again = await startSystem({ store: h.store, clock: h.clock });
    t.same(await submit(again, ...way), { accepted: 40, refused: [] });
    t.equal(seen(again.system, "a")!.seq, seq + others.length, "from the journal");
    await stop(again);
    const third = await startSystem({ store: h.store, clock: h.clock });
    t.same(await submit(third, ...way), { accepted: 40, refused: [] });
    t.equal(seen(third.system, "a")!.seq, seq + others.length, "from the checkpoint");
  },
);

t.test("[E24] the track is looked at back to its first point, and 256 points at most", async (t) => {
  const h = await startSystem();
  const way = Array.from({ length: 300 }, (_, i) => report("a", i / 10 - 100, { lon: i / 100 }));
  await submit(h, ...way);
  const { seq } = seen(h.system, "a")!;
  await submit(h, ...way.slice(300 - 256));
  t.equal(seen(h.system, "a")!.seq, seq);
  await submit(h, way[20]);
  t.equal(seen(h.system, "a")!.seq, seq + 1);
});

t.test("[E5] a source that counts from 0 again loses nothing", async (t) => {
  const h = await startSystem();
  for (let seq = 0; seq < 5; seq++) await submit(h, report("a", seq - 100, { source: "x", seq, lon: seq }));
  for (let seq = 0; seq < 5; seq++) {
    await submit(h, report("a", seq - 50, { source: "x", seq, lon: 10 + seq }));
    t.equal(seen(h.system, "a")!.lon, 10 + seq);
  }
});

t.test("[E4] the duplicate memory knows the last eight reports", async (t) => {
  const rows = new Rows();
  const memory = new DuplicateMemory(rows);
  rows.grow(4);
  memory.reset(2);
  for (let i = 0; i < 9; i++) memory.remember(2, 1_000 + i, i, 0, -1);
  t.notOk(memory.has(2, 1_000, 0, 0, -1, false), "the first of nine is forgotten");
  for (let i = 1; i < 9; i++) t.ok(memory.has(2, 1_000 + i, i, 0, -1, false));
  t.notOk(memory.has(2, 1_001, 2, 0, -1, false), "another content at the same time is another report");
});

t.test("[E5] numbers of a source: the window, below it, and a source that starts again", async (t) => {
  const rows = new Rows();
  const memory = new DuplicateMemory(rows);
  rows.grow(1);
  memory.reset(0);
  const seen = (seq: number, newer = false) => memory.has(0, -1, 1, 7, seq, newer);
  for (const seq of [100, 102, 101, 170]) memory.remember(0, seq, seq, 7, seq);
  t.ok(seen(170));
  t.notOk(seen(169), "within the window, not seen");
  t.notOk(seen(100), "below the window its (t, hash) decides");
  memory.remember(0, 0, 0, 7, 110);
  t.ok(seen(110));
  t.notOk(seen(170, true), "newer than the entity: the source started again");
  t.notOk(memory.has(0, -1, 1, 8, 170, false), "another source");
  for (let source = 20; source < 28; source++) memory.remember(0, source, source, source, 5);
  t.notOk(seen(170), "the ninth source drops the oldest");
});

t.test("[E4] every field of a report is in its hash", async (t) => {
  const plain = {
    id: "a",
    t: 0,
    lon: 1,
    lat: 2,
    alt: 3,
    speed: 4,
    course: 5,
    heading: 6,
    accuracy: 7,
    seq: 8,
    source: "s",
    kind: "k",
  };
  const hashes = new Set([reportHash(plain, "{}")]);
  for (const key of ["lon", "lat", "alt", "speed", "course", "heading", "accuracy", "seq"] as const) {
    hashes.add(reportHash({ ...plain, [key]: 9 }, "{}"));
    hashes.add(reportHash({ ...plain, [key]: undefined }, "{}"));
  }
  hashes.add(reportHash({ ...plain, source: "x" }, "{}"));
  hashes.add(reportHash({ ...plain, kind: "x" }, "{}"));
  hashes.add(reportHash(plain, '{"a":1}'));
  t.equal(hashes.size, 20);
  // Hashes are stored: with others, what is sent again after an upgrade would be taken twice.
  t.equal(reportHash(plain, "{}"), 986_561_614);
  t.equal(reportHash({ id: "a", t: 0, lon: -0.5, speed: 1e300 }, ""), 704_477_486);
});
