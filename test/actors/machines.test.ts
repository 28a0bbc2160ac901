// Machines that change while entities run them.
import t from "tap";
import { MAX_CONTEXT_BYTES } from "../../src/actors/machine/limits.ts";
import type { JsonObject } from "../../src/actors/messages.ts";
import { shardOf } from "../../src/actors/shard-hash.ts";
import { type Harness, report, seen, startSystem } from "../support/actor-system.ts";
import { about, command, contextOf, settle, tell, Versions } from "../support/machine-versions.ts";

const FIRST: JsonObject = {
  initial: "shut",
  context: { opened: 0 },
  states: {
    shut: { on: { open: "ajar" } },
    ajar: {
      entry: { type: "assign", assignment: { opened: "context.opened + 1" } },
      after: { "60000": "shut", "90000": { actions: { type: "emit", event: { type: "still.open" } } } },
    },
  },
};

/** What an entity runs, as its checkpoint says. */
function runs({ system }: Harness, id: string): string {
  const { machines, machine } = system.table;
  return machines.name(machine.of(system.picture.find(id)));
}

t.test("[M23] entities run the machine that names their kind, the others `tracked`", async (t) => {
  const h = await startSystem();
  const door = new Versions("door");
  h.system.machines.take([door.next(FIRST, ["door", "gate"])]);
  await tell(h, "a", 0, { kind: "door" });
  await tell(h, "b", 0, { kind: "gate" });
  await tell(h, "c", 0, { kind: "truck" });
  await tell(h, "d", 0, { kind: undefined });
  t.same(
    ["a", "b", "c", "d"].map((id) => seen(h.system, id)!.state),
    ["shut", "shut", "online.moving", "online.moving"],
  );
  t.match(await command(h, "a", "open"), { accepted: true, state: "ajar" });
  t.match(await command(h, "c", "open"), { accepted: false });

  await tell(h, "d", 1, { kind: "door" });
  t.match(seen(h.system, "d"), { state: "shut", timers: [] }, "its kind is named later");
  t.same(about(h, "d").slice(-2), [
    { type: "machine.changed", data: { machine: "door", version: 1, from: "online.moving", to: "shut" } },
    { type: "state.changed", data: { from: "online.moving", to: "shut" } },
  ]);

  h.system.machines.take([door.next(FIRST, ["door"])]);
  await settle(h);
  t.equal(seen(h.system, "a")!.state, "ajar");
  t.equal(seen(h.system, "b")!.state, "offline", "its kind is not named any more");
});

t.test(
  "[M24] an entity keeps its state, with its context and deadlines, if the state is still there",
  async (t) => {
    const h = await startSystem();
    const door = new Versions("door");
    h.system.machines.take([door.next(FIRST)]);
    await tell(h, "a", 0);
    await command(h, "a", "open");
    await settle(h);
    const before = seen(h.system, "a")!;
    const [shuts, reminds] = before.timers;
    t.match(before.timers, [{ key: "ajar#60000" }, { key: "ajar#90000" }]);
    const events = about(h, "a").length;

    const { states } = FIRST as { states: { shut: JsonObject; ajar: JsonObject } };
    const ajar = { ...states.ajar, after: { "5000": "shut", "90000": "shut" } };
    h.system.machines.take([
      door.next({ ...FIRST, context: { opened: 100, jammed: false }, states: { ...states, ajar } }),
    ]);
    await settle(h);
    const after = seen(h.system, "a")!;
    t.equal(after.state, "ajar");
    t.same(contextOf(h, "a"), { opened: 1, jammed: false }, "what it lacks gets its initial value");
    t.same(after.timers[0], reminds, "the same deadline");
    t.notOk(
      after.timers.some(({ key }) => key === shuts!.key),
      "what is gone does not fire",
    );
    t.match(after.timers, [{}, { key: "ajar#5000" }], "what is new counts from the change");
    t.ok(after.timers[1]!.due > reminds!.due - 90_000 + 5_000);
    t.equal(about(h, "a").length, events, "nothing is said of it");
    t.equal(runs(h, "a"), "door@2");
    await h.clock.advance(5_500);
    t.equal(seen(h.system, "a")!.state, "shut");
  },
);

t.test("[M24] a timer that has fired is not armed again by a change", async (t) => {
  const h = await startSystem();
  const door = new Versions("door");
  const states = {
    shut: { after: { "1000": { actions: { type: "emit", event: { type: "dull" } } } } },
  };
  h.system.machines.take([door.next({ initial: "shut", states })]);
  await tell(h, "a", 0);
  await h.clock.advance(5_000);
  const dull = () => about(h, "a").filter(({ type }) => type === "dull").length;
  t.equal(dull(), 1);
  h.system.machines.take([door.next({ initial: "shut", states: { ...states, open: {} } })]);
  await h.clock.advance(5_000);
  t.equal(runs(h, "a"), "door@2");
  t.equal(dull(), 1);
  h.system.machines.take([door.next({ initial: "shut", states: { shut: {} } })]);
  h.system.machines.take([door.next({ initial: "shut", states })]);
  await h.clock.advance(5_000);
  t.equal(dull(), 2, "but one that was away meanwhile is new");
});

