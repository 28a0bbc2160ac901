// Entities that enter and leave fences, through the actors.
import assert from "node:assert/strict";
import t from "tap";
import { EntityTable } from "../../src/actors/entity-table.ts";
import { MAX_OCCUPIED, OCCUPIED_BYTES } from "../../src/actors/fences/limits.ts";
import type { JsonObject } from "../../src/actors/messages.ts";
import { adopt } from "../../src/actors/recovery.ts";
import { shardOf } from "../../src/actors/shard-hash.ts";
import { MAX_SHARD_BYTES } from "../../src/limits.ts";
import { MIRROR } from "../../src/picture/columns.ts";
import { Picture } from "../../src/picture/picture.ts";
import { report, seen, startSystem } from "../support/actor-system.ts";
import { at, events, fencesOf, INSIDE, OUTSIDE, settle, start, tell, told } from "./told.ts";
import { Fences, square } from "./written.ts";

t.test("[FE7, FE15] an enter and its exit say where and when, and share an episode", async (t) => {
  const { h } = await start(["harbour"]);
  await tell(h, -90, OUTSIDE);
  t.same(events(h), []);
  await tell(h, -60, INSIDE);
  t.same(fencesOf(h), ["harbour"]);
  await tell(h, -50, INSIDE + 0.1);
  await tell(h, -30, OUTSIDE);
  t.same(fencesOf(h), []);
  const [entered, exited] = events(h);
  const { episode } = entered!.data;
  t.same(entered!.data, {
    ...{ fence: "harbour", version: 1, episode, enteredAt: at(-60), reason: "arrived" },
    ...{ t: at(-60), lon: 0, lat: 0 },
  });
  t.same(exited!.data, {
    ...{ fence: "harbour", version: 1, episode, enteredAt: at(-60), reason: "left", exitedAt: at(-30) },
    ...{ durationMs: 30_000, t: at(-30), lon: 5, lat: 0 },
  });
  await tell(h, -20, INSIDE);
  t.not(events(h)[2]!.data.episode, episode, "another stay is another episode");
  t.equal(events(h).length, 3);
});

t.test("[FE4] several reports and dwell", async (t) => {
  const { h } = await start(["twice", { minReports: 2 }], ["long", { dwellMs: 60_000 }]);
  await tell(h, -300, INSIDE);
  t.same(told(h), []);
  await tell(h, -290, OUTSIDE);
  await tell(h, -280, INSIDE);
  t.same(told(h), [], "what was pending has ended");
  await tell(h, -270, INSIDE);
  t.same(told(h), ["entered twice arrived"]);
  await tell(h, -220, INSIDE);
  t.same(told(h), ["entered twice arrived", "entered long arrived"], "by the times of the fixes");
  t.match(
    events(h).map(({ data }) => data.enteredAt),
    [at(-280), at(-280)],
  );
  t.same(fencesOf(h), ["long", "twice"]);
});

t.test("[FE4, FE5] dwell is up although the device has fallen silent", async (t) => {
  const { h } = await start(["harbour", { dwellMs: 60_000 }]);
  await tell(h, 0, INSIDE);
  await h.clock.advance(59_000);
  t.same(told(h), []);
  await h.clock.advance(1_200);
  t.same(told(h), ["entered harbour arrived"]);
  await tell(h, 60, OUTSIDE);
  t.match(seen(h.system, "a"), { fences: ["harbour"], occupied: [{ phase: "pending_out" }] });
  await h.clock.advance(61_000);
  t.same(told(h).slice(1), ["exited harbour left"]);
  t.match(events(h)[1], { data: { exitedAt: at(60), durationMs: 60_000 } });
  t.match(seen(h.system, "a"), { fences: [], occupied: [], liveness: 0 });
  await h.clock.advance(300_000);
  t.match(seen(h.system, "a"), { liveness: 1 }, "silence has its own deadline");
});

