import t from "tap";
import { readFacts } from "../../src/actors/fact-codec.ts";
import type { CommandResult, Deletion, Request } from "../../src/actors/messages.ts";
import type { SectionChange } from "../../src/actors/ports.ts";
import { shardOf } from "../../src/actors/shard-hash.ts";
import { COMMAND_MEMORY_MS, ENTITY_BYTES, MAX_COMMANDS_PER_SHARD } from "../../src/limits.ts";
import { type Harness, report, seen, startSystem } from "../support/actor-system.ts";
import { MemoryStore } from "../support/memory-store.ts";

const deletion = (id: string, more: Partial<Deletion> = {}): Deletion => ({
  ...{ id, entity: "a", erase: false },
  ...more,
});
const erasure = (id: string, entity = "a") => deletion(id, { entity, erase: true });
const ACCEPTED = { accepted: true, state: "online.moving" };

async function ask(h: Harness, request: Request): Promise<CommandResult | undefined> {
  let answer: CommandResult | undefined;
  void h.system.router.command(request).then((result) => {
    answer = result;
  });
  for (let turn = 0; turn < 30 && answer === undefined; turn++) await h.clock.advance(20);
  return answer;
}

async function tell(h: Harness, id: string, seconds: number) {
  const answer = h.system.router.submit([report(id, seconds, { speed: 5 })]);
  await h.clock.advance(10);
  return answer;
}

/** Text of all that the store holds, as far as it is text. */
function stored({ store }: Harness): string {
  const bytes = [
    ...store.batches.flatMap(({ batch }) => batch.sections.map(({ body }) => body)),
    ...[...store.checkpoints.values()].map(({ body }) => body),
  ];
  return Buffer.concat(bytes).toString("latin1");
}

t.test("[E20] a deleted entity is gone, and a later report begins a new one", async (t) => {
  const h = await startSystem();
  await tell(h, "a", 0);
  const before = h.system.table.shards[shardOf("a")].bytes;
  t.same(await ask(h, deletion("1")), ACCEPTED);
  t.equal(seen(h.system, "a"), undefined);
  t.equal(h.system.table.shards[shardOf("a")].bytes, before - ENTITY_BYTES - 1);
  t.match(h.store.events.at(-1), { type: "entity.deleted", subject: "a", data: { state: "online.moving" } });
  t.match(await ask(h, deletion("2")), { accepted: false, type: "entity-not-found" });
  t.match(await ask(h, { id: "3", entity: "a", name: "sign-off" }), { type: "entity-not-found" });
  t.match(await tell(h, "a", -60), { accepted: 1, refused: [] }, "an older report, too");
  t.match(seen(h.system, "a"), { seq: 4, t: report("a", -60).t }, "counted anew");
  await h.clock.advance(400_000);
  t.same(
    h.store.events.filter(({ type }) => type === "liveness.changed").map(({ data }) => data.to),
    ["stale"],
    "nothing that the first one waited for comes of it",
  );
  t.same(h.fatal, []);
});

t.test("[E20] reports and deletions are decided in the order in which they came", async (t) => {
  const h = await startSystem();
  const answers = [
    h.system.router.submit([report("a", 0)]),
    h.system.router.command(deletion("1")),
    h.system.router.submit([report("a", 1), report("a", 1)]),
    h.system.router.command(deletion("2")),
    h.system.router.command(deletion("3")),
  ];
  await h.clock.advance(50);
  const [, first, second, third, fourth] = await Promise.all(answers);
  t.match(first, { accepted: true });
  t.match(second, { accepted: 2 }, "one is a duplicate");
  t.match(third, { accepted: true });
  t.match(fourth, { type: "entity-not-found" });
  t.equal(seen(h.system, "a"), undefined);
  const again = await startSystem({ store: h.store, clock: h.clock });
  t.equal(seen(again.system, "a"), undefined);
  t.match(await tell(again, "a", 2), { accepted: 1 });
  t.equal(again.system.table.number[again.system.picture.find("a")], 2, "its number is its own");
});