t.test("[M25] an entity whose state is gone enters the initial one, and says so", async (t) => {
  const h = await startSystem();
  const door = new Versions("door");
  h.system.machines.take([door.next(FIRST)]);
  await tell(h, "a", 0);
  await command(h, "a", "open");
  const next = {
    initial: "low",
    context: { n: 7 },
    states: { low: { after: { "3000": "high" } }, high: {} },
  };
  h.system.machines.take([door.next(next)]);
  await settle(h);
  t.match(seen(h.system, "a"), { state: "low", timers: [{ key: "low#3000" }] });
  t.same(contextOf(h, "a"), { n: 7 });
  t.same(about(h, "a").slice(-2), [
    { type: "machine.changed", data: { machine: "door", version: 2, from: "ajar", to: "low" } },
    { type: "state.changed", data: { from: "ajar", to: "low" } },
  ]);

  h.system.machines.take([door.next(undefined)]);
  await settle(h);
  t.match(seen(h.system, "a"), { state: "offline" }, "a removed machine leaves its entities to `tracked`");
  t.match(about(h, "a").at(-2), { type: "machine.changed", data: { machine: "tracked", from: "low" } });
  t.same(contextOf(h, "a"), {});
  t.equal(runs(h, "a"), "");
});

t.test("[M25] an entity whose context would be too large enters the initial state", async (t) => {
  const h = await startSystem();
  const door = new Versions("door");
  const half = "x".repeat(MAX_CONTEXT_BYTES / 2);
  const states = { a: { on: { report: "b" } }, b: {} };
  h.system.machines.take([door.next({ initial: "a", context: { one: half }, states })]);
  await tell(h, "a", 0);
  t.equal(seen(h.system, "a")!.state, "b");
  h.system.machines.take([door.next({ initial: "a", context: { two: half }, states })]);
  await settle(h);
  t.equal(seen(h.system, "a")!.state, "a");
  t.same(contextOf(h, "a"), { two: half });
  t.match(about(h, "a").at(-2), { type: "machine.changed", data: { from: "b", to: "a" } });
});

t.test("[M25] a machine of another name does not take over a state of the same name", async (t) => {
  const h = await startSystem();
  const [door, gate] = [new Versions("door"), new Versions("gate")];
  h.system.machines.take([door.next({ initial: "a", states: { a: { on: { report: "b" } }, b: {} } })]);
  await tell(h, "a", 0);
  t.equal(seen(h.system, "a")!.state, "b");
  const other = { ...gate.next({ initial: "a", states: { a: {}, b: {} } }), revision: 9 };
  h.system.machines.take([{ ...door.next(undefined), revision: 8 }, other]);
  await settle(h);
  t.equal(seen(h.system, "a")!.state, "a");
});

t.test(
  "[M26] an entity is in its machine before it decides anything under it; the others follow by themselves",
  async (t) => {
    const h = await startSystem();
    const door = new Versions("door");
    h.system.machines.take([door.next(FIRST)]);
    const ids = Array.from({ length: 1_200 }, (_, i) => `v${i}`);
    const told = h.system.router.submit(ids.map((id) => report(id, 0)));
    await h.clock.advance(100);
    t.equal((await told).accepted, ids.length);
    const take = {
      initial: "idle",
      states: { idle: { on: { report: "busy", go: "gone" } }, busy: {}, gone: {} },
    };
    h.system.machines.take([door.next(take)]);
    t.equal(seen(h.system, "v1")!.state, "shut", "nothing is decided inside the call");
    await tell(h, "v1", 1);
    t.equal(seen(h.system, "v1")!.state, "busy");
    t.match(await command(h, "v2", "go"), { accepted: true, state: "gone" });
    await settle(h);
    const count = (state: string) => ids.filter((id) => seen(h.system, id)!.state === state).length;
    t.same([count("busy"), count("gone"), count("idle")], [1, 1, ids.length - 2]);
    t.ok(h.system.table.shards.every(({ isBehind }) => !isBehind));
  },
);

