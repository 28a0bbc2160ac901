// What machines remember of entities, and the room for it in a shard.
import t from "tap";
import { encodeCheckpoint } from "../../src/actors/checkpoint.ts";
import type { JsonObject } from "../../src/actors/messages.ts";
import { shardOf } from "../../src/actors/shard-hash.ts";
import { ENTITY_BYTES, MAX_SHARD_BYTES } from "../../src/limits.ts";
import { type Harness, seen, startSystem, stop } from "../support/actor-system.ts";
import { about, command, contextOf, settle, tell, Versions } from "../support/machine-versions.ts";

const TEXT = "x".repeat(500);
/** Copies the text of a report to the context. */
const copy = { type: "assign", assignment: { copy: "entity.attributes.text" } };
const COPIER: JsonObject = {
  initial: "a",
  context: { copy: "" },
  states: { a: { on: { report: { actions: copy }, copy: { target: "b", actions: copy } } }, b: {} },
};

const shardOfA = ({ system }: Harness) => system.table.shards[shardOf("a")];

/** As if others had left only so much room in the shard of `a`. @returns gives it back. */
function leave(h: Harness, room: number): () => void {
  const shard = shardOfA(h);
  const others = MAX_SHARD_BYTES - room - shard.bytes;
  shard.bytes += others;
  return () => {
    shard.bytes -= others;
  };
}

const failures = (h: Harness) => about(h, "a").filter(({ type }) => type === "machine.failed");

async function start(definition: JsonObject) {
  const h = await startSystem();
  const versions = new Versions("m");
  h.system.machines.take([versions.next(definition)]);
  return { h, versions };
}

t.test("[E34] a report is taken, and what its machine has no room for fails", async (t) => {
  const { h } = await start(COPIER);
  await tell(h, "a", 0, { attributes: { text: "short" } });
  t.same(contextOf(h, "a"), { copy: "short" });
  const giveBack = leave(h, TEXT.length + 10);
  await tell(h, "a", 1, { attributes: { text: TEXT } });
  t.same(contextOf(h, "a"), { copy: "short" });
  t.equal(seen(h.system, "a")?.attributes, JSON.stringify({ text: TEXT }));
  t.match(failures(h), [{ data: { error: /^there is no room for the context and the timers/ } }]);
  t.ok(shardOfA(h).bytes <= MAX_SHARD_BYTES);

  giveBack();
  await tell(h, "a", 2);
  t.same(contextOf(h, "a"), { copy: TEXT });
  leave(h, -1_000);
  await tell(h, "a", 3, { attributes: { text: "less" } });
  t.same(contextOf(h, "a"), { copy: "less" }, "what makes it no larger is done, however full it is");
  t.equal(failures(h).length, 1);
});

t.test("[E34] a command for whose outcome there is no room is refused, and changes nothing", async (t) => {
  const { h } = await start(COPIER);
  await tell(h, "a", 0, { attributes: { text: "short" } });
  const giveBack = leave(h, TEXT.length + 10);
  await tell(h, "a", 1, { attributes: { text: TEXT } });
  t.match(await command(h, "a", "copy"), {
    accepted: false,
    type: "command-refused",
    detail: /^a is a, and its machine failed on copy/,
  });
  t.same([seen(h.system, "a")?.state, contextOf(h, "a")], ["a", { copy: "short" }]);
  t.match(about(h, "a").slice(-2), [{ type: "command.refused" }, { type: "machine.failed" }]);
  giveBack();
  await h.clock.advance(1);
  t.match(await command(h, "a", "copy"), { accepted: true, state: "b" });
  t.same(contextOf(h, "a"), { copy: TEXT });
});

t.test("[E34] a timer for whose outcome there is no room is spent", async (t) => {
  const grow = { type: "assign", assignment: { copy: "entity.attributes.text" } };
  const { h } = await start({
    initial: "a",
    states: { a: { after: { "2000": { target: "b", actions: grow }, "3000": "c" } }, b: {}, c: {} },
  });
  await tell(h, "a", 0, { attributes: { text: TEXT } });
  leave(h, 100);
  await h.clock.advance(2_500);
  t.match(seen(h.system, "a"), { state: "a", timers: [{ key: "a#3000" }] });
  t.equal(failures(h).length, 1);
  await h.clock.advance(1_000);
  t.match(seen(h.system, "a"), { state: "c", timers: [] }, "the others come due");
});

/** As long as names may be, so that a timer's is some 400 bytes. */
const LONG = "s".repeat(64);
const deep = (depth: number, leaf: JsonObject): JsonObject =>
  depth === 0 ? leaf : { initial: LONG, states: { [LONG]: deep(depth - 1, leaf) } };

