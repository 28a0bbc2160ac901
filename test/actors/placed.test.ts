import t from "tap";
import { compileMachine } from "../../src/actors/machine/compile.ts";
import { TRACKED } from "../../src/actors/machine/tracked.ts";
import type { Gate } from "../../src/actors/ports.ts";
import { shardOf } from "../../src/actors/shard-hash.ts";
import { ActorSystem } from "../../src/actors/system.ts";
import { RECEIVE, report, seen, startSystem } from "../support/actor-system.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { MemoryStore } from "../support/memory-store.ts";

t.test("[O1] reports are taken under the epoch that they come with, or have moved", async (t) => {
  const { system, clock } = await startSystem();
  const epoch = system.table.shards[shardOf("a")].epoch;
  const placed = system.router.submitPlaced(
    [report("a", 0), report("a", 1), report("a", 2)],
    Uint32Array.of(epoch, epoch - 1, epoch),
  );
  await clock.advance(100);
  t.strictSame(await placed, { accepted: 2, refused: [], moved: [1] });
  const other = await startSystem();
  void other.system.router.submit([report("a", 0), report("a", 2)]);
  await other.clock.advance(100);
  t.strictSame(seen(system, "a"), seen(other.system, "a"), "as if the second had never come");
});

t.test("[O2] a shard that is handed over has all it decided durable, and decides nothing more", async (t) => {
  const { system, store, clock } = await startSystem();
  const shard = shardOf("a");
  const { epoch } = system.table.shards[shard];
  let release = () => {};
  store.gate = new Promise((resolve) => {
    release = resolve;
  });
  const before = system.router.submitPlaced([report("a", 0)], Uint32Array.of(epoch));
  await clock.advance(10);
  const released: (readonly number[])[] = [];
  const handOver = system.ownership.handOver([shard], async (shards) => {
    released.push(shards);
  });
  const after = system.router.submitPlaced([report("a", 1)], Uint32Array.of(epoch));
  await clock.advance(50);
  t.strictSame(released, [], "not before its facts are durable");
  release();
  await clock.advance(100);
  t.strictSame(await before, { accepted: 1, refused: [], moved: [] });
  t.strictSame(await after, { accepted: 0, refused: [], moved: [0] });
  await handOver;
  t.strictSame(released, [[shard]]);
  t.equal(seen(system, "a"), undefined);
  t.equal(store.checkpoints.get(shard)?.mark, 1, "its checkpoint includes the flush");

  const next = await startSystem({ store, clock });
  t.equal(next.system.picture.size, 1);
  store.batches.length = 0;
  t.equal((await startSystem({ store, clock })).system.picture.size, 1, "from the checkpoint alone");
});

t.test("[O2] a shard that was lost while it was handed over is not released", async (t) => {
  const { system, store, clock, lost } = await startSystem();
  const shard = shardOf("a");
  const { epoch } = system.table.shards[shard];
  store.poison = () => true;
  const before = system.router.submitPlaced([report("a", 0)], Uint32Array.of(epoch));
  await clock.advance(1);
  const released: (readonly number[])[] = [];
  const handOver = system.ownership.handOver([shard], async (shards) => {
    released.push(shards);
  });
  await clock.advance(200);
  await handOver;
  t.strictSame(await before, {
    accepted: 0,
    refused: [{ index: 0, type: "not-storable", detail: "the store refuses this data" }],
    moved: [],
  });
  t.strictSame(lost, [[shard]]);
  t.strictSame(released, [[]]);
  t.equal(system.table.shards[shard].status, "open", "it was opened again");
  t.equal(system.table.shards[shard].epoch, epoch + 1);
});

t.test(
  "[O3] while the gate is closed nothing is decided, flushed or answered, and nothing is lost",
  async (t) => {
    const clock = new FakeClock();
    const store = new MemoryStore();
    const gate = new HandGate();
    const system = new ActorSystem({
      receive: { ...RECEIVE, staleAfter: 1_000 },
      machine: compileMachine(TRACKED),
      store,
      clock,
      gate,
      onCheckpoint: () => {},
      onLost: () => t.fail("lost"),
      onAway: () => {},
      onFatal: (error) => t.fail(String(error)),
    });
    const started = system.start();
    await clock.advance(0);
    await started;
    const answers: number[] = [];
    const submit = (seconds: number) =>
      void system.router.submit([report("a", seconds)]).then(({ accepted }) => answers.push(accepted));
    submit(0);
    await clock.advance(50);
    t.strictSame(answers, [1]);

    let release = () => {};
    store.gate = new Promise((resolve) => {
      release = resolve;
    });
    submit(1);
    await clock.advance(50);
    t.equal(store.appends, 2, "in flight");
    gate.open = false;
    release();
    submit(2);
    await clock.advance(5_000);
    t.strictSame(answers, [1], "neither what was in flight nor what came since");
    t.equal(store.appends, 2);
    t.equal(seen(system, "a")?.liveness, 0, "no timer either");
    gate.reopen();
    await clock.advance(200);
    t.strictSame(answers, [1, 1, 1]);
    await clock.advance(2_000);
    t.equal(seen(system, "a")?.liveness, 1);
  },
);