t.test("[FE5] who stays within the buffer has not left", async (t) => {
  const { h } = await start(["harbour", { exitBuffer: 2_000, minReports: 2 }]);
  await tell(h, -90, 0.2);
  await tell(h, -80, 0.2);
  await tell(h, -70, 0.26);
  await tell(h, -60, 0.26);
  t.same(fencesOf(h), ["harbour"], "1.1 km outside");
  await tell(h, -50, 0.27);
  await tell(h, -40, 0.26);
  await tell(h, -30, 0.27);
  t.same(fencesOf(h), ["harbour"], "two in a row are wanted");
  await tell(h, -20, 0.27);
  t.same(told(h), ["entered harbour arrived", "exited harbour left"]);
  t.match(events(h)[1], { data: { exitedAt: at(-30), t: at(-20) } });
  await tell(h, -10, 0.26);
  await tell(h, -5, 0.26);
  t.equal(told(h).length, 2, "the buffer is for leaving only");
});

t.test("[FE6] accuracy, kinds, floor and ceiling", async (t) => {
  const { h } = await start(
    ["exact", { maxAccuracy: 50 }],
    ["trucks", { kinds: ["truck", "bus"] }],
    ["high", { floor: 1_000, ceiling: 2_000, exitBuffer: 100 }],
  );
  await tell(h, -90, INSIDE, { accuracy: 60, alt: 500 });
  t.same(fencesOf(h), []);
  await tell(h, -80, INSIDE, { accuracy: 50, alt: 950 });
  t.same(fencesOf(h), ["exact"], "the buffer is for leaving only");
  await tell(h, -70, OUTSIDE, { accuracy: 60 });
  t.same(fencesOf(h), ["exact"], "it says nothing");
  await tell(h, -60, INSIDE, { alt: 1_000 });
  t.same(fencesOf(h), ["exact", "high"]);
  await tell(h, -55, INSIDE, { alt: 910 });
  t.same(fencesOf(h), ["exact", "high"]);
  await tell(h, -50, INSIDE, { alt: 2_090 });
  t.same(fencesOf(h), ["exact", "high"]);
  await tell(h, -40, INSIDE, { alt: 2_110 });
  t.same(fencesOf(h), ["exact"]);
  await tell(h, -90, INSIDE, { kind: "truck" }, "b");
  t.same(fencesOf(h, "b"), ["exact", "high", "trucks"], "an unknown altitude is between");
});

t.test("[FE6] what is equal to a bound is within it", async (t) => {
  const { h } = await start(["accuracy", { maxAccuracy: 10.1 }], ["low", { ceiling: 100.4 }], ["high", { floor: 100.6 }]); // biome-ignore format: short
  await tell(h, -60, INSIDE, { accuracy: 10.1, alt: 100.6 });
  t.same(fencesOf(h), ["accuracy", "high"]);
  await tell(h, -50, INSIDE, { accuracy: 10.1, alt: 100.4 });
  t.same(fencesOf(h), ["accuracy", "low"]);
});

t.test("[FE6] an entity leaves a fence by height alone", async (t) => {
  for (const rules of [{ ceiling: 100 }, { floor: 50 }] as JsonObject[]) {
    const { h } = await start(["layer", rules]);
    await tell(h, -60, INSIDE, { alt: 75 });
    await tell(h, -50, INSIDE, { alt: rules.floor === undefined ? 101 : 49 });
    t.same(told(h), ["entered layer arrived", "exited layer left"]);
  }
});

t.test("[FE8] late reports, reports without a place and silence change nothing", async (t) => {
  const h = await startSystem({ receive: { staleAfter: 1_000, lostAfter: 2_000, expiredAfter: 3_000 } });
  h.system.fences.take([new Fences().next("harbour", square())]);
  await tell(h, -60, INSIDE);
  await tell(h, -90, OUTSIDE);
  await tell(h, -50, 0, { lon: undefined, lat: undefined, speed: 3 });
  t.same(told(h), ["entered harbour arrived"]);
  await h.clock.advance(4_000);
  t.match(seen(h.system, "a"), { liveness: 3, fences: ["harbour"] });
  await tell(h, 4, OUTSIDE);
  t.same(told(h).slice(1), ["exited harbour left"]);
});

