import t from "tap";
import { readFacts } from "../../src/actors/fact-codec.ts";
import { type IngestResult, type Report, STALE } from "../../src/actors/messages.ts";
import { shardOf } from "../../src/actors/shard-hash.ts";
import {
  BUSY_FLUSH_BYTES,
  BUSY_FLUSH_INTERVAL_MS,
  CHECKPOINT_INTERVAL_MS,
  MAX_BACKLOG_BYTES,
  MIN_FLUSH_INTERVAL_MS,
} from "../../src/limits.ts";
import { type Harness, RECEIVE, report, seen, startSystem } from "../support/actor-system.ts";
import { FakeClock } from "../support/fake-clock.ts";

function submit({ system }: Harness, ...reports: Report[]) {
  const state: { answer: IngestResult | undefined } = { answer: undefined };
  void system.router.submit(reports).then((answer) => {
    state.answer = answer;
  });
  return state;
}

/** A gate that can be opened. */
function gate(h: Harness): () => void {
  let open = () => {};
  h.store.gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  return () => {
    h.store.gate = undefined;
    open();
  };
}

t.test("[G1] nothing is acknowledged before the commit", async (t) => {
  const h = await startSystem();
  const open = gate(h);
  const state = submit(h, report("a", 0));
  await h.clock.advance(60);
  t.equal(state.answer, undefined);
  t.equal(seen(h.system, "a")!.lon, 25, "the picture alone may run ahead");
  open();
  await h.clock.advance(10);
  t.same(state.answer, { accepted: 1, refused: [] });
});

t.test("[G2] one flush in flight, the next accumulates", async (t) => {
  const h = await startSystem();
  const open = gate(h);
  const first = submit(h, report("a", 0));
  await h.clock.advance(10);
  const others = ["b", "c", "d"].map((id) => submit(h, report(id, 0)));
  await h.clock.advance(50);
  t.equal(h.store.appends, 1);
  open();
  await h.clock.advance(20);
  t.same(
    [first, ...others].map((state) => state.answer?.accepted),
    [1, 1, 1, 1],
  );
  t.equal(h.store.appends, 2, "three batches share the second flush");
  t.same(
    h.store.batches.map(({ batch }) => batch.flushNo),
    [1, 2],
  );
});

t.test("[G2] a batch is cut after 2 ms, and one that holds much by then after 20", async (t) => {
  let count = 0;
  const fill = (h: Harness, isFull: () => boolean) => {
    for (count = 0; !isFull(); count++) submit(h, report(`v${count}`, 0));
  };
  const cutAfter = async (h: Harness, ms: number) => {
    const cut = h.store.appends;
    await h.clock.advance(ms - 1);
    t.equal(h.store.appends, cut);
    await h.clock.advance(1);
    t.equal(h.store.appends, cut + 1);
    t.equal(h.system.commit.backlogBytes, 0, "with all that came meanwhile");
  };

  const busy = await startSystem();
  fill(busy, () => busy.system.commit.backlogBytes >= BUSY_FLUSH_BYTES);
  await busy.clock.advance(MIN_FLUSH_INTERVAL_MS);
  const late = submit(busy, report("late", 0));
  await cutAfter(busy, BUSY_FLUSH_INTERVAL_MS - MIN_FLUSH_INTERVAL_MS);
  t.match(late.answer, { accepted: 1 });
  submit(busy, report("late", 1));
  await cutAfter(busy, MIN_FLUSH_INTERVAL_MS);

  const most = count - 1;
  const small = await startSystem();
  fill(small, () => count === most);
  await cutAfter(small, MIN_FLUSH_INTERVAL_MS);

  const waited = await startSystem();
  const open = gate(waited);
  submit(waited, report("a", 0));
  await waited.clock.advance(MIN_FLUSH_INTERVAL_MS);
  fill(waited, () => waited.system.commit.backlogBytes >= 2 * BUSY_FLUSH_BYTES);
  await waited.clock.advance(BUSY_FLUSH_INTERVAL_MS);
  open();
  await waited.clock.advance(0);
  t.equal(waited.store.appends, 2, "it was old enough when the one before was done");
});