t.test("[E21] a deletion that comes again deletes nothing else, also after a restart", async (t) => {
  const h = await startSystem();
  await tell(h, "a", 0);
  t.same(await ask(h, deletion("1")), ACCEPTED);
  await tell(h, "a", 1);
  t.same(await ask(h, deletion("1")), ACCEPTED);
  t.ok(seen(h.system, "a"));
  const folded = await startSystem({ store: h.store, clock: h.clock });
  t.same(await ask(folded, deletion("1")), ACCEPTED, "from the journal");
  const stopped = folded.system.stop();
  await h.clock.advance(1_000);
  await stopped;
  const loaded = await startSystem({ store: h.store, clock: h.clock });
  t.same(await ask(loaded, deletion("1")), ACCEPTED, "from the checkpoint");
  t.ok(seen(loaded.system, "a"));
  await h.clock.advance(COMMAND_MEMORY_MS + 1_000);
  await ask(loaded, { id: "x", entity: "a", name: "dance" });
  t.match(await ask(loaded, deletion("1")), { accepted: true });
  t.equal(seen(loaded.system, "a"), undefined, "for 10 minutes");
});

t.test("[E18] [E21] deletions count among what a shard remembers of commands", async (t) => {
  const h = await startSystem();
  await tell(h, "a", 0);
  const { commands } = h.system.table.shards[shardOf("a")];
  for (let i = 0; i < MAX_COMMANDS_PER_SHARD; i++)
    commands.rememberDeletion(1_000 + i, `full-${i}`, h.clock.now(), "");
  t.match(await ask(h, deletion("1")), { type: "overloaded" });
  t.match(await ask(h, deletion("full-7")), { accepted: true });
  t.ok(seen(h.system, "a"));
});

t.test("[E22] a deletion is answered after its commit, or refused if it is not committed", async (t) => {
  const h = await startSystem();
  await tell(h, "a", 0);
  let open = () => {};
  h.store.gate = new Promise((resolve) => {
    open = () => resolve();
  });
  let answer: CommandResult | undefined;
  void h.system.router.command(deletion("1")).then((result) => {
    answer = result;
  });
  await h.clock.advance(500);
  t.equal(seen(h.system, "a"), undefined, "the picture alone runs ahead");
  t.equal(answer, undefined);
  h.store.fenced = true;
  open();
  h.store.gate = undefined;
  await h.clock.advance(1_000);
  t.match(answer, { accepted: false, type: "retry" });
  t.ok(seen(h.system, "a"), "it is there again");
  t.same(await ask(h, deletion("1")), ACCEPTED);
});

t.test("[E22] a deletion in a batch that the store cannot take is refused alone", async (t) => {
  const h = await startSystem();
  await tell(h, "a", 0);
  await tell(h, "b", 0);
  h.store.poison = ({ events }) => events.some(({ type }) => type === "entity.deleted");
  const answers = [h.system.router.command(deletion("1")), h.system.router.submit([report("b", 1)])] as const;
  await h.clock.advance(2_000);
  t.match(await answers[0], { accepted: false, type: "not-storable" });
  t.match(await answers[1], { accepted: 1 });
  t.ok(seen(h.system, "a"));
  t.same(h.fatal, []);
});

/** A store whose journal can be rewritten. */
class RewritableStore extends MemoryStore {
  erased: string[] = [];
  /** What takes away rows waits for this. */
  rowsGate: Promise<void> | undefined;
  readonly traces = {
    unlist: async (_shard: number, _epoch: number, id: string) => {
      await this.rowsGate;
      this.erased.push(`row of ${id}`);
      return true;
    },
    erase: async (_shard: number, _epoch: number, id: string) => {
      await this.rowsGate;
      this.erased.push(id);
      return true;
    },
    rewriteJournal: async (shard: number, _epoch: number, change: SectionChange) => {
      const sections = this.batches
        .flatMap(({ batch }) => batch.sections)
        .filter((section) => section.shard === shard);
      for (const { body } of sections) change.look(body);
      for (const section of sections) section.body = change.changed(section.body) ?? section.body;
      return true;
    },
  };
}

async function erasable(store = new RewritableStore(), clock?: Harness["clock"]) {
  const h = await startSystem({ store, clock, traces: store.traces });
  return { ...h, store };
}

