import t from "tap";
import { ByteWriter } from "../../src/actors/bytes.ts";
import { CommandMemory, OUTCOME } from "../../src/actors/command-memory.ts";
import { compileMachine } from "../../src/actors/machine/compile.ts";
import { parseMachine } from "../../src/actors/machine/definition.ts";
import type { Command, CommandResult, Request } from "../../src/actors/messages.ts";
import { shardOf } from "../../src/actors/shard-hash.ts";
import {
  COMMAND_BYTES,
  COMMAND_MEMORY_MS,
  MAX_COMMAND_ID_LENGTH,
  MAX_COMMANDS_PER_SHARD,
} from "../../src/limits.ts";
import { type Harness, report, seen, startSystem, stop } from "../support/actor-system.ts";
import { ErasableStore, storedText } from "../support/erasable-store.ts";

const signOff = (id: string, entity = "a"): Command => ({ id, entity, name: "sign-off" });

function send({ system }: Harness, command: Request) {
  const state: { answer: CommandResult | undefined } = { answer: undefined };
  void system.router.command(command).then((answer) => {
    state.answer = answer;
  });
  return state;
}

async function ask(h: Harness, command: Request): Promise<CommandResult | undefined> {
  const state = send(h, command);
  await h.clock.advance(10);
  return state.answer;
}

async function tell(h: Harness, id: string, seconds: number) {
  const answer = h.system.router.submit([report(id, seconds, { speed: 5 })]);
  await h.clock.advance(10);
  t.equal((await answer).accepted, 1);
}

const MACHINE = compileMachine(
  parseMachine({
    id: "door",
    initial: "shut",
    context: { opened: 0 },
    states: {
      shut: {
        on: {
          open: {
            guard: "event.data.key == 'brass'",
            target: "ajar",
            actions: [{ type: "assign", assignment: { opened: "context.opened + 1" } }],
          },
          knock: { actions: [{ type: "emit", event: { type: "knocked", data: { by: "event.data.by" } } }] },
          look: {},
        },
      },
      ajar: { after: { "5000": "shut" }, on: { shut: "shut" } },
    },
  }),
);

t.test("[E15] a command is accepted exactly if the machine takes a transition on it", async (t) => {
  const h = await startSystem({ machine: MACHINE });
  await tell(h, "a", 0);
  const command = (id: string, name: string, data?: Command["data"]) =>
    ask(h, { id, entity: "a", name, data });
  const before = seen(h.system, "a");
  t.same(await command("1", "open", { key: "tin" }), {
    accepted: false,
    type: "command-refused",
    detail: "a is shut, and does not take open there: it has no transition for it, or no guard of one holds",
  });
  t.same(
    { ...seen(h.system, "a"), seq: 0 },
    { ...before, seq: 0 },
    "nothing is changed but the count of facts",
  );
  t.match(await command("2", "close"), { accepted: false, type: "command-refused" });
  t.same(await command("3", "open", { key: "brass" }), { accepted: true, state: "ajar" });
  t.match(seen(h.system, "a"), { state: "ajar", timers: [{ key: "ajar#5000" }] });
  t.match(await command("4", "open", { key: "brass" }), { accepted: false, detail: /a is ajar/ });
  await h.clock.advance(6_000);
  t.equal(seen(h.system, "a")!.state, "shut", "what it armed comes due");
  t.same(await command("5", "look"), { accepted: true, state: "shut" }, "one that changes nothing");
  t.same(await command("6", "knock", { by: "Aino" }), { accepted: true, state: "shut" });
  t.match(h.store.events.at(-1), { type: "knocked", subject: "a", data: { by: "Aino" } });
});

t.test("[E15] a command at which the machine fails is refused, and the entity goes on", async (t) => {
  const h = await startSystem({ machine: MACHINE });
  await tell(h, "a", 0);
  const refusal = await ask(h, { id: "1", entity: "a", name: "knock" });
  t.match(refusal, { accepted: false, type: "command-refused", detail: /its machine failed on knock/ });
  t.same(
    h.store.events.slice(-2).map(({ type }) => type),
    ["command.refused", "machine.failed"],
  );
  t.match(await ask(h, { id: "2", entity: "a", name: "look" }), { accepted: true });
});

t.test("[E15] an entity that has expired takes no command", async (t) => {
  const receive = { staleAfter: 1_000, lostAfter: 2_000, expiredAfter: 3_000 };
  const h = await startSystem({ machine: MACHINE, receive });
  await tell(h, "a", 0);
  await h.clock.advance(7_000);
  t.match(await ask(h, { id: "1", entity: "a", name: "look" }), {
    accepted: false,
    type: "command-refused",
    detail: /has expired/,
  });
  await tell(h, "a", 7);
  t.match(
    await ask(h, { id: "2", entity: "a", name: "look" }),
    { accepted: true },
    "until it is heard again",
  );
});

