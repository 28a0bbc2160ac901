// Entities that enter and leave fences, through the actors.
import t from "tap";
import { CatchUp } from "../../src/actors/catch-up.ts";
import { MAX_OCCUPIED } from "../../src/actors/fences/limits.ts";
import type { JsonObject, Report, Request } from "../../src/actors/messages.ts";
import { MAX_FLUSH_EVENTS } from "../../src/limits.ts";
import { type Harness, report, seen, startSystem } from "../support/actor-system.ts";
import { Fences, square } from "./written.ts";

async function start(...fences: [name: string, properties?: JsonObject][]) {
  const store = new Fences();
  const h = await startSystem();
  h.system.fences.take(fences.map(([name, properties]) => store.next(name, square(0, 0, properties))));
  return { h, store };
}

async function tell(h: Harness, seconds: number, lon: number, more: Partial<Report> = {}, id = "a") {
  const answer = h.system.router.submit([report(id, seconds, { lon, lat: 0, ...more })]);
  // A flush with many events waits a little.
  await h.clock.advance(30);
  t.match(await answer, { accepted: 1 });
}

const [INSIDE, OUTSIDE] = [0, 5];
const START = Date.UTC(2026, 0, 1);
const at = (seconds: number) => new Date(START + seconds * 1_000).toISOString();

const events = ({ store }: Harness, id = "a") =>
  store.events.filter(({ subject, type }) => subject === id && type.startsWith("fence."));
const told = (h: Harness, id = "a") =>
  events(h, id).map(({ type, data }) => `${type.slice(6)} ${data.fence} ${data.reason}`);
const fencesOf = (h: Harness, id = "a") => seen(h.system, id)?.fences;

/** Time enough for entities that nothing happens to. */
const settle = (h: Harness) => h.clock.advance(1_000);

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

t.test("[FE11] removed, changed and new fences", async (t) => {
  const { h, store } = await start(["gone"], ["moves"], ["grows"]);
  await tell(h, -60, INSIDE);
  const grows = events(h)[2]!.data.episode;
  h.system.fences.take([
    store.next("gone"),
    store.next("moves", square(OUTSIDE)),
    store.next("grows", square(0.1)),
    store.next("fresh", square()),
    store.next("elsewhere", square(OUTSIDE)),
    store.next("slow", square(0, 0, { dwellMs: 5_000 })),
  ]);
  t.equal(told(h).length, 3, "nothing is decided inside the call");
  await settle(h);
  t.same(told(h).slice(3).sort(), ["entered fresh created", "exited gone removed", "exited moves changed"]);
  t.same(fencesOf(h), ["fresh", "grows"]);
  t.match(
    events(h).find(({ type, data }) => type === "fence.exited" && data.fence === "gone"),
    {
      data: { version: 1, exitedAt: at(-60), durationMs: 0, t: at(-60) },
    },
  );
  await h.clock.advance(5_000);
  t.same(told(h).slice(6), ["entered slow arrived"], "dwell counts from the change");
  await tell(h, -30, OUTSIDE);
  const exit = events(h).find(({ type, data }) => type === "fence.exited" && data.fence === "grows")!;
  t.match(exit.data, { version: 2, episode: grows, enteredAt: at(-60) }, "a stay goes on");
  h.system.fences.take([store.next("moves", square(OUTSIDE, 0, { title: "x" }))]);
  h.system.fences.take([store.next("gone", square(OUTSIDE))]);
  await settle(h);
  t.same(fencesOf(h), ["elsewhere", "gone", "moves", "slow"], "which it has not left long enough");
  t.equal(told(h).at(-1), "entered gone changed", "it had a version before");
});

