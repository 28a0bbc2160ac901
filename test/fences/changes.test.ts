// Fences that change, and the entities in them, through the actors.
import t from "tap";
import { CatchUp } from "../../src/actors/catch-up.ts";
import { MAX_OCCUPIED } from "../../src/actors/fences/limits.ts";
import type { Request } from "../../src/actors/messages.ts";
import { shardOf } from "../../src/actors/shard-hash.ts";
import { MAX_FLUSH_EVENTS } from "../../src/limits.ts";
import { report, seen, startSystem } from "../support/actor-system.ts";
import { at, events, fencesOf, INSIDE, OUTSIDE, settle, start, tell, told } from "./told.ts";
import { Fences, square } from "./written.ts";

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
  t.equal(told(h).at(-1), "entered gone created");
});

t.test("[FE11] a fence that is removed and made again is another one, however soon", async (t) => {
  const { h, store } = await start(["harbour"]);
  await tell(h, -60, INSIDE);
  const first = events(h)[0]!.data.episode;
  h.system.fences.take([store.next("harbour")]);
  h.system.fences.take([store.next("harbour", square(0.1))]);
  await settle(h);
  t.same(told(h).slice(1), ["exited harbour removed", "entered harbour created"]);
  t.match(events(h)[1]!.data, { version: 1, episode: first });
  t.not(events(h)[2]!.data.episode, first);
  h.system.fences.take([store.next("harbour", square(-0.1))]);
  await settle(h);
  t.equal(told(h).length, 3, "a stay goes on through a change after that");
  h.system.fences.take([store.next("harbour"), store.next("harbour", square(OUTSIDE))]);
  await settle(h);
  t.same(told(h).slice(3), ["exited harbour removed"]);
  h.system.fences.take([store.next("harbour", square())]);
  await settle(h);
  t.same(told(h).slice(4), ["entered harbour changed"]);
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
  for (const reason of ["arrived", "removed", "created"])
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

t.test("[FE11] a change while a shard is loaded reaches what was woken before it", async (t) => {
  const h = await startSystem();
  await tell(h, -60, INSIDE);
  const { table } = h.system;
  const shard = table.shards[shardOf("a")];
  const looked: number[] = [];
  const catchUp = new CatchUp(table, (_, slot) => looked.push(slot));
  shard.status = "closed";
  catchUp.begin();
  t.ok(catchUp.advance(0, 5), "nothing can be done yet");
  t.same(looked, []);
  shard.status = "open";
  t.ok(catchUp.advance(0, 5));
  t.same(looked, [h.system.picture.find("a")]);
});

t.test("[FE11] a deadline finds an entity in the fences of now", async (t) => {
  const { h, store } = await start(["slow", { dwellMs: 10_000 }]);
  await tell(h, 0, INSIDE);
  await h.clock.advance(9_950);
  h.system.fences.take([store.next("slow")]);
  await settle(h);
  t.same(told(h), []);
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