t.test("[FE7, FE8, FE10] events tell of the newest fix with a place", async (t) => {
  const { h, store } = await start(["harbour"], ["slow", { dwellMs: 60_000 }]);
  await tell(h, 0, INSIDE);
  await h.clock.advance(20_000);
  await tell(h, 20, 0, { lon: undefined, lat: undefined, speed: 1 });
  const stopped = h.system.stop();
  await h.clock.advance(100);
  await stopped;
  const again = await startSystem({ store: h.store, clock: h.clock, fences: store.newest });
  await h.clock.advance(50_000);
  again.system.fences.take([store.next("harbour"), store.next("new", square())]);
  await settle(again);
  t.same(told(again).slice(1), ["entered slow arrived", "exited harbour removed", "entered new created"]);
  for (const { data } of events(again)) t.match(data, { t: at(0), enteredAt: at(0) });
  t.match(events(again)[2], { data: { exitedAt: at(0), durationMs: 0 } });
});

t.test("[FE9] no more fences at a time than may be occupied", async (t) => {
  const names = Array.from({ length: MAX_OCCUPIED + 6 }, (_, i) => `f${i}`);
  const { h, store } = await start(...names.map((name): [string] => [name]));
  await tell(h, -60, INSIDE);
  t.equal(fencesOf(h)?.length, MAX_OCCUPIED);
  const bytes = () => h.system.table.shards.reduce((sum, shard) => sum + shard.bytes, 0);
  const full = bytes();
  h.system.fences.take(names.slice(0, 10).map((name) => store.next(name)));
  await settle(h);
  t.equal(fencesOf(h)?.length, MAX_OCCUPIED - 4, "there is room for those that were left out");
  t.ok(bytes() < full);
});

t.test("[FE9] no more than the shard has room for", async (t) => {
  const { h } = await start(["harbour"]);
  await tell(h, -60, OUTSIDE);
  const shard = h.system.table.shards[shardOf("a")];
  const { bytes } = shard;
  shard.bytes = MAX_SHARD_BYTES - OCCUPIED_BYTES + 1;
  await tell(h, -50, INSIDE);
  t.same(fencesOf(h), []);
  shard.bytes = bytes;
  await tell(h, -40, INSIDE);
  t.same(fencesOf(h), ["harbour"]);
});

t.test("[FE15] an entity has nothing of the one that had its slot before", async (t) => {
  const { h } = await start(["harbour"]);
  const { ownership, picture } = h.system;
  await tell(h, -60, INSIDE);
  const slot = picture.find("a");
  ownership.forget([shardOf("a")]);
  picture.clearChanges();
  picture.releaseRemoved(() => true);
  await tell(h, -50, OUTSIDE, {}, "b");
  t.equal(picture.find("b"), slot);
  t.match(seen(h.system, "b"), { fences: [], occupied: [] });
  t.same(told(h, "b"), []);
});

t.test("[FE15] a mirror that is taken over is in the fences that its owner remembers", async (t) => {
  const { h } = await start(["harbour"]);
  await tell(h, -60, INSIDE);
  await tell(h, -60, OUTSIDE, {}, "b");
  const table = new EntityTable(new Picture());
  const { columns } = table.picture;
  for (const id of ["a", "b"]) {
    const slot = table.picture.add(id, shardOf(id));
    columns.flags.set(slot, columns.flags.of(slot) | MIRROR);
    columns.fences.set(slot, ["gone"]);
    adopt(table, h.system.table, table.shards[shardOf(id)]);
    t.same(columns.fences.get(slot) ?? [], fencesOf(h, id));
  }
});

t.test("[FE12] with an entity its stays end", async (t) => {
  const { h } = await start(["harbour"], ["slow", { dwellMs: 10_000 }]);
  await tell(h, -60, INSIDE);
  await tell(h, -60, INSIDE, {}, "b");
  const { router } = h.system;
  const deleted = router.command({ id: "1", entity: "a", erase: false });
  const erased = router.command({ id: "1", entity: "b", erase: true });
  await h.clock.advance(60_000);
  t.match(await Promise.all([deleted, erased]), [{ accepted: true }, { accepted: true }]);
  t.same(told(h), ["entered harbour arrived", "exited harbour deleted"]);
  t.match(h.store.events.filter(({ subject }) => subject === "a").at(-1), { type: "entity.deleted" });
  t.same(told(h, "b"), ["entered harbour arrived"]);
  await tell(h, -50, OUTSIDE);
  t.match(seen(h.system, "a"), { fences: [], occupied: [] });
  await h.clock.advance(20_000);
  t.equal(told(h).length, 2, "no deadline is left of it");
});