t.test(
  "[O9] a hand-over that waits too long for the commit is given up, and the shard goes on",
  async (t) => {
    const { system, store, clock } = await startSystem();
    const shard = shardOf("a");
    const { epoch } = system.table.shards[shard];
    let answer = () => {};
    store.gate = new Promise((resolve) => {
      answer = resolve;
    });
    const before = system.router.submitPlaced([report("a", 0)], Uint32Array.of(epoch));
    await clock.advance(10);
    const kept: [number, number, string][] = [];
    const handOver = system.ownership.handOver(
      [shard],
      async () => void t.fail("released"),
      (epochs) => {
        for (const [index, epoch] of epochs) kept.push([index, epoch, system.table.shards[index].status]);
      },
    );
    await clock.advance(2_100);
    t.equal(await handOver, false);
    t.strictSame(kept, [[shard, epoch, "closing"]], "told before it is open again");
    const after = system.router.submitPlaced([report("a", 1)], Uint32Array.of(epoch));
    await clock.advance(10);
    store.gate = undefined;
    answer();
    await clock.advance(100);
    t.strictSame([await before, await after], Array(2).fill({ accepted: 1, refused: [], moved: [] }));
  },
);

t.test("[L15] what came in before a shard opens again and is not decided has moved", async (t) => {
  const { system, clock } = await startSystem();
  const epochs = ["a", "b"].map((id) => system.table.shards[shardOf(id)].epoch);
  const { monotonic } = clock;
  let stolen = 0;
  clock.monotonic = () => monotonic.call(clock) + 10 * stolen++;
  const placed = system.router.submitPlaced([report("a", 0), report("b", 0)], Uint32Array.from(epochs));
  const local = system.router.submit([report("a", 0)]);
  clock.monotonic = monotonic;
  t.notOk(system.router.idle, "its slice was over at once");
  system.router.outdate(new Set([shardOf("a")]));
  await clock.advance(100);
  t.strictSame(await placed, { accepted: 1, refused: [], moved: [0] });
  t.strictSame(
    await local,
    { accepted: 1, refused: [] },
    "nothing was refused to those who ask for no epoch",
  );
});

t.test("[O9] what was not open does not become so by a hand-over that is given up", async (t) => {
  const { system, store, clock } = await startSystem();
  const shard = shardOf("a");
  system.ownership.forget([shard]);
  store.gate = new Promise(() => {});
  void system.router.submit([report("b", 0)]);
  await clock.advance(10);
  const handOver = system.ownership.handOver([shard], async () => {});
  await clock.advance(2_100);
  t.equal(await handOver, false);
  t.not(system.table.shards[shard].status, "open");
});

t.test(
  "[O1] a router that is closed refuses no other node's reports: their shards are on their way",
  async (t) => {
    const { system, clock } = await startSystem();
    system.router.close();
    const placed = system.router.submitPlaced([report("a", 0), report("b", 0)], Uint32Array.of(1, 1));
    await clock.advance(10);
    t.strictSame(await placed, { accepted: 0, refused: [], moved: [0, 1] });
  },
);

t.test("[O10] a checkpoint of what was only loaded counts for all rows that were loaded", async (t) => {
  const { system, store, clock } = await startSystem();
  for (const seconds of [0, 1]) {
    void system.router.submit([report("a", seconds)]);
    await clock.advance(100);
  }
  t.equal(store.batches.length, 2);
  const fresh = new ActorSystem({
    receive: RECEIVE,
    machine: compileMachine(TRACKED),
    store,
    clock,
    onCheckpoint: () => {},
    onLost: () => {},
    onAway: () => {},
    onFatal: (error) => t.fail(String(error)),
  });
  const loaded = fresh.load(new Map([[shardOf("a"), 2]]));
  await clock.advance(10);
  await loaded;
  t.equal(fresh.commit.lastJournalId, 2);
});

class HandGate implements Gate {
  open = true;
  #waiting: (() => void)[] = [];
  passed(): Promise<void> {
    return this.open ? Promise.resolve() : new Promise((resolve) => this.#waiting.push(resolve));
  }
  reopen(): void {
    this.open = true;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
