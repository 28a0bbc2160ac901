import t from "tap";
import { patchKey } from "../../src/actors/deletion-key.ts";
import type { CommandResult } from "../../src/actors/messages.ts";
import { shardOf } from "../../src/actors/shard-hash.ts";
import {
  COMMAND_MEMORY_MS,
  MAX_COMMANDS_PER_SHARD,
  MAX_PATCHES_PER_SHARD,
  MAX_SHARD_BYTES,
} from "../../src/limits.ts";
import { commandFault } from "../../src/transport/ingest/command.ts";
import { ask, type Harness, report, startSystem, stop } from "../support/actor-system.ts";
import { ErasableStore, storedText } from "../support/erasable-store.ts";

const patch = (id: string, labels: readonly string[], entity = "a") => ({ id, entity, labels });
const MOVING = { accepted: true, state: "online.moving" };

async function tell(h: Harness, id: string, seconds: number) {
  const answer = h.system.router.submit([report(id, seconds, { speed: 5 })]);
  await h.clock.advance(10);
  t.equal((await answer).accepted, 1);
}

function labels({ system }: Harness, id = "a"): readonly string[] | undefined {
  return system.picture.columns.labels.get(system.picture.find(id));
}

const shardIn = ({ system }: Harness) => system.table.shards[shardOf("a")];

t.test("[AC42] labels are there after a crash, and after a stop, from journal and checkpoint", async (t) => {
  let h = await startSystem();
  await tell(h, "a", 0);
  await tell(h, "b", 0);
  t.same(await ask(h, patch("1", ["north", "rented"])), MOVING);
  t.same(await ask(h, patch("2", ["south"], "b")), MOVING);
  t.same(await ask(h, patch("3", [], "b")), MOVING);
  const { bytes } = shardIn(h);
  const restart = async (how: string) => {
    h = await startSystem({ store: h.store, clock: h.clock });
    t.same(labels(h), ["north", "rented"], how);
    t.equal(labels(h, "b"), undefined, how);
    t.equal(shardIn(h).bytes, bytes, how);
  };
  await restart("from the journal");
  await stop(h);
  h.store.batches.length = 0;
  await restart("from the checkpoint");
  t.same(await ask(h, patch("4", ["south"])), MOVING);
  await stop(h);
  h = await startSystem({ store: h.store, clock: h.clock });
  t.same(labels(h), ["south"]);
});

t.test("[AC42] a change is answered after its commit, and is not there if it is not committed", async (t) => {
  const h = await startSystem();
  await tell(h, "a", 0);
  await ask(h, patch("0", ["north"]));
  const open = Promise.withResolvers<void>();
  h.store.gate = open.promise;
  let answer: CommandResult | undefined;
  void h.system.router.command(patch("1", ["south"])).then((result) => {
    answer = result;
  });
  await h.clock.advance(500);
  t.same(labels(h), ["south"], "the picture alone runs ahead");
  t.equal(answer, undefined);
  h.store.fenced = true;
  open.resolve();
  h.store.gate = undefined;
  await h.clock.advance(1_000);
  t.match(answer, { accepted: false, type: "retry" });
  t.same(labels(h), ["north"]);
  t.same(await ask(h, patch("1", ["south"])), MOVING);
  t.same(labels(h), ["south"]);
});

t.test("[AC43] changes, reports, commands and deletions are decided in their order", async (t) => {
  const h = await startSystem();
  const { router } = h.system;
  const answers = [
    router.command(patch("1", ["x"])),
    router.submit([report("a", 0)]),
    router.command(patch("2", ["north"])),
    router.command({ id: "3", entity: "a", erase: false }),
    router.command(patch("4", ["south"])),
    router.submit([report("a", 1)]),
    router.command(patch("5", ["west"])),
    router.command(patch("6", ["east"])),
  ];
  await h.clock.advance(50);
  const types = (await Promise.all(answers)).map((one) => ("type" in one ? one.type : "accepted"));
  const none = "entity-not-found";
  const ok = "accepted";
  t.same(types, [none, ok, ok, ok, none, ok, ok, ok]);
  t.same(labels(h), ["east"]);
  const again = await startSystem({ store: h.store, clock: h.clock });
  t.same(labels(again), ["east"]);
});