for (const away of ["before", "after"] as const) {
  t.test(`[G3] the store goes away ${away} the commit and comes back`, async (t) => {
    const h = await startSystem();
    h.store.away = away;
    const state = submit(h, report("a", 0));
    await h.clock.advance(5_000);
    t.equal(state.answer, undefined);
    t.equal(h.system.commit.away, true);
    h.store.away = "no";
    await h.clock.advance(1_100);
    t.same(state.answer, { accepted: 1, refused: [] });
    t.equal(h.store.batches.length, 1, "written once");
    t.equal(h.system.commit.away, false);
    const again = await startSystem({ store: h.store, clock: h.clock });
    t.equal(seen(again.system, "a")!.lon, 25);
  });
}

t.test("[G4] past its bound the node refuses, and takes work again afterwards", async (t) => {
  const h = await startSystem();
  h.store.away = "before";
  const states: ReturnType<typeof submit>[] = [];
  let accepted = 0;
  const attributes = { text: "x".repeat(4_000) };
  for (let i = 0; !h.system.router.overloaded; i++) {
    const reports = Array.from({ length: 500 }, (_, j) => report(`v${j}`, i - 1_000, { attributes }));
    states.push(submit(h, ...reports));
    accepted += reports.length;
    await h.clock.advance(5);
  }
  t.ok(h.system.commit.backlogBytes >= MAX_BACKLOG_BYTES);
  t.ok(h.system.commit.backlogBytes < MAX_BACKLOG_BYTES * 1.1, "the bound is a bound");
  const refused = submit(h, report("late", 0));
  await h.clock.advance(10);
  t.match(refused.answer, { accepted: 0, refused: [{ index: 0, type: "overloaded" }] });
  t.equal(h.system.picture.find("late"), -1);
  h.store.away = "no";
  await h.clock.advance(5_000);
  t.equal(
    states.reduce((sum, state) => sum + (state.answer?.accepted ?? 0), 0),
    accepted,
    "all that was taken is committed",
  );
  const after = submit(h, report("late", 0));
  await h.clock.advance(10);
  t.same(after.answer, { accepted: 1, refused: [] });
});

t.test("[G5] what the store can never take is refused alone", async (t) => {
  const h = await startSystem();
  const ids = Array.from({ length: 40 }, (_, i) => `e${i}`);
  const same = Array.from({ length: 3_000 }, (_, i) => `n${i}`)
    .filter((id) => shardOf(id) === shardOf("e17"))
    .slice(0, 5);
  h.store.poison = (batch) =>
    batch.sections.some((section) => {
      let found = false;
      readFacts(section.body, (fact) => {
        if (fact.is === "introduced" && fact.id === "e17") found = true;
      });
      return found;
    });
  const open = gate(h);
  const filler = submit(h, report("filler", 0));
  await h.clock.advance(10);
  const state = submit(h, ...[...ids, ...same].map((id) => report(id, 0)));
  const later = submit(h, report("e3", 0, { lon: 1 }));
  open();
  await h.clock.advance(200);
  t.same(filler.answer, { accepted: 1, refused: [] });
  t.equal(same.length, 5, "neighbours in the shard of the one at fault");
  t.match(state.answer, { accepted: 44, refused: [{ index: 17, type: "not-storable" }] });
  t.equal(state.answer?.refused.length, 1);
  t.same(later.answer, { accepted: 1, refused: [] });
  t.same(h.lost, [[shardOf("e17")]]);
  t.equal(h.system.picture.find("e17"), -1, "and it is not in the picture");
  for (const id of same) t.equal(seen(h.system, id)!.lon, 25, "its neighbours are");
  h.store.poison = () => false;
  const again = submit(h, report("e17", 0));
  await h.clock.advance(20);
  t.same(again.answer, { accepted: 1, refused: [] });
  t.same(h.fatal, []);
});

