import t from "tap";
import { encodeCheckpoint } from "../../src/actors/checkpoint.ts";
import { compileMachine } from "../../src/actors/machine/compile.ts";
import { parseMachine } from "../../src/actors/machine/definition.ts";
import { shardOf } from "../../src/actors/shard-hash.ts";
import { ENTITY_BYTES, MAX_ATTRIBUTES_BYTES, MAX_NAME_LENGTH, MAX_UNIT_BYTES } from "../../src/limits.ts";
import { HAS_PLACE, IMPLAUSIBLE, MAX_KINDS } from "../../src/picture/columns.ts";
import { report, seen, startSystem, stop, submit } from "../support/actor-system.ts";

t.test("[E1] the newest by time wins, the older is remembered and changes nothing", async (t) => {
  const h = await startSystem();
  await submit(h, report("a", 0, { lon: 10 }));
  await h.clock.advance(20_000);
  await submit(h, report("a", 10, { lon: 12, speed: 3 }));
  const before = seen(h.system, "a")!;
  const answer = await submit(h, report("a", 5, { lon: 11 }));
  t.same(answer, { accepted: 1, refused: [] });
  const after = seen(h.system, "a")!;
  t.equal(after.seq, before.seq + 1, "it is a fact all the same");
  t.match(after, { lon: 12, t: before.t, speed: 3 });
  await submit(h, report("a", 10, { lon: 13 }));
  t.equal(seen(h.system, "a")!.lon, 13, "of two with the same time the later to arrive");
});

t.test("[E1] a hint where an entity was is only that: it never leads to another one", async (t) => {
  const h = await startSystem();
  const hint = { slot: -1 };
  await submit(h, report("a", 0, { lon: 10, hint }));
  const { picture } = h.system;
  t.equal(hint.slot, picture.find("a"));
  const other = { slot: hint.slot };
  await submit(h, report("b", 0, { lon: 20, hint: other }));
  t.equal(other.slot, picture.find("b"), "a wrong one is put right");
  t.equal(seen(h.system, "a")!.lon, 10);
  picture.remove(hint.slot, "left");
  t.equal(picture.find("a", hint.slot), -1, "nor to one that is gone");
});

t.test("[E2] the future counts as now, too far ahead it is refused", async (t) => {
  const h = await startSystem();
  t.same(await submit(h, report("a", 50)), { accepted: 1, refused: [] });
  t.equal(seen(h.system, "a")!.t, Date.UTC(2026, 0, 1));
  const answer = await submit(h, report("a", 61, { lon: 9 }));
  t.match(answer, { accepted: 0, refused: [{ index: 0, type: "clock-skew", detail: /in the future/ }] });
  t.equal(seen(h.system, "a")!.lon, 25);
});

t.test("[E3] older than the history is refused", async (t) => {
  const h = await startSystem();
  const gpsWeekRollOver = -1024 * 7 * 86_400;
  t.match(await submit(h, report("a", gpsWeekRollOver)), {
    accepted: 0,
    refused: [{ index: 0, type: "too-old" }],
  });
  t.equal(h.system.picture.size, 0, "no entity came to be");
  t.same(
    await submit(h, report("a", -12 * 365 * 86_400)),
    { accepted: 1, refused: [] },
    "a recording of 2014 plays",
  );
});

t.test("[E6] a place brings its own motion, a report without changes what it names", async (t) => {
  const h = await startSystem();
  await submit(h, report("a", -10, { speed: 5, course: 90, heading: 91, alt: 3, accuracy: 4 }));
  await submit(h, { id: "a", t: report("a", -9).t, heading: 95 });
  const { t: placedAt } = report("a", -10);
  t.match(seen(h.system, "a"), { speed: 5, course: 90, heading: 95, alt: 3, accuracy: 4, lon: 25, placedAt });
  await submit(h, report("a", -8, { speed: 6 }));
  t.match(seen(h.system, "a"), {
    placedAt: report("a", -8).t,
    speed: 6,
    course: Number.NaN,
    heading: Number.NaN,
    alt: Number.NaN,
    accuracy: Number.NaN,
  });
  await submit(h, { id: "nowhere", t: report("a", 0).t, speed: 2 });
  t.equal(seen(h.system, "nowhere")!.flags & HAS_PLACE, 0, "an entity without a place");
});