t.test("[AC43] a change that comes again undoes nothing that came since", async (t) => {
  let h = await startSystem();
  await tell(h, "a", 0);
  const first = patch("1", ["north"]);
  t.same(await ask(h, first), MOVING);
  t.same(await ask(h, patch("2", ["south"])), MOVING);
  const looks = async (how: string, expected: readonly string[] | undefined) => {
    t.same(await ask(h, first), MOVING, how);
    t.same(labels(h), expected, how);
  };
  await looks("in memory", ["south"]);
  t.equal(h.system.router.commandStats.duplicates, 1);
  h = await startSystem({ store: h.store, clock: h.clock });
  await looks("from the journal", ["south"]);
  await stop(h);
  h = await startSystem({ store: h.store, clock: h.clock });
  await looks("from the checkpoint", ["south"]);
  await ask(h, { id: "3", entity: "a", erase: false });
  await looks("while there is none", undefined);
  await tell(h, "a", 1);
  await looks("of another life", undefined);
  t.same(await ask(h, patch("1", ["west"])), MOVING, "the same id with something else in it");
  t.same(labels(h), ["west"]);
  t.match(await ask(h, { id: "1", entity: "a", name: "sign-off" }), { accepted: true }, "no command has it");
  await h.clock.advance(COMMAND_MEMORY_MS + 60_000);
  t.same(await ask(h, first), { accepted: true, state: "offline" }, "for 10 minutes");
  t.same(labels(h), ["north"]);
});

t.test("[AC70] no command takes the place of a change, nor a change that of a command", async (t) => {
  const h = await startSystem();
  await tell(h, "a", 0);
  const key = patchKey("1", ["north"], "");
  const command = { id: key.trim(), entity: "a", name: "sign-off" };
  t.match(await ask(h, command), { accepted: true });
  t.same(await ask(h, patch("1", ["north"])), { accepted: true, state: "offline" });
  t.same(labels(h), ["north"]);
  t.equal(h.system.router.commandStats.duplicates, 0);
  t.ok(commandFault({ ...command, id: key, data: {} }, "entity", "id"), "it is no id of a command");
});

t.test("[AC46] no report changes labels, and a new entity has none", async (t) => {
  const store = new ErasableStore();
  const h = await startSystem({ store, traces: store.traces });
  await tell(h, "a", 0);
  const { bytes } = shardIn(h);
  await ask(h, patch("1", ["north"]));
  t.ok(shardIn(h).bytes > bytes);
  const said = { attributes: { labels: ["mine"] }, labels: ["mine"], kind: "vessel" };
  void h.system.router.submit([report("a", 1, said), report("a", -1, said)]);
  await h.clock.advance(20);
  t.same(labels(h), ["north"]);
  for (const erase of [false, true]) {
    await ask(h, patch(`2 ${erase}`, ["hush-4711"]));
    t.match(await ask(h, { id: "3", entity: "a", erase }), { accepted: true });
    await tell(h, "a", 2);
    t.equal(labels(h), undefined);
    t.equal(shardIn(h).bytes, bytes);
  }
  t.notMatch(storedText(store), /hush-4711/, "and what was erased is nowhere");
  const again = await startSystem({ store, clock: h.clock, traces: store.traces });
  t.equal(labels(again), undefined);
});

t.test("[AC48] attributes are there after a crash, with the labels that were given meanwhile", async (t) => {
  let h = await startSystem();
  const { clock, store } = h;
  void h.system.router.submit([report("a", 0, { attributes: { n: 1, old: true } })]);
  await clock.advance(10);
  t.match(await ask(h, { id: "1", entity: "a", labels: ["north"], attributes: { n: 2 } }), {
    accepted: true,
  });
  t.match(await ask(h, { id: "2", entity: "a", attributes: { old: null, m: [3] } }), { accepted: true });
  void h.system.router.submit([report("a", -1, { attributes: { n: 0 } })]);
  await clock.advance(10);
  const { bytes } = shardIn(h);
  const attributes = () => h.system.picture.columns.attributes.get(h.system.picture.find("a"));
  const check = (how: string) => {
    t.same(attributes(), '{"n":2,"m":[3]}', how);
    t.same(labels(h), ["north"], how);
    t.equal(shardIn(h).bytes, bytes, how);
  };
  check("in memory");
  h = await startSystem({ store, clock });
  check("from the journal");
  t.match(await ask(h, { id: "3", entity: "a", attributes: { n: 4 } }), { accepted: true });
  t.match(await ask(h, { id: "2", entity: "a", attributes: { old: null, m: [3] } }), { accepted: true });
  t.match(await ask(h, { id: "4", entity: "a", attributes: { n: 2 } }), { accepted: true });
  await stop(h);
  h = await startSystem({ store, clock });
  check("from the checkpoint");
  shardIn(h).bytes = MAX_SHARD_BYTES;
  t.match(await ask(h, { id: "5", entity: "a", attributes: { n: 44 } }), { type: "overloaded" });
  t.match(
    await ask(h, { id: "5", entity: "a", attributes: { n: 4 } }),
    { accepted: true },
    "which is no more",
  );
});