t.test("[FE3] many fences in a small place", async (t) => {
  const store = new Fences();
  const h = await startSystem();
  const { fences, router } = h.system;
  // Within one cell of the picture's keys, of which a node keeps the fences for an entity.
  const place = (i: number): [number, number] => [0.0001 + 0.005 * ((i * 0.618) % 1), 0.0001 + 0.0025 * ((i * 0.414) % 1)]; // biome-ignore format: short
  const circle = (i: number): JsonObject => ({
    ...{ type: "Feature", geometry: { type: "Point", coordinates: place(i) } },
    properties: { radius: 5 + 12 * i },
  });
  const names = Array.from({ length: 30 }, (_, i) => `f${i}`);
  fences.take(names.map((name, i) => store.next(name, circle(i))));
  const counts = new Set<number>();
  for (let i = 0; i < 300; i++) {
    const [lon, lat] = place(i * 1.7);
    void router.submit([report("a", i - 300, { lon, lat })]);
    await h.clock.advance(1);
    const holding = names.filter((name) => fences.standing(name)!.outline.contains(lon, lat)).sort();
    assert.deepEqual(fencesOf(h), holding, `${lon} ${lat}`);
    counts.add(holding.length);
  }
  t.ok(counts.size > 5, [...counts].join());
});

t.test("[FE14] a machine gets what happens at fences, and nobody else may say so", async (t) => {
  const { h } = await start(["harbour"]);
  const definition: JsonObject = {
    id: "ship",
    initial: "away",
    states: {
      away: { on: { "fence.entered": { target: "moored", guard: "event.fence == 'harbour'" } } },
      moored: {
        on: {
          "fence.exited": "away",
          report: { actions: { type: "emit", event: { type: "moored.report" } } },
        },
      },
    },
  };
  h.system.machines.take([
    { name: "ship", version: 1, revision: 1, kinds: ["vessel"], definition, timersSince: {}, changedAt: 0 },
  ]);
  await tell(h, -60, OUTSIDE);
  t.equal(seen(h.system, "a")?.state, "away");
  const sent = h.system.router.command({
    id: "1",
    entity: "a",
    name: "fence.entered",
    data: { fence: "harbour" },
  });
  await h.clock.advance(10);
  t.match(await sent, { accepted: false, type: "invalid-command" });
  await tell(h, -50, INSIDE);
  t.equal(seen(h.system, "a")?.state, "moored");
  t.equal(h.store.events.at(-1)?.type, "moored.report", "the report comes after it");
  await tell(h, -40, OUTSIDE);
  t.equal(seen(h.system, "a")?.state, "away");
});

t.test("[FE10] a restart knows what was occupied, by facts and by checkpoints", async (t) => {
  const { h, store } = await start(["harbour"]);
  const slow = store.next("slow", square(0, 0, { dwellMs: 60_000 }));
  h.system.fences.take([slow]);
  await tell(h, 0, INSIDE);
  const before = seen(h.system, "a")!;
  t.match(before.occupied, [{ phase: "in" }, { phase: "pending_in" }]);
  const fences = h.system.fences.versions;
  h.system.abandon();
  const again = await startSystem({ store: h.store, clock: h.clock, fences });
  t.same({ ...seen(again.system, "a"), epoch: 0 }, { ...before, epoch: 0 }, "from facts alone");
  const stopped = again.system.stop();
  await h.clock.advance(100);
  await stopped;
  h.store.batches.length = 0;
  const third = await startSystem({ store: h.store, clock: h.clock, fences });
  t.same({ ...seen(third.system, "a"), epoch: 0 }, { ...before, epoch: 0 }, "from a checkpoint");
  t.same(told(third), [], "nothing is told again");
  await h.clock.advance(60_000);
  t.same(told(third), ["entered slow arrived"], "the deadline is what it was");
  t.same(fencesOf(third), ["harbour", "slow"]);
});