t.test("[E7, AC83] attributes merge, and have a bound", async (t) => {
  const h = await startSystem();
  await submit(h, report("a", -10, { attributes: { name: "Aava", crew: { n: 3 }, eta: "x" } }));
  await submit(h, report("a", -9, { attributes: { eta: null, crew: { master: "y" } } }));
  t.same(JSON.parse(seen(h.system, "a")!.attributes), { name: "Aava", crew: { n: 3, master: "y" } });
  const before = seen(h.system, "a");
  const half = "x".repeat(MAX_ATTRIBUTES_BYTES / 2);
  await submit(h, report("b", -8, { attributes: { one: half } }));
  const answer = await submit(h, report("a", -8, { attributes: { one: half, two: half } }));
  t.match(answer.refused, [
    { type: "invalid-report", detail: "the entity's attributes would be larger than 8192 bytes" },
  ]);
  t.same(seen(h.system, "a"), before);
  t.match((await submit(h, report("b", -7, { attributes: { two: half } }))).refused, [
    { type: "invalid-report" },
  ]);
});

t.test("[E8] the first kind that is named stays", async (t) => {
  const h = await startSystem();
  await submit(h, report("a", -3, { kind: undefined }));
  t.equal(seen(h.system, "a")!.kind, "unknown");
  await submit(h, report("a", -2, { kind: "vessel" }));
  await submit(h, report("a", -1, { kind: "truck" }));
  t.equal(seen(h.system, "a")!.kind, "vessel");
  const again = await startSystem({ store: h.store, clock: h.clock });
  t.equal(seen(again.system, "a")!.kind, "vessel");
});

t.test("[E8] a kind counts when it is set, not when it is ignored or its report refused", async (t) => {
  const h = await startSystem();
  const { kinds, sources } = h.system.picture.columns;
  await submit(h, report("a", -9, { kind: "vessel" }));
  await submit(h, report("a", -8, { kind: "ignored" }));
  const attributes = { text: "x".repeat(MAX_ATTRIBUTES_BYTES) };
  t.match(await submit(h, report("b", -8, { kind: "refused", source: "refused", attributes })), {
    accepted: 0,
  });
  t.same([kinds.find("ignored"), kinds.find("refused"), sources.find("refused")], [-1, -1, -1]);
  while (kinds.size < MAX_KINDS) kinds.number(`kind ${kinds.size}`);
  t.match(
    await submit(
      h,
      report("a", -7, { kind: "another" }),
      report("c", -7, { kind: "another" }),
      report("d", -7, { kind: undefined }),
      report("e", -7, { kind: "kind 9" }),
    ),
    {
      accepted: 2,
      refused: [
        { index: 1, type: "too-many-kinds" },
        { index: 2, type: "too-many-kinds" },
      ],
    },
  );
  t.same(h.fatal, []);
});

t.test("[E9] an implausible jump is kept and flagged, until the next that is plausible", async (t) => {
  const h = await startSystem();
  await submit(h, report("a", -20));
  await submit(h, report("a", -10, { lon: 30 }));
  t.equal(seen(h.system, "a")!.flags & IMPLAUSIBLE, IMPLAUSIBLE);
  t.equal(seen(h.system, "a")!.lon, 30);
  await submit(h, report("a", -5, { lon: 30.0001 }));
  t.equal(seen(h.system, "a")!.flags & IMPLAUSIBLE, 0);
});

t.test("[E9] a jump is as fast as the time since the last place says, whatever came between", async (t) => {
  const h = await startSystem();
  await submit(h, report("a", -61, { kind: "truck" }));
  await submit(h, report("a", -1, { kind: "truck", lon: undefined, lat: undefined }));
  // Some 1,100 m in a minute, or in a second.
  await submit(h, report("a", 0, { kind: "truck", lon: 25.02 }));
  t.equal(seen(h.system, "a")!.lon, 25.02);
  t.equal(seen(h.system, "a")!.flags & IMPLAUSIBLE, 0);
});