t.test("[FE11] an entity is in the fences of now before anything else is decided", async (t) => {
  const { h, store } = await start(["old"]);
  const ids = Array.from({ length: 1_200 }, (_, i) => `v${i}`);
  const answer = h.system.router.submit(ids.map((id) => report(id, -60, { lon: 0, lat: 0 })));
  await h.clock.advance(100);
  t.match(await answer, { accepted: ids.length });
  h.system.fences.take([store.next("old"), store.next("new", square())]);
  t.same(fencesOf(h, "v1"), ["old"]);
  await tell(h, -30, OUTSIDE, {}, "v1");
  t.same(told(h, "v1"), [
    "entered old arrived",
    "exited old removed",
    "entered new created",
    "exited new left",
  ]);
  await settle(h);
  t.equal(ids.filter((id) => fencesOf(h, id)?.join() === "new").length, ids.length - 1);
  t.ok(h.system.table.shards.every(({ isBehind }) => !isBehind));
});

t.test("[FE11] a command and a deletion are decided in the fences of now", async (t) => {
  const { h, store } = await start(["harbour"]);
  const unload = { target: "unloading", guard: "'harbour' in entity.fences" };
  const definition = {
    id: "ship",
    initial: "away",
    states: { away: { on: { unload } }, unloading: { on: { unload } } },
  };
  h.system.machines.take([
    { name: "ship", version: 1, revision: 1, kinds: ["vessel"], definition, timersSince: {}, changedAt: 0 },
  ]);
  await tell(h, -60, INSIDE);
  const ask = async (request: Request) => {
    const answer = h.system.router.command(request);
    await h.clock.advance(30);
    return answer;
  };
  t.match(await ask({ id: "1", entity: "a", name: "unload" }), { accepted: true });
  h.system.fences.take([store.next("harbour")]);
  t.match(await ask({ id: "2", entity: "a", name: "unload" }), { accepted: false, type: "command-refused" });
  t.same(told(h), ["entered harbour arrived", "exited harbour removed"]);
  h.system.fences.take([store.next("harbour", square())]);
  await settle(h);
  h.system.fences.take([store.next("harbour"), store.next("new", square())]);
  t.match(await ask({ id: "3", entity: "a", erase: false }), { accepted: true });
  t.same(told(h).slice(3), ["exited harbour removed", "entered new created", "exited new deleted"]);
});

t.test("[FE11] what many do at once is more than one flush", async (t) => {
  const store = new Fences();
  const h = await startSystem();
  const names = Array.from({ length: MAX_OCCUPIED }, (_, i) => `f${i}`);
  h.system.fences.take(names.map((name) => store.next(name, square(0, 0, { dwellMs: 1_000 }))));
  const ids = Array.from({ length: 330 }, (_, i) => `v${i}`);
  void h.system.router.submit(ids.map((id) => report(id, 0, { lon: 0, lat: 0 })));
  await settle(h);
  await settle(h);
  h.system.fences.take(names.map((name) => store.next(name)));
  await settle(h);
  h.system.abandon();
  const fences = names.map((name) => store.next(name, square()));
  await settle(await startSystem({ store: h.store, clock: h.clock, fences }));
  const told = Map.groupBy(h.store.events, ({ data }) => data.reason);
  for (const reason of ["arrived", "removed", "changed"])
    t.equal(told.get(reason)?.length, ids.length * names.length, reason);
  const flushes = h.store.batches.map(({ batch }) => batch.events.length);
  t.ok(Math.max(...flushes) <= MAX_FLUSH_EVENTS + MAX_OCCUPIED, flushes.join());
});

t.test("[FE11] every entity has its turn, however often fences change", async (t) => {
  const h = await startSystem();
  const ids = Array.from({ length: 30 }, (_, i) => `v${i}`);
  void h.system.router.submit(ids.map((id) => report(id, -60)));
  await h.clock.advance(100);
  const looked = new Map<number, number>();
  const { table } = h.system;
  const catchUp = new CatchUp(table, (_, slot) => looked.set(slot, (looked.get(slot) ?? 0) + 1));
  for (let changes = 0; changes < 6; changes++) {
    catchUp.begin();
    for (let slices = 0; slices < 2; slices++) t.notOk(catchUp.advance(0, 5));
  }
  t.same(
    [...looked.values()],
    Array.from(ids, () => 2),
    "twice round in 60 looks",
  );
  looked.clear();
  catchUp.begin();
  while (!catchUp.advance(0, 4));
  t.equal(looked.size, ids.length);
  t.notOk(table.shards.some(({ isBehind }) => isBehind));
  t.ok(catchUp.advance(0, 0));
});