t.test("[E22] an erasure leaves nothing of the entity, and all of the others", async (t) => {
  const h = await erasable();
  const [name, other] = ["ghost-4711", "ghost-other"];
  const moves = async (id: string, from: number) => {
    for (let i = 0; i < 5; i++) await tell(h, id, from + i);
  };
  await moves(name, 0);
  await moves(other, 0);
  t.match(await ask(h, deletion("1", { entity: name })), { accepted: true });
  await moves(name, 10);
  t.match(stored(h), new RegExp(name), "before");
  const kept = seen(h.system, other);
  t.match(await ask(h, erasure("2", name)), { accepted: true });
  t.notMatch(stored(h), new RegExp(name), "the one, and the one before it");
  t.same(h.store.erased, [`row of ${name}`, name]);
  for (const { batch } of h.store.batches)
    for (const { shard, body } of batch.sections)
      readFacts(body, (fact) => {
        if (shard === shardOf(name)) t.equal(fact.is === "deleted" || fact.number > 1, true, fact.is);
      });
  t.match(await ask(h, erasure("3", name)), { accepted: true }, "one that is not there");
  t.match(await ask(h, erasure("2", name)), { accepted: true }, "again");
  t.notMatch(stored(h), new RegExp(name));
  // From the checkpoints, and from the journal alone.
  const again = await erasable(h.store, h.clock);
  t.equal(seen(again.system, name), undefined);
  t.same({ ...seen(again.system, other), epoch: 1 }, kept);
  t.match(await tell(again, name, 20), { accepted: 1 });
  t.same(again.fatal, []);
});

t.test(
  "[E22] while an entity is erased its reports are refused, and a second erasure waits for the first",
  async (t) => {
    const h = await erasable();
    await tell(h, "a", 0);
    let open = () => {};
    h.store.rowsGate = new Promise((resolve) => {
      open = () => resolve();
    });
    const answers: unknown[] = [];
    for (const id of ["1", "2", "1"])
      void h.system.router.command(erasure(id)).then((answer) => answers.push(answer));
    await h.clock.advance(500);
    t.same(answers, []);
    t.match(await tell(h, "a", 1), { accepted: 0, refused: [{ type: "retry" }] });
    t.match(await tell(h, "b", 1), { accepted: 1 });
    open();
    await h.clock.advance(500);
    t.match(answers, [{ accepted: true }, { accepted: true }, { accepted: true }]);
    t.same(h.store.erased, ["a"]);
    t.match(await tell(h, "a", 1), { accepted: 1 });
  },
);

for (const request of [deletion("1"), erasure("1")])
  t.test(`[E23] what a crash leaves undone is done after it: erase ${request.erase}`, async (t) => {
    const h = await erasable();
    await tell(h, "a", 0);
    const stopped = h.system.stop();
    await h.clock.advance(1_000);
    await stopped;
    const crashing = await erasable(h.store, h.clock);
    crashing.store.rowsGate = new Promise(() => {});
    void crashing.system.router.command(request);
    await h.clock.advance(30_000);
    const shard = shardOf("a");
    t.ok(
      h.store.checkpoints.get(shard)!.mark < h.store.batches.at(-1)!.journalId,
      "no checkpoint forgets it",
    );
    h.store.rowsGate = undefined;
    const again = await erasable(h.store, h.clock);
    await h.clock.advance(30_000);
    t.same(h.store.erased, [request.erase ? "a" : "row of a"]);
    t.equal(seen(again.system, "a"), undefined);
    t.equal(again.system.table.shards[shard].leaving.size, 0);
    t.match(await ask(again, request), { accepted: true }, "who asks again is told so");
    t.match(await tell(again, "a", 1), { accepted: 1 });
    t.same(again.fatal, []);
  });

t.test("[E23] an erasure goes on at the next owner of its shard", async (t) => {
  const h = await erasable();
  await tell(h, "a", 0);
  h.store.rowsGate = new Promise(() => {});
  const shard = shardOf("a");
  const { epoch } = h.system.table.shards[shard];
  const answer = h.system.router.commandPlaced(erasure("1"), epoch);
  await h.clock.advance(100);
  const released = h.system.ownership.handOver([shard], async () => {});
  await h.clock.advance(100);
  await released;
  t.equal(await answer, "moved");
  h.store.rowsGate = undefined;
  const next = await erasable(h.store, h.clock);
  t.match(await ask(next, erasure("1")), { accepted: true });
  t.same(h.store.erased, ["a"]);
  t.notMatch(stored(h), /\u0001a/);
});