t.test("[G6] a fenced flush is refused, with all decided after it for its shards", async (t) => {
  const h = await startSystem();
  const committed = submit(h, report("a", -10, { lon: 1 }));
  await h.clock.advance(10);
  const open = gate(h);
  const fenced = submit(h, report("a", -9, { lon: 2 }));
  await h.clock.advance(10);
  const after = submit(h, report("a", -8, { lon: 3 }), report("b", -8));
  await h.clock.advance(10);
  h.store.fenced = true;
  open();
  await h.clock.advance(100);
  t.same(committed.answer, { accepted: 1, refused: [] });
  t.match(fenced.answer, { accepted: 0, refused: [{ index: 0, type: "retry" }] });
  t.match(
    after.answer,
    { accepted: 1, refused: [{ index: 0, type: "retry" }] },
    "another shard is not concerned",
  );
  t.match(seen(h.system, "a"), { lon: 1, epoch: 2 }, "what is durable, no more, with a new epoch");
  const retried = submit(h, report("a", -9, { lon: 2 }), report("a", -8, { lon: 3 }));
  await h.clock.advance(10);
  t.same(retried.answer, { accepted: 2, refused: [] });
  t.equal(seen(h.system, "a")!.lon, 3);
});

t.test(
  "[G6] a lost shard takes reports again when all its entities are awake, and misses no deadline",
  async (t) => {
    // Other work takes its time whenever it has its turn.
    class SlowClock extends FakeClock {
      override yield(run: () => void): void {
        this.schedule(150, run);
      }
    }
    const h = await startSystem({ clock: new SlowClock() });
    const shard = h.system.table.shards[7]!;
    const ids: string[] = [];
    for (let i = 0; ids.length < 12_000; i++) if (shardOf(`v${i}`) === shard.index) ids.push(`v${i}`);
    submit(h, ...ids.map((id) => report(id, 0)));
    await h.clock.advance(RECEIVE.staleAfter - 400);
    h.store.fenced = true;
    submit(h, report(ids.at(-1)!, 100));
    let looks = 0;
    for (; h.lost.length === 0; looks++) {
      t.ok(shard.status === "closed" || h.store.fenced, "closed until it is loaded");
      await h.clock.advance(10);
    }
    t.ok(looks > 30, "longer than a timer");
    t.equal(shard.status, "open");
    await h.clock.advance(1_000);
    const { liveness } = h.system.picture.columns;
    t.equal(ids.filter((id) => liveness.of(h.system.picture.find(id)) === STALE).length, ids.length);
    t.same(h.fatal, []);
  },
);

t.test("[G9] an error of the program while it decides stops the node", async (t) => {
  const h = await startSystem();
  submit(h, report("a", -9));
  await h.clock.advance(10);
  const error = new Error("a defect");
  const { commit } = h.system;
  const record = commit.record.bind(commit);
  commit.record = () => {
    throw error;
  };
  const first = submit(h, report("b", -8));
  t.same(h.fatal, [error]);
  commit.record = record;
  const second = submit(h, report("a", -7));
  await h.clock.advance(100);
  t.equal(first.answer, undefined);
  t.match(second.answer, { accepted: 0, refused: [{ type: "overloaded" }] });
  t.equal(h.store.batches.length, 1);
});

for (const fault of ["fenced", "poisoned"] as const) {
  t.test(`[V2] a checkpoint taken with a batch that is ${fault} is never written`, async (t) => {
    const h = await startSystem();
    submit(h, report("a", -10, { lon: 1 }));
    await h.clock.advance(10);
    // The store hangs, so that the next batch is sealed, and the checkpoint taken, long after the first fact.
    const open = gate(h);
    submit(h, report("b", -9));
    await h.clock.advance(CHECKPOINT_INTERVAL_MS + 1_000);
    t.equal(h.store.checkpoints.size, 0);
    const state = submit(h, report("a", -8, { lon: 2 }));
    open();
    const openSecond = gate(h);
    await h.clock.advance(10);
    t.equal(h.system.table.shards[shardOf("a")]!.factsSinceCheckpoint, 0, "it is taken");
    if (fault === "fenced") h.store.fenced = true;
    else h.store.poison = () => true;
    openSecond();
    await h.clock.advance(50);
    t.match(state.answer, { refused: [{ type: fault === "fenced" ? "retry" : "not-storable" }] });
    t.equal(seen(h.system, "a")!.lon, 1);
    const again = await startSystem({ store: h.store, clock: h.clock });
    t.equal(seen(again.system, "a")!.lon, 1, "nor found by the next start");
    t.same(h.fatal, []);
  });
}