t.test("[FE11] what is pending begins anew when its fence changes", async (t) => {
  const { h, store } = await start(["slow", { dwellMs: 12_000 }]);
  await tell(h, 0, INSIDE);
  await h.clock.advance(8_000);
  h.system.fences.take([store.next("slow", square(0, 0, { dwellMs: 10_000 }))]);
  await h.clock.advance(8_000);
  t.same(told(h), []);
  await h.clock.advance(3_000);
  t.same(told(h), ["entered slow arrived"]);
  h.system.fences.take([store.next("other", square(OUTSIDE))]);
  await settle(h);
  t.equal(told(h).length, 1, "another fence is no reason to judge this one");
});

t.test("[FE11] another title changes nothing of what is pending", async (t) => {
  const rules = { dwellMs: 10_000, minReports: 2 };
  const { h, store } = await start(["slow", rules]);
  const entitle = async () => {
    h.system.fences.take([store.next("slow", square(0, 0, { ...rules, title: h.clock.now().toString(36) }))]);
    await h.clock.advance(6_000);
  };
  await tell(h, 0, INSIDE);
  await tell(h, 1, INSIDE);
  await entitle();
  await entitle();
  t.same(told(h), ["entered slow arrived"]);
  t.match(events(h)[0], { data: { version: 3, enteredAt: at(0) } });
  await tell(h, 12, OUTSIDE);
  await entitle();
  t.same(told(h).length, 1, "one fix outside is not enough");
  t.match(seen(h.system, "a")!.occupied, [{ phase: "pending_out", version: 4 }]);
  await tell(h, 18, OUTSIDE);
  await entitle();
  t.same(told(h).slice(1), ["exited slow left"]);
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

t.test("[FE13] what changed while nobody had the shard is caught up with when it is loaded", async (t) => {
  const { h, store } = await start(["old"]);
  await tell(h, -60, INSIDE);
  const again = await startSystem({
    ...{ store: h.store, clock: h.clock },
    fences: [store.next("old"), store.next("new", square())],
  });
  await settle(again);
  t.same(told(again), ["entered old arrived", "exited old removed", "entered new created"]);
  t.same(fencesOf(again), ["new"]);
  const episodes = events(again).map(({ data }) => data.episode);
  t.equal(new Set(episodes).size, 2);
});

t.test("[FE13] a shard that is loaded again is caught up with what it had decided of a change", async (t) => {
  const { h, store } = await start(["old"]);
  await tell(h, -60, INSIDE);
  h.system.fences.take([store.next("old"), store.next("new", square())]);
  h.store.fenced = true;
  await settle(h);
  t.equal(h.lost.length, 1);
  t.same(told(h), ["entered old arrived", "exited old removed", "entered new created"]);
  t.same(fencesOf(h), ["new"]);
});

t.test("[FE3] many fences in a small place", async (t) => {
  const store = new Fences();
  const h = await startSystem();
  const lon = (i: number) => i * 0.0004;
  const circle = (i: number): JsonObject => ({
    ...{ type: "Feature", geometry: { type: "Point", coordinates: [lon(i), 0.001] } },
    properties: { radius: 15 },
  });
  const names = Array.from({ length: 12 }, (_, i) => `f${i}`);
  h.system.fences.take(names.map((name, i) => store.next(name, circle(i))));
  for (let i = 0; i < names.length; i++) {
    await tell(h, 2 * i - 90, lon(i), { lat: 0.001 });
    t.same(fencesOf(h), [`f${i}`]);
    await tell(h, 2 * i - 89, lon(i) + 0.0002, { lat: 0.001 });
    t.same(fencesOf(h), []);
  }
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