t.test("[AC47] labels count among what a shard may hold", async (t) => {
  const h = await startSystem();
  await tell(h, "a", 0);
  const shard = shardIn(h);
  await ask(h, patch("0", ["ä", "bc"]));
  const { bytes } = shard;
  shard.bytes = MAX_SHARD_BYTES;
  t.match(await ask(h, patch("1", ["ä", "bcd"])), { accepted: false, type: "overloaded" });
  t.same(labels(h), ["ä", "bc"]);
  t.same(await ask(h, patch("2", ["ä"])), MOVING, "fewer are taken");
  t.equal(shard.bytes, MAX_SHARD_BYTES - ',"bc"'.length);
  t.same(await ask(h, patch("3", [])), MOVING);
  shard.bytes += bytes - MAX_SHARD_BYTES;
  for (let i = 0; i < MAX_COMMANDS_PER_SHARD; i++)
    shard.commands.rememberDeletion(1_000 + i, "b", `k${i}`, h.clock.now(), "");
  t.match(await ask(h, patch("4", ["x"])), { accepted: false, type: "overloaded" });
  t.equal(labels(h), undefined);
});

t.test("[AC71] changes leave room for commands and deletions", async (t) => {
  let h = await startSystem();
  await tell(h, "a", 0);
  const { router } = h.system;
  const all = Array.from({ length: MAX_PATCHES_PER_SHARD }, (_, i) =>
    router.command(patch(`${i}`, [`l${i}`])),
  );
  await h.clock.advance(200);
  t.ok((await Promise.all(all)).every(({ accepted }) => accepted));
  const isFull = async (how: string) => {
    t.match(await ask(h, patch("more", ["x"])), { accepted: false, type: "overloaded" }, how);
    t.match(await ask(h, patch("0", ["l0"])), { accepted: true }, "one that is known is answered");
  };
  await isFull("in memory");
  t.match(await ask(h, { id: "1", entity: "a", name: "sign-off" }), { accepted: true });
  t.match(await ask(h, { id: "2", entity: "a", erase: false }), { accepted: true });
  await tell(h, "a", 1);
  await isFull("also if their entity was deleted");
  await stop(h);
  h = await startSystem({ store: h.store, clock: h.clock });
  await isFull("from the checkpoint");
  await h.clock.advance(COMMAND_MEMORY_MS);
  t.match(await ask(h, patch("more", ["x"])), { accepted: true }, "they are forgotten");
});

t.test("[AC47] a change waits for tracks that are to be written", async (t) => {
  const h = await startSystem();
  await tell(h, "a", 0);
  h.system.table.tracks.isFull = () => true;
  t.match(await ask(h, patch("1", ["x"])), { accepted: false, type: "overloaded" });
  h.system.table.tracks.isFull = () => false;
  t.same(await ask(h, patch("1", ["x"])), MOVING);
});

t.test("[AC43] what a change is remembered under tells neither its id nor its labels", async (t) => {
  const keys = [
    patchKey("1", ["a", "b"], ""),
    patchKey("1", ["ab"], ""),
    patchKey("1", [], ""),
    patchKey("2", [], ""),
    patchKey("1", undefined, ""),
    patchKey("1", undefined, "{}"),
  ];
  t.equal(new Set(keys).size, keys.length);
  for (const key of keys) t.match(key, /^\n[\w-]{22}$/);
});