t.test("[G7] a duplicate of what is not committed waits for it", async (t) => {
  const h = await startSystem();
  const open = gate(h);
  submit(h, report("a", 0));
  await h.clock.advance(10);
  const duplicate = submit(h, report("a", 0));
  await h.clock.advance(100);
  t.equal(duplicate.answer, undefined);
  open();
  await h.clock.advance(10);
  t.same(duplicate.answer, { accepted: 1, refused: [] });
  const later = submit(h, report("a", 0));
  await h.clock.advance(0);
  t.same(later.answer, { accepted: 1, refused: [] }, "one of a committed report needs no flush");
  t.equal(h.store.appends, 1);
});

t.test("[G8] what decides nothing new is answered while lost shards are loaded again", async (t) => {
  const h = await startSystem();
  const [lost, other] = ["a", "b"];
  submit(h, report(other, -10));
  await h.clock.advance(10);
  const fenced = submit(h, report(lost, -9));
  h.store.fenced = true;
  let claim = () => {};
  h.store.claimGate = new Promise((resolve) => {
    claim = resolve;
  });
  await h.clock.advance(10);
  t.match(fenced.answer, { refused: [{ type: "retry" }] });
  const states = [
    submit(h, report(lost, -9)),
    submit(h, report(other, -10)),
    submit(h, report(other, 90)),
    submit(h, report(other, 90), report(other, -10), report(lost, 0)),
  ];
  await h.clock.advance(0);
  t.match(
    states.map((state) => state.answer),
    [
      { accepted: 0, refused: [{ type: "retry" }] },
      { accepted: 1, refused: [] },
      { accepted: 0, refused: [{ type: "clock-skew" }] },
      { accepted: 1, refused: [{ type: "clock-skew" }, { type: "retry" }] },
    ],
  );
  const decided = submit(h, report(other, -8));
  claim();
  await h.clock.advance(20);
  t.same(decided.answer, { accepted: 1, refused: [] });
  t.same(h.lost, [[shardOf(lost)]]);
});

t.test("[G8] a duplicate sent the moment its original is acknowledged is answered", async (t) => {
  const h = await startSystem();
  const { router } = h.system;
  let answer: IngestResult | undefined;
  void router
    .submit([report("a", 0)])
    .then(() => router.submit([report("a", 0)]))
    .then((answered) => {
      answer = answered;
    });
  await h.clock.advance(20);
  t.same(answer, { accepted: 1, refused: [] });
});

t.test("[N4] a stop waits for what waits for its turn, and then for its commit", async (t) => {
  // Each look at the clock takes half a millisecond, so that a slice ends after a few reports.
  class BusyClock extends FakeClock {
    #looks = 0;
    override monotonic(): number {
      this.#looks += 1;
      return super.monotonic() + this.#looks / 2;
    }
  }
  const h = await startSystem({ clock: new BusyClock() });
  const open = gate(h);
  const refused = Array.from({ length: 200 }, (_, i) => report(`late${i}`, 90));
  const state = submit(h, ...refused, report("a", 0));
  let settled = false;
  void h.system.settle().then(() => {
    settled = true;
  });
  await h.clock.settle();
  t.equal(h.system.router.idle, false, "most of it waits for its turn");
  t.equal(settled, false);
  await h.clock.advance(1_000);
  t.equal(settled, false, "decided and not committed");
  open();
  await h.clock.advance(10);
  t.match(state.answer, { accepted: 1 });
  t.equal(state.answer?.refused.length, 200);
  t.equal(settled, true);
});
