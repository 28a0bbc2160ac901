import assert from "node:assert/strict";
import t from "tap";
import { Policy } from "../../src/access/policy.ts";
import { encodeControl, FIRST_CONTROL } from "../../src/cluster/frames.ts";
import {
  closeGaps,
  decodeInterest,
  encodeInterest,
  InterestMap,
  MAX_INTEREST_IDS,
  MAX_INTEREST_IDS_BYTES,
  MAX_INTEREST_RANGES,
} from "../../src/cluster/interest.ts";
import { MAX_BUS_MESSAGE_BYTES } from "../../src/limits.ts";
import { type Cover, coverDifference, coverOf, EVERYWHERE, NOTHING } from "../../src/picture/cover.ts";
import { FilterTime } from "../../src/picture/filter-time.ts";
import { Picture } from "../../src/picture/picture.ts";
import { Feed } from "../../src/transport/feed/feed.ts";
import { MemorySocket, NO_COMMANDS } from "../feed/harness.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { fc } from "../support/seeded.ts";

const boxes = fc
  .tuple(
    fc.double({ min: -180, max: 180, noNaN: true }),
    fc.double({ min: -90, max: 90, noNaN: true }),
    fc.double({ min: -180, max: 180, noNaN: true }),
    fc.double({ min: 0, max: 90, noNaN: true }),
  )
  .map(([west, south, east, height]) => coverOf([west, south, east, Math.min(90, south + height)]));

const isWithin = (inner: Cover, outer: Cover) => coverDifference(inner, outer).length === 0;

t.test("[U3] an interest holds all covers, in few ranges, and goes back to nothing", async () => {
  fc.assert(
    fc.property(fc.array(boxes, { maxLength: 40 }), fc.nat(40), (covers, gone) => {
      const map = new InterestMap();
      for (const cover of covers) map.moved(NOTHING, cover);
      for (const cover of covers.slice(0, gone)) map.moved(cover, NOTHING);
      const { cover } = map.current();
      for (const one of covers.slice(gone)) assert.ok(isWithin(one, cover));
      assert.ok(cover.length <= 2 * MAX_INTEREST_RANGES);
      assert.deepEqual(
        coverDifference(cover, NOTHING),
        cover,
        "ascending, neither overlapping nor adjoining",
      );
      for (const one of covers.slice(gone)) map.moved(one, NOTHING);
      assert.deepEqual(map.current().cover, NOTHING);
    }),
    { numRuns: 200 },
  );
});

t.test("[U3] the smallest gaps are closed", async (t) => {
  t.same([...closeGaps([0, 1, 5, 6, 8, 9, 20, 21, 23, 30], 3)], [0, 1, 5, 9, 20, 30]);
  t.same([...closeGaps([0, 1, 5, 6, 8, 9], 3)], [0, 1, 5, 6, 8, 9]);
  t.same([...closeGaps([0, 1, 5, 6, 10, 11, 15, 16], 3)].length, 6, "of equal ones only as many as must be");
  t.same([...closeGaps([], 3)], []);
});

t.test("[U3] its number rises only when it is another one", async (t) => {
  const map = new InterestMap();
  const { k } = map.current();
  const here = coverOf([10, 50, 10.1, 50.1]);
  map.moved(NOTHING, here);
  const first = map.current();
  t.equal(first.k, k + 1);
  map.moved(here, coverOf([10.05, 50.05, 10.1, 50.1]));
  t.equal(map.current(), first, "a small pan");
  map.wanted(["a", "b"]);
  map.wanted(["b"]);
  t.same([...map.current().ids], ["a", "b"]);
  const withIds = map.current();
  map.unwanted(["b"]);
  t.equal(map.current(), withIds, "another view wants it still");
  map.unwanted(["a", "b"]);
  t.same([...map.current().ids], []);
  t.equal(map.current().k, k + 3);
});

t.test("[U3] ids beyond the most are refused, whole", async (t) => {
  const map = new InterestMap();
  const most = Array.from({ length: MAX_INTEREST_IDS }, (_, i) => `e${i}`);
  t.notOk(map.wanted([...most, "more"]));
  t.equal(map.current().ids.size, 0);
  t.ok(map.wanted(most));
  t.notOk(map.wanted(["e0", "more"]));
  t.ok(map.wanted(["e0", "e1"]), "what is there already takes no room");
  t.ok(map.current().ids.size === MAX_INTEREST_IDS && !map.current().ids.has("more"));
  map.unwanted(["e0", "e1"]);
  map.unwanted(["e1"]);
  t.ok(map.wanted(["more", "more"]), "it counts once");
  t.equal(map.current().ids.size, MAX_INTEREST_IDS);
});