t.test("[E16] who is not there, and what only the server says", async (t) => {
  const everything = compileMachine(
    parseMachine({ id: "any", initial: "on", states: { on: { on: { "*": {} }, after: { "1000": "on" } } } }),
  );
  const h = await startSystem({ machine: everything });
  t.same(await ask(h, signOff("1", "nobody")), {
    accepted: false,
    type: "entity-not-found",
    detail: "there is no entity nobody",
  });
  await tell(h, "a", 0);
  const before = seen(h.system, "a")!.seq;
  for (const name of ["report", "stale", "lost", "expired", "xstate.after.1000.any.on", "xstate.init"])
    t.match(await ask(h, { id: name, entity: "a", name }), { accepted: false, type: "invalid-command" });
  t.equal(seen(h.system, "a")!.seq, before, "nothing of it is a fact");
  t.match(await ask(h, { id: "report", entity: "a", name: "x" }), { accepted: true }, "nor remembered");
});

t.test(
  "[E17] [M21] a command that comes again is answered as before, and not carried out again",
  async (t) => {
    let h = await startSystem();
    await tell(h, "a", -20);
    await tell(h, "b", -20);
    t.same(await ask(h, signOff("1")), { accepted: true, state: "offline" });
    const refusal = await ask(h, signOff("2"));
    t.match(refusal, { accepted: false, type: "command-refused" });
    await tell(h, "a", -10);
    t.equal(seen(h.system, "a")!.state, "online.moving");
    const looks = async (how: string) => {
      const { seq } = seen(h.system, "a")!;
      t.same(await ask(h, signOff("1")), { accepted: true, state: "offline" }, how);
      t.same(await ask(h, signOff("2")), refusal, `${how}, refused`);
      t.match(seen(h.system, "a"), { state: "online.moving", seq }, "and nothing came of it");
    };
    await looks("in memory");
    t.equal(h.system.router.commandStats.duplicates, 2);
    h = await startSystem({ store: h.store, clock: h.clock });
    await looks("from the journal");
    await stop(h);
    h.store.batches.length = 0;
    h = await startSystem({ store: h.store, clock: h.clock });
    await looks("from the checkpoint");
    t.match(await ask(h, signOff("1", "b")), { accepted: true }, "another entity knows nothing of it");
  },
);

t.test("[E17] a command of before a deletion does nothing to what has the id since", async (t) => {
  const store = new ErasableStore();
  const h = await startSystem({ store, traces: store.traces });
  const OFF = { accepted: true, state: "offline" };
  const late = signOff("late-4711");
  await tell(h, "a", 0);
  t.same(await ask(h, late), OFF);
  const refused = await ask(h, signOff("refused"));
  t.match(refused, { type: "command-refused" });
  await ask(h, { id: "1", entity: "a", erase: false });
  t.same(await ask(h, late), OFF, "while there is none");
  await tell(h, "a", 1);
  t.same([await ask(h, late), await ask(h, signOff("refused"))], [OFF, refused]);
  t.equal(seen(h.system, "a")!.state, "online.moving");
  const folded = await startSystem({ store, clock: h.clock, traces: store.traces });
  t.same(await ask(folded, late), OFF, "from the journal");
  t.match(storedText(store), late.id);
  const erased = send(folded, { id: "2", entity: "a", erase: true });
  await h.clock.advance(10_000);
  t.match(erased.answer, { accepted: true });
  t.notMatch(storedText(store), late.id, "of which nothing tells the id after an erasure");
  const loaded = await startSystem({ store, clock: h.clock, traces: store.traces });
  await tell(loaded, "a", 2);
  t.same(await ask(loaded, late), OFF, "from the checkpoint");
  t.equal(seen(loaded.system, "a")!.state, "online.moving");
  t.same(await ask(loaded, signOff("another")), OFF);
  t.equal(seen(loaded.system, "a")!.state, "offline", "another is carried out");
});

t.test("[E17] [E18] a shard remembers commands for 10 minutes, and so many at most", async (t) => {
  const h = await startSystem();
  await tell(h, "a", 0);
  await ask(h, signOff("first"));
  const { commands } = h.system.table.shards[shardOf("a")];
  for (let i = 1; i < MAX_COMMANDS_PER_SHARD; i++) send(h, signOff(`c${i}`));
  await h.clock.advance(50);
  t.equal(commands.size, MAX_COMMANDS_PER_SHARD);
  const { seq } = seen(h.system, "a")!;
  t.match(await ask(h, signOff("late")), { accepted: false, type: "overloaded" });
  t.equal(seen(h.system, "a")!.seq, seq);
  t.match(await ask(h, signOff("first")), { accepted: true }, "one that is known is answered");
  await h.clock.advance(COMMAND_MEMORY_MS);
  t.match(await ask(h, signOff("late")), { accepted: false, type: "command-refused" });
  t.equal(commands.size, 1, "what is old is forgotten");
});