t.test("[E10] silence makes stale, lost, expired; any report makes live", async (t) => {
  const h = await startSystem({ receive: { staleAfter: 10_000, lostAfter: 20_000, expiredAfter: 40_000 } });
  await submit(h, report("a", 0, { speed: 5 }));
  t.match(seen(h.system, "a"), { liveness: 0, state: "online.moving" });
  await h.clock.advance(5_000);
  await submit(h, report("a", -100));
  await h.clock.advance(9_000);
  t.equal(seen(h.system, "a")!.liveness, 0, "a late report breaks the silence too");
  await h.clock.advance(2_000);
  t.match(seen(h.system, "a"), { liveness: 1, state: "stale" });
  await h.clock.advance(10_000);
  t.match(seen(h.system, "a"), { liveness: 2, state: "offline" });
  await h.clock.advance(20_000);
  t.equal(seen(h.system, "a")!.liveness, 3);
  await submit(h, report("a", 46, { speed: 0 }));
  t.match(seen(h.system, "a"), { liveness: 0, state: /^online/ });
  const events = h.store.events
    .filter((event) => event.type === "liveness.changed")
    .map((event) => event.data);
  t.same(events, [
    { from: "live", to: "stale" },
    { from: "stale", to: "lost" },
    { from: "lost", to: "expired" },
    { from: "expired", to: "live" },
  ]);
});

t.test("[E10] silence is counted from the last report, whatever the machine makes of reports", async (t) => {
  const machine = compileMachine(parseMachine({ id: "still", initial: "a", states: { a: {} } }));
  const h = await startSystem({ machine, receive: { staleAfter: 10_000 } });
  await submit(h, report("once", 0), report("often", 0));
  for (let seconds = 1; seconds < 30; seconds++) {
    await h.clock.advance(990);
    await submit(h, report("often", seconds));
    t.equal(seen(h.system, "often")!.liveness, 0, `${seconds} s`);
    // Timers are looked at ten times a second.
    t.equal(seen(h.system, "once")!.liveness, seconds >= 10 ? 1 : 0, `once, ${seconds} s`);
  }
  await h.clock.advance(9_900);
  t.equal(seen(h.system, "often")!.liveness, 0);
  await h.clock.advance(300);
  t.equal(seen(h.system, "often")!.liveness, 1);
});

t.test("[E11] seq has no gaps, and (epoch, seq) grows over a restart", async (t) => {
  const h = await startSystem();
  await submit(h, report("a", -2));
  const first = seen(h.system, "a")!;
  const again = await startSystem({ store: h.store, clock: h.clock });
  const second = seen(again.system, "a")!;
  t.equal(second.seq, first.seq);
  t.equal(second.epoch, first.epoch + 1);
  await submit(again, report("a", -1));
  t.equal(seen(again.system, "a")!.seq, first.seq + 1);
});

t.test("[E12] a machine that fails on one entity fails on it alone", async (t) => {
  const machine = compileMachine(
    parseMachine({
      id: "fragile",
      initial: "on",
      states: {
        on: { on: { report: { actions: [{ type: "assign", assignment: { x: "event.missing.deeper" } }] } } },
      },
    }),
  );
  const h = await startSystem({ machine });
  t.same(await submit(h, report("a", -2), report("b", -2)), { accepted: 2, refused: [] });
  t.match(seen(h.system, "a"), { lon: 25, state: "on" });
  const events = h.store.events.filter((event) => event.type === "machine.failed");
  t.same(
    events.map((event) => event.subject),
    ["a", "b"],
  );
  t.same(h.fatal, []);
});

t.test("[E13] timers and silence go on over a restart, and what came due meanwhile fires once", async (t) => {
  const h = await startSystem({
    receive: { staleAfter: 3_600_000, lostAfter: 7_200_000, expiredAfter: 9_000_000 },
  });
  await submit(h, report("a", -2, { speed: 0 }));
  t.match(seen(h.system, "a"), { state: "online.stopped" });
  t.equal(seen(h.system, "a")!.timers.length, 1);
  h.system.abandon();
  await h.clock.advance(299_000);
  const early = await startSystem({
    store: h.store,
    clock: h.clock,
    receive: { staleAfter: 3_600_000, lostAfter: 7_200_000, expiredAfter: 9_000_000 },
  });
  await h.clock.advance(500);
  t.equal(seen(early.system, "a")!.state, "online.stopped");
  early.system.abandon();
  await h.clock.advance(10_000);
  const late = await startSystem({
    store: early.store,
    clock: h.clock,
    receive: { staleAfter: 3_600_000, lostAfter: 7_200_000, expiredAfter: 9_000_000 },
  });
  await h.clock.advance(1_000);
  t.equal(seen(late.system, "a")!.state, "online.idle");
  await h.clock.advance(600_000);
  const idle = h.store.events.filter((event) => event.data.to === "online.idle");
  t.equal(idle.length, 1);
});