t.test("[E35] contexts and timers count as they are in the checkpoint, after a restart too", async (t) => {
  const after = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`${i + 1_000_000}`, "#end"]));
  const definition: JsonObject = {
    initial: "off",
    context: { n: 0 },
    states: {
      off: { on: { go: "on" } },
      on: { ...deep(6, { after }), on: { stop: "off" } },
      end: { id: "end" },
    },
  };
  const { h, versions } = await start(definition);
  await tell(h, "a", 0);
  const shard = shardOfA(h);
  const before = shard.bytes;
  t.equal(before, ENTITY_BYTES + 1 + JSON.stringify({ n: 0 }).length);
  const small = encodeCheckpoint(h.system.table, shard).length;
  await command(h, "a", "go");
  t.equal(seen(h.system, "a")?.timers.length, 100);
  const { length } = encodeCheckpoint(h.system.table, shard);
  const full = shard.bytes;
  t.ok(length > 39_000 && length - small <= full - before + 2 * LONG.length * 7, `${length} of ${full}`);

  const machines = [versions.last!];
  const again = await startSystem({ store: h.store, clock: h.clock, machines });
  t.equal(shardOfA(again).bytes, full, "from facts");
  await stop(again);
  const third = await startSystem({ store: h.store, clock: h.clock, machines });
  t.equal(shardOfA(third).bytes, full, "from a checkpoint");
  await command(third, "a", "stop");
  t.equal(shardOfA(third).bytes, before);
  const giveBack = leave(third, 20_000);
  t.match(await command(third, "a", "go"), { accepted: false });
  t.match(about(third, "a").at(-1), { type: "machine.failed" });
  giveBack();
  const gone = third.system.router.command({ id: "1", entity: "a", erase: false });
  await third.clock.advance(20);
  t.match(await gone, { accepted: true });
  t.equal(shardOfA(third).bytes, 0, "what is deleted counts no more");
});

t.test("[E35] the timer of the built-in machine has room in any shard", async (t) => {
  const h = await startSystem();
  await tell(h, "a", 0, { speed: 5 });
  leave(h, 0);
  await tell(h, "a", 1, { speed: 0 });
  t.match(seen(h.system, "a"), { state: "online.stopped", timers: [{}] });
  t.same(failures(h), []);
  t.equal(shardOfA(h).bytes, MAX_SHARD_BYTES);
});

t.test("[M34] without room for a new version an entity enters the initial state", async (t) => {
  const states = { a: { on: { report: "b" } }, b: {} };
  const { h, versions } = await start({ initial: "a", context: { one: TEXT }, states });
  await tell(h, "a", 0);
  leave(h, 100);
  h.system.machines.take([versions.next({ initial: "a", context: { one: "", two: TEXT }, states })]);
  await settle(h);
  t.equal(seen(h.system, "a")?.state, "a");
  t.same(contextOf(h, "a"), { one: "", two: TEXT }, "which fits, as it is without what was added up");
  t.match(about(h, "a").at(-2), { type: "machine.changed", data: { version: 2, from: "b", to: "a" } });
  t.same(failures(h), []);
});

t.test("[M34] … without its actions, or without context and timers, if that does not fit", async (t) => {
  const { h, versions } = await start({ initial: "a", states: { a: {} } });
  await tell(h, "a", 0, { attributes: { text: TEXT } });
  leave(h, 100);
  const after = { "89000000": "c", "90000000": "c", "91000000": "c", "92000000": "c" };
  const next = { initial: "b", context: { n: 1 }, states: { b: { entry: copy, after }, c: {} } };
  h.system.machines.take([versions.next(next)]);
  await settle(h);
  t.match(seen(h.system, "a"), { state: "b", timers: { length: 4 } });
  t.same(contextOf(h, "a"), { n: 1 });
  t.equal(failures(h).length, 1);

  const large = { initial: "d", context: { n: TEXT }, states: { d: { after }, c: {} } };
  h.system.machines.take([versions.next(large)]);
  await settle(h);
  t.match(seen(h.system, "a"), { state: "d", timers: { length: 0 } });
  t.same(contextOf(h, "a"), {});
  t.equal(failures(h).length, 2);
  t.ok(shardOfA(h).bytes <= MAX_SHARD_BYTES);
});

t.test("[M34] a new entity for whose context there is no room begins without it", async (t) => {
  const { h } = await start({
    initial: "a",
    context: { n: TEXT },
    states: { a: { on: { report: "b" } }, b: {} },
  });
  leave(h, ENTITY_BYTES + 1 + 100);
  await tell(h, "a", 0);
  t.equal(seen(h.system, "a")?.state, "b");
  t.same(contextOf(h, "a"), {});
  t.equal(failures(h).length, 1);
  t.ok(shardOfA(h).bytes <= MAX_SHARD_BYTES);
});