t.test("[E18] what a command takes in a checkpoint is bounded", async (t) => {
  const out = new ByteWriter(8);
  const memory = new CommandMemory();
  const id = "€".repeat(MAX_COMMAND_ID_LENGTH);
  const fact = { is: "commanded", seq: 1, at: 1e12, outcome: OUTCOME.failed } as const;
  memory.remember({ ...fact, number: 2 ** 32 - 1, id, state: "online.moving" });
  memory.write(out);
  t.ok(out.length < COMMAND_BYTES, `${out.length} bytes`);
});

t.test("[E19] what was decided on a command is an event, before what comes of it", async (t) => {
  const h = await startSystem();
  await tell(h, "a", 0);
  const already = h.store.events.length;
  await ask(h, { ...signOff("1"), data: { by: "x" } });
  await ask(h, signOff("1"));
  await ask(h, signOff("2"));
  const time = Date.UTC(2026, 0, 1) + 10;
  t.match(h.store.events.slice(already), [
    { type: "command.accepted", subject: "a", time, data: { id: "1", name: "sign-off", state: "offline" } },
    { type: "state.changed", subject: "a", data: { from: "online.moving", to: "offline" } },
    { type: "command.refused", subject: "a", data: { id: "2", name: "sign-off", state: "offline" } },
  ]);
  t.equal(h.store.events.length, already + 3, "and one that comes again is none");
});

t.test("[G10] a command is answered after its commit, and one that comes again not before", async (t) => {
  const h = await startSystem();
  await tell(h, "a", 0);
  let open = () => {};
  h.store.gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  const first = send(h, signOff("1"));
  await h.clock.advance(10);
  const again = send(h, signOff("1"));
  const refused = send(h, signOff("2"));
  await h.clock.advance(50);
  t.equal(seen(h.system, "a")!.state, "offline", "it is decided");
  t.same([first, again, refused], [{ answer: undefined }, { answer: undefined }, { answer: undefined }]);
  h.store.gate = undefined;
  open();
  await h.clock.advance(10);
  t.same(first.answer, { accepted: true, state: "offline" });
  t.same(again.answer, first.answer);
  t.match(refused.answer, { type: "command-refused" });
});

t.test("[G10] what was decided on a lost shard was not decided, and may be asked again", async (t) => {
  const h = await startSystem();
  await tell(h, "a", 0);
  h.store.fenced = true;
  const [first, again] = [send(h, signOff("1")), send(h, signOff("1"))];
  await h.clock.advance(20);
  t.match(first.answer, { accepted: false, type: "retry" });
  t.match(again.answer, { accepted: false, type: "retry" });
  await h.clock.advance(1_000);
  t.equal(seen(h.system, "a")!.state, "online.moving");
  t.match(await ask(h, signOff("1")), { accepted: true });
});

t.test("[G10] a command that the store can never take is refused, it alone", async (t) => {
  const h = await startSystem();
  await tell(h, "a", 0);
  await tell(h, "b", 0);
  h.store.poison = ({ events }) => events.some(({ subject }) => subject === "a");
  const [bad, good] = [send(h, signOff("1")), send(h, signOff("1", "b"))];
  await h.clock.advance(50);
  t.match(bad.answer, { accepted: false, type: "not-storable" });
  t.match(good.answer, { accepted: true });
});

t.test("[G11] commands and reports are decided in the order in which they came", async (t) => {
  const h = await startSystem();
  await tell(h, "a", -10);
  void h.system.router.submit([report("a", -9, { speed: 5 })]);
  const off = send(h, signOff("1"));
  void h.system.router.submit([report("a", -8, { speed: 0 })]);
  const on = send(h, signOff("2"));
  await h.clock.advance(10);
  t.same(off.answer, { accepted: true, state: "offline" });
  t.same(on.answer, { accepted: true, state: "offline" }, "the report between them brought it back");
  h.system.router.close();
  t.match(await h.system.router.command(signOff("3")), { accepted: false, type: "overloaded" });
  t.equal(await h.system.router.commandPlaced(signOff("3"), 1), "moved");
});

t.test("[O1] a command is taken under the epoch that it comes with, or has moved", async (t) => {
  const h = await startSystem();
  await tell(h, "a", 0);
  const shard = h.system.table.shards[shardOf("a")];
  const placed = async (id: string, epoch: number) => {
    const answer = h.system.router.commandPlaced(signOff(id), epoch);
    await h.clock.advance(10);
    return answer;
  };
  t.equal(await placed("1", shard.epoch + 1), "moved");
  t.same(await placed("1", shard.epoch), { accepted: true, state: "offline" });
  h.store.fenced = true;
  t.equal(await placed("2", shard.epoch), "moved", "what was not stored has moved too");
});