t.test("[M26] silence and timers find an entity in its new machine", async (t) => {
  const h = await startSystem();
  const door = new Versions("door");
  h.system.machines.take([
    door.next({ initial: "a", states: { a: { after: { "2000": "late" } }, late: {} } }),
  ]);
  await tell(h, "a", 0);
  // The timer of before comes due in the same look at the clock in which the change is seen.
  await h.clock.advance(1_950);
  h.system.machines.take([door.next({ initial: "b", states: { b: { on: { stale: "quiet" } }, quiet: {} } })]);
  await h.clock.advance(200);
  t.equal(seen(h.system, "a")!.state, "b");
  await h.clock.advance(400_000);
  t.equal(seen(h.system, "a")!.state, "quiet");
});

t.test("[M27] where entering the initial state fails it is entered without its actions", async (t) => {
  const h = await startSystem();
  const door = new Versions("door");
  const entry = { type: "assign", assignment: { n: "entity.speed / context.zero" } };
  const states = { a: { entry, after: { "1000": "b" } }, b: {} };
  h.system.machines.take([door.next({ initial: "a", context: { zero: "no number" }, states })]);
  await tell(h, "a", 0);
  t.match(seen(h.system, "a"), { state: "a", timers: [{ key: "a#1000" }] });
  t.match(about(h, "a")[0], { type: "machine.failed" });
  await h.clock.advance(2_000);
  t.equal(seen(h.system, "a")!.state, "b", "it goes on");
});

t.test("[M8] [M11] what fails takes no timer with it but its own", async (t) => {
  const h = await startSystem();
  const door = new Versions("door");
  const broken = { type: "assign", assignment: { n: "context.zero + 1.0" } };
  const context = { zero: "no number" };
  const after = { "1000": "b", "1001": { actions: broken }, "1002": "c" };
  const states = { a: { on: { check: { actions: broken } }, after }, b: {}, c: {} };
  h.system.machines.take([door.next({ initial: "a", context, states })]);
  await tell(h, "a", 0);
  // Timers are looked at each 100 ms: the first is due and waits for that.
  const due = h.clock.now() - 10 + 1_000;
  await h.clock.advance(due + 5 - h.clock.now());
  t.match(await command(h, "a", "check"), { accepted: false });
  await h.clock.advance(200);
  t.equal(seen(h.system, "a")!.state, "b");

  h.system.machines.take([
    door.next({
      initial: "a",
      context,
      states: { ...states, a: { after: { "1001": { actions: broken }, "1002": "c" } } },
    }),
  ]);
  await tell(h, "other", 2);
  await h.clock.advance(2_000);
  t.match(
    about(h, "other").map(({ type }) => type),
    ["machine.failed", "state.changed"],
  );
  t.equal(seen(h.system, "other")!.state, "c");
});

t.test("[M22] facts and checkpoints say all that was decided: recovery asks no definition", async (t) => {
  const h = await startSystem();
  const door = new Versions("door");
  const [first, second] = [door.next(FIRST), door.next({ ...FIRST, description: "another" })];
  h.system.machines.take([first]);
  await tell(h, "a", 0);
  await command(h, "a", "open");
  h.system.machines.take([second]);
  await settle(h);
  await tell(h, "b", 1, { kind: "truck" });
  const before = seen(h.system, "a")!;
  const context = contextOf(h, "a");

  // As after a kill: only the journal is there. It is read by a program that holds no definition but the newest.
  const again = await startSystem({ store: h.store, clock: h.clock, machines: [second] });
  t.same({ ...seen(again.system, "a"), epoch: 0 }, { ...before, epoch: 0 }, "from facts alone");
  t.same(contextOf(again, "a"), context);
  t.equal(runs(again, "a"), "door@2");
  t.equal(runs(again, "b"), "");
  const stopped = again.system.stop();
  await h.clock.advance(100);
  await stopped;
  t.ok(h.store.checkpoints.get(shardOf("a")));

  const third = await startSystem({ store: h.store, clock: h.clock, machines: [second] });
  t.same({ ...seen(third.system, "a"), epoch: 0 }, { ...before, epoch: 0 }, "from a checkpoint");
  t.same(contextOf(third, "a"), context);
  t.equal(runs(third, "a"), "door@2");
  t.equal(h.store.events.filter(({ type }) => type === "machine.changed").length, 0);
});

t.test("[M29] what changed while nobody had the shard is caught up with when it is loaded", async (t) => {
  const h = await startSystem();
  const door = new Versions("door");
  h.system.machines.take([door.next(FIRST)]);
  await tell(h, "a", 0);
  await command(h, "a", "open");
  const second = door.next({ initial: "low", states: { low: {} } });
  const again = await startSystem({ store: h.store, clock: h.clock, machines: [second] });
  t.equal(seen(again.system, "a")!.state, "low");
  t.equal(runs(again, "a"), "door@2");
  await settle(again);
  t.match(about(again, "a").at(-2), {
    type: "machine.changed",
    data: { version: 2, from: "ajar", to: "low" },
  });
});