t.test("[M33] what stops and goes silent is stale after 5 minutes, and not idle before", async (t) => {
  const h = await startSystem();
  await submit(h, report("a", -2, { speed: 0 }));
  await h.clock.advance(299_000);
  t.match(seen(h.system, "a"), { state: "online.stopped" });
  const before = h.store.events.length;
  await h.clock.advance(2_000);
  t.match(seen(h.system, "a"), { state: "stale", timers: [] });
  t.same(
    h.store.events.slice(before).map(({ type, data }) => [type, data.to]),
    [
      ["liveness.changed", "stale"],
      ["state.changed", "stale"],
    ],
  );
});

t.test("[E14] a shard takes no more than its checkpoint may hold", async (t) => {
  const h = await startSystem();
  const shard = h.system.table.shards[7]!;
  const ids: string[] = [];
  for (let i = 0; ids.length < 6_000; i++) if (shardOf(`v${i}`) === shard.index) ids.push(`v${i}`);
  const attributes = { text: "x".repeat(8_000) };
  const full = await submit(h, ...ids.map((id) => report(id, -20, { attributes })));
  t.ok(full.accepted > 5_000 && full.refused.length > 100, `${full.accepted} entities fill it`);
  t.same(new Set(full.refused.map(({ type }) => type)), new Set(["too-many-entities"]));
  t.equal(full.refused[0]?.index, full.accepted, "from the moment that it is full");
  t.match(full.refused[0]?.detail, /the entity's shard, one of 256, holds \d+ bytes/);
  const { length } = encodeCheckpoint(h.system.table, shard);
  t.ok(length < MAX_UNIT_BYTES && length < shard.bytes, `its checkpoint has ${length} bytes`);
  await submit(h, ...ids.slice(full.accepted).map((id) => report(id, -20)));
  const grown = await submit(
    h,
    ...ids.slice(0, 100).map((id) => report(id, -19, { attributes: { more: "y".repeat(150) } })),
  );
  t.ok(grown.refused.length > 50, "attributes that grow are refused too");
  t.same(new Set(grown.refused.map(({ type }) => type)), new Set(["too-many-entities"]));
  const { bytes } = shard;

  const [first, second] = ids as [string, string];
  const outside = h.system.table.shards[8]!;
  let other = 0;
  while (shardOf(`w${other}`) !== outside.index) other++;
  t.match(
    await submit(
      h,
      report(first, -18),
      report(first, -17, { attributes: { text: "z".repeat(8_000) } }),
      report(`w${other}`, -17, { attributes }),
    ),
    { accepted: 3 },
    "what makes it no larger is taken, and so is what is of other shards",
  );
  t.equal(shard.bytes, bytes);
  t.match(
    await submit(
      h,
      report(first, -16, { attributes: { text: null } }),
      report(second, -16, { attributes: { more: "y" } }),
    ),
    {
      accepted: 2,
    },
  );
  const again = await startSystem({ store: h.store, clock: h.clock });
  t.equal(again.system.table.shards[7]!.bytes, shard.bytes, "a restart counts the same");
  await stop(again);
  const third = await startSystem({ store: h.store, clock: h.clock });
  t.equal(third.system.table.shards[7]!.bytes, shard.bytes, "from a checkpoint too");
});

t.test("[E14] what is counted for an entity covers all that a checkpoint can hold of it", async (t) => {
  const h = await startSystem();
  const wide = (text: string) => text.padEnd(MAX_NAME_LENGTH, "€");
  for (let i = 0; i < 12; i++) {
    await submit(
      h,
      report("a", i - 20, { source: wide(`source ${i}`), seq: 2 ** 40 + i, kind: wide("kind") }),
    );
  }
  const shard = h.system.table.shards[shardOf("a")]!;
  const { length } = encodeCheckpoint(h.system.table, shard);
  t.ok(length <= shard.bytes, `${length} of ${shard.bytes}`);
  t.ok(length > ENTITY_BYTES * 0.8, "and is not far from it");
});
