import t from "tap";
import { deletionKey } from "../../src/actors/deletion-key.ts";
import type { CommandResult, Deletion } from "../../src/actors/messages.ts";
import { shardOf } from "../../src/actors/shard-hash.ts";
import { TrackSource } from "../../src/actors/track-source.ts";
import {
  COMMAND_MEMORY_MS,
  ENTITY_BYTES,
  ERASURE_WAIT_MS,
  MAX_COMMANDS_PER_SHARD,
  MAX_ERASURES_PER_SHARD,
} from "../../src/limits.ts";
import { TrackLog } from "../../src/tracks/track-log.ts";
import { ask, type Harness, report, seen, startSystem, stop } from "../support/actor-system.ts";
import { ErasableStore, storedText as stored } from "../support/erasable-store.ts";

const deletion = (id: string, more: Partial<Deletion> = {}): Deletion => ({
  ...{ id, entity: "a", erase: false },
  ...more,
});
const erasure = (id: string, entity = "a") => deletion(id, { entity, erase: true });
const ACCEPTED = { accepted: true, state: "online.moving" };

async function tell(h: Harness, id: string, seconds: number) {
  const answer = h.system.router.submit([report(id, seconds, { speed: 5 })]);
  await h.clock.advance(10);
  return answer;
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
  t.equal(again.system.table.number.of(again.system.picture.find("a")), 2, "its number is its own");
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
  await stop(folded);
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
    commands.rememberDeletion(1_000 + i, "a", deletionKey(`full-${i}`, "a", false), h.clock.now(), "");
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

async function erasable(store = new ErasableStore(), clock?: Harness["clock"]) {
  const h = await startSystem({ store, clock, traces: store.traces });
  return { ...h, store };
}

/** An id of the shard of another. */
function neighbour(id: string): string {
  for (let i = 0; ; i++) if (shardOf(`n${i}`) === shardOf(id)) return `n${i}`;
}

t.test("[E22] an erasure leaves nothing of the entity, and all of the others", async (t) => {
  const h = await erasable();
  const name = "ghost-4711";
  const other = neighbour(name);
  const moves = async (id: string, from: number) => {
    for (let i = 0; i < 5; i++) await tell(h, id, from + i);
  };
  await moves(name, 0);
  await moves(other, 0);
  t.match(await ask(h, deletion("1", { entity: name })), { accepted: true });
  await moves(name, 10);
  t.match(stored(h.store), new RegExp(name), "before");
  const kept = seen(h.system, other);
  t.match(await ask(h, erasure("2", name)), { accepted: true });
  t.notMatch(stored(h.store), new RegExp(name), "the one, and the one before it");
  t.same(h.store.erased, [`row of ${name}`, name]);
  t.match(await ask(h, erasure("3", name)), { accepted: true }, "one that is not there");
  t.match(await ask(h, erasure("2", name)), { accepted: true }, "again");
  t.notMatch(stored(h.store), new RegExp(name));
  t.same(h.store.erased.slice(2), [name], "which is not carried out again");
  const again = await erasable(h.store, h.clock);
  t.equal(seen(again.system, name), undefined);
  t.same({ ...seen(again.system, other), epoch: 1 }, kept);
  t.match(await tell(again, name, 20), { accepted: 1 });
  t.same(again.fatal, []);
});

/** What the stored pieces of tracks say of a number: when it was last somewhere. */
function lastInPieces(store: ErasableStore, shard: number, number: number): number {
  const log = new TrackLog();
  for (const { no, body } of store.pieces.get(shard)!.values()) log.load(no, body);
  return log.last(number);
}

t.test("[E22] an erasure leaves no point of the way in any piece, also of one deleted before", async (t) => {
  const h = await erasable();
  const shard = shardOf("a");
  for (let i = 0; i < 5; i++) await tell(h, "a", i);
  t.match(await ask(h, deletion("1")), { accepted: true });
  for (let i = 5; i < 9; i++) await tell(h, "a", i);
  await h.clock.advance(20_000);
  for (const number of [0, 1]) t.ok(lastInPieces(h.store, shard, number) > 0);
  t.match(await ask(h, erasure("2")), { accepted: true });
  for (const number of [0, 1]) t.equal(lastInPieces(h.store, shard, number), -Infinity);
});

t.test(
  "[E22] an erasure whose checkpoint is written, and not known to be, leaves no point either",
  async (t) => {
    const h = await erasable();
    for (let i = 0; i < 5; i++) await tell(h, "a", i);
    h.store.away = "after";
    await h.clock.advance(12_000);
    t.ok(lastInPieces(h.store, shardOf("a"), 0) > 0);
    h.store.away = "no";
    t.match(await ask(h, erasure("1")), { accepted: true });
    t.equal(lastInPieces(h.store, shardOf("a"), 0), -Infinity);
  },
);

t.test("[TR17] of an entity that is deleted nothing is kept once its way is in rows", async (t) => {
  const h = await erasable();
  for (let i = 0; i < 5; i++) await tell(h, "a", i);
  await h.clock.advance(20_000);
  t.match(await ask(h, deletion("1")), { accepted: true });
  const shard = h.system.table.shards[shardOf("a")];
  const log = h.system.table.tracks.logs[shard.index];
  await h.clock.advance(20_000);
  t.same([...shard.departed], [[0, "a"]]);
  const batch = new TrackSource(h.system.table).segments(10);
  t.same(
    batch?.segments.list.map(({ id }) => id),
    ["a", "a"],
  );
  batch!.written();
  await tell(h, neighbour("a"), 40);
  await h.clock.advance(20_000);
  t.same([...shard.departed], []);
  t.equal(log.last(0), -Infinity);
  t.equal(
    (await startSystem({ store: h.store, clock: h.clock })).system.table.tracks.logs[shard.index].last(0),
    -Infinity,
  );
});

t.test("[E22] an erasure on an empty node, and of an id that was never there", async (t) => {
  const h = await erasable();
  t.same(await ask(h, erasure("1")), { accepted: true, state: "" });
  t.same(h.store.erased, ["a"]);
  t.match(await tell(h, "b", 0), { accepted: 1 });
  t.match(await tell(h, "a", 0), { accepted: 1 });
  const again = await erasable(h.store, h.clock);
  for (const id of ["a", "b"]) t.same({ ...seen(again.system, id), epoch: 1 }, seen(h.system, id));
  t.same([...h.fatal, ...again.fatal], []);
});

t.test("[E21] a deletion's id counts within its entity, and for what was asked", async (t) => {
  const h = await erasable();
  const other = neighbour("a");
  for (const id of ["a", other]) await tell(h, id, 0);
  t.match(await ask(h, deletion("1")), { accepted: true });
  t.match(await ask(h, erasure("1", other)), { accepted: true });
  t.same([seen(h.system, "a"), seen(h.system, other)], [undefined, undefined]);
  t.match(await ask(h, erasure("1")), { accepted: true });
  t.same(h.store.erased, ["row of a", other, "a"]);
});

t.test("[E22] while an entity is erased its reports are refused, and no others", async (t) => {
  const h = await erasable();
  await tell(h, "a", 0);
  const open = h.store.shut();
  const answers: unknown[] = [];
  for (const id of ["1", "2", "1"])
    void h.system.router.command(erasure(id)).then((answer) => answers.push(answer));
  await h.clock.advance(500);
  t.same(answers, []);
  t.match(await tell(h, "a", 1), { accepted: 0, refused: [{ type: "retry" }] });
  t.match(await tell(h, neighbour("a"), 1), { accepted: 1 });
  await h.clock.advance(ERASURE_WAIT_MS);
  t.match(answers, [{ type: "retry" }, { type: "retry" }, { type: "retry" }], "it is still under way");
  const { mark } = h.store.checkpoints.get(shardOf("a"))!;
  t.equal(mark, h.store.batches.at(-1)!.journalId, "and holds up nothing");
  open();
  t.match(await ask(h, erasure("1")), { accepted: true });
  t.match(await tell(h, "a", 1), { accepted: 1 });
});

t.test("[E22] an erasure takes over what a deletion of the id has left to do", async (t) => {
  const h = await erasable();
  await tell(h, "ghost", 0);
  const open = h.store.shut();
  t.match(await ask(h, deletion("1", { entity: "ghost" })), { accepted: true });
  const answer = h.system.router.command(erasure("2", "ghost"));
  await h.clock.advance(5_000);
  open();
  await h.clock.advance(20_000);
  t.match(await answer, { accepted: true });
  t.notMatch(stored(h.store), /ghost/);
  t.equal(h.system.table.shards[shardOf("ghost")].leaving.size, 0);
});

t.test("[E22] a shard erases so many at once, and refuses more", async (t) => {
  const h = await erasable();
  const open = h.store.shut();
  const names: string[] = [];
  for (let i = 0; names.length <= MAX_ERASURES_PER_SHARD; i++)
    if (shardOf(`n${i}`) === shardOf("a")) names.push(`n${i}`);
  const last = names.pop()!;
  const answers = names.map((name) => h.system.router.command(erasure("1", name)));
  await h.clock.advance(3_000);
  t.match(await ask(h, erasure("1", last)), { type: "overloaded" });
  t.equal(h.store.mostAtOnce, 2);
  open();
  await h.clock.advance(30_000);
  for (const answer of await Promise.all(answers)) t.match(answer, { accepted: true });
  t.match(await ask(h, erasure("1", last)), { accepted: true });
});

t.test("[E22] an erasure whose shard is lost right after its commit is not called done", async (t) => {
  const h = await erasable();
  const other = neighbour("a");
  for (const id of ["a", other]) await tell(h, id, 0);
  h.store.poison = ({ events }) => events.some(({ subject }) => subject === other);
  h.store.shut();
  const answers = [
    h.system.router.command(erasure("1")),
    h.system.router.command(deletion("1", { entity: other })),
  ];
  await h.clock.advance(500);
  t.match(await Promise.all(answers), [{ type: "retry" }, { type: "not-storable" }]);
  t.same(h.lost, [[shardOf("a")]]);
  h.store.open();
  t.match(await ask(h, erasure("1")), { accepted: true });
  t.same(h.store.erased, ["a"], "whoever has it goes on, once");
  t.notMatch(stored(h.store), /\u0001a/);
  t.same(h.fatal, []);
});

for (const request of [deletion("1"), erasure("1")])
  t.test(`[E23] what a crash leaves undone is done after it: erase ${request.erase}`, async (t) => {
    const h = await erasable();
    await tell(h, "a", 0);
    const open = h.store.shut();
    void h.system.router.command(request);
    await h.clock.advance(30_000);
    const shard = shardOf("a");
    t.equal(h.store.checkpoints.get(shard)!.mark, h.store.batches.at(-1)!.journalId, "a checkpoint knows it");
    h.system.abandon();
    const again = await erasable(h.store, h.clock);
    open();
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
  const open = h.store.shut();
  const shard = shardOf("a");
  const { epoch } = h.system.table.shards[shard];
  const answer = h.system.router.commandPlaced(erasure("1"), epoch);
  await h.clock.advance(100);
  const released = h.system.ownership.handOver([shard], async () => {});
  await h.clock.advance(100);
  await released;
  t.equal(await answer, "moved");
  open();
  const next = await erasable(h.store, h.clock);
  t.match(await ask(next, erasure("1")), { accepted: true });
  t.notMatch(stored(h.store), /\u0001a/);
});

t.test("[E23] a crash between an erasure's last fact and its last checkpoint", async (t) => {
  const h = await erasable();
  await tell(h, "a", 0);
  const shard = shardOf("a");
  const answer = h.system.router.command(erasure("1"));
  const { leaving } = h.system.table.shards[shard];
  while (leaving.isErasing("a") || leaving.size === 0) {
    if (leaving.size > 0) h.store.writeGate = h.store.batches.length > 0 ? undefined : new Promise(() => {});
    await h.clock.advance(5);
  }
  h.store.writeGate = new Promise(() => {});
  t.match(await tell(h, "a", 1), { accepted: 1 }, "its id is free");
  h.store.writeGate = undefined;
  h.store.erased.length = 0;
  h.system.abandon();
  const again = await erasable(h.store, h.clock);
  t.ok(seen(again.system, "a"));
  t.match(await ask(again, erasure("1")), { accepted: true });
  t.same(h.store.erased, [], "it is not carried out again");
  t.ok(seen(again.system, "a"));
  t.same(again.fatal, []);
  void answer;
});