t.test("[U3] ids of more than 2 MiB are refused, whole, as long as they are to be told", async (t) => {
  for (const character of ["船", "\u0001", "a", "\ud800"]) {
    const map = new InterestMap();
    const ids = (view: number) =>
      Array.from(
        { length: 1_000 },
        (_, i) => character.repeat(249) + String(view * 1_000 + i).padStart(5, "0"),
      );
    let views = 0;
    while (views < 20 && map.wanted(ids(views))) views += 1;
    const size = encodeControl(FIRST_CONTROL, "v", encodeInterest(map.current())).length;
    t.ok(size < MAX_INTEREST_IDS_BYTES + 10_000 && size < MAX_BUS_MESSAGE_BYTES / 2);
    t.ok(size > MAX_INTEREST_IDS_BYTES - 1_600_000, `${views} views`);
    t.equal(map.current().ids.size, views * 1_000);
    map.unwanted(ids(0));
    t.ok(map.wanted(ids(30)), "there is room again");
    t.notOk(map.wanted(ids(31)));
  }
});

t.test("[U3] the feed tells what its views look at", async (t) => {
  const interest = new InterestMap();
  const picture = new Picture();
  const clock = new FakeClock();
  const target = picture.add("target", 0);
  picture.place(target, 100, 10);
  const log = { error: (details: object) => t.fail(JSON.stringify(details)) };
  const feed = new Feed({
    policy: new Policy(),
    picture,
    clock,
    log,
    interest,
    ingest: { submit: () => Promise.reject(new Error()), overloaded: false },
    ...NO_COMMANDS,
    filterTime: new FilterTime(clock),
    decodeReport: () => ({ ok: false, problem: { type: "invalid-report", detail: "" } }) as never,
  });
  const socket = new MemorySocket(
    "muster.v1.json",
    () => {},
    () => {},
  );
  feed.handlers.open(socket);
  const send = (message: object) => {
    feed.handlers.message(socket, Buffer.from(JSON.stringify(message)), false);
    feed.tick();
  };
  const looksAt = (lon: number, lat: number) =>
    isWithin(coverOf([lon, lat, lon, lat]), interest.current().cover);
  send({ op: "subscribe", view: "box", bbox: [1, 1, 2, 2] });
  t.ok(looksAt(1.5, 1.5));
  send({ op: "update", view: "box", bbox: [31, 1, 32, 2] });
  t.ok(looksAt(31.5, 1.5));
  t.notOk(looksAt(1.5, 1.5), "where it was");
  send({ op: "subscribe", view: "ids", ids: ["a", "b"] });
  send({ op: "subscribe", view: "follow", follow: { id: "target", radius: 1_000 } });
  t.same([...interest.current().ids], ["a", "b", "target"]);
  t.ok(looksAt(100, 10));
  picture.place(target, 120, 10);
  feed.tick();
  t.ok(looksAt(120, 10) && !looksAt(100, 10), "it goes with its target");
  send({ op: "unsubscribe", view: "ids" });
  t.same([...interest.current().ids], ["target"]);
  send({ op: "subscribe", view: "late", follow: { id: "not here yet", radius: 1_000 } });
  t.same([...interest.current().ids], ["target", "not here yet"]);
  send({ op: "unsubscribe", view: "late" });
  picture.remove(target, "deleted");
  feed.tick();
  t.notOk(looksAt(120, 10), "ended with its target");
  t.ok(looksAt(31.5, 1.5));
  feed.handlers.close(socket, 1000 as never);
  t.match(interest.current(), { cover: NOTHING, ids: new Set() });
});

t.test("[U4] an interest comes back from its message; what is none is nothing", async (t) => {
  const map = new InterestMap();
  map.moved(NOTHING, EVERYWHERE);
  map.wanted(["a"]);
  const interest = map.current();
  const decode = (message: unknown) => decodeInterest(JSON.parse(JSON.stringify(message)));
  t.same(decode(encodeInterest(interest)), { k: interest.k, interest });
  t.same(decode({ k: 7 }), { k: 7 });
  for (const message of [
    null,
    7,
    {},
    { k: "1" },
    { k: -1 },
    { k: 0.5 },
    { k: 1, cover: [] },
    { k: 1, ids: [] },
    { k: 1, cover: [1], ids: [] },
    { k: 1, cover: [2, 1], ids: [] },
    { k: 1, cover: [0, 1, 2, 3], ids: [] },
    { k: 1, cover: [0, 2 ** 32], ids: [] },
    { k: 1, cover: [0, "1"], ids: [] },
    { k: 1, cover: Array.from({ length: 130 }, (_, i) => 3 * i), ids: [] },
    { k: 1, cover: [], ids: [1] },
    { k: 1, cover: [], ids: Array(MAX_INTEREST_IDS + 1).fill("a") },
  ]) {
    t.equal(decode(message), undefined, JSON.stringify(message)?.slice(0, 60));
  }
});
