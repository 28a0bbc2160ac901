import t from "tap";
import { CHECKPOINT_INTERVAL_MS, SHARDS } from "../../src/limits.ts";
import { type Harness, report, startSystem, stop, submit } from "../support/actor-system.ts";
import { ErasableStore } from "../support/erasable-store.ts";

/** As fast as the pauses between checkpoints let: 10 ms each. */
const ALL_MS = SHARDS * 10;

/** Enough entities for all shards. */
async function reportEverywhere(h: Harness, seconds: number): Promise<void> {
  const reports = Array.from({ length: SHARDS * 12 }, (_, i) => report(`everywhere-${i}`, seconds));
  t.match(await submit(h, ...reports), { accepted: reports.length });
}

t.test("[V6] where little is reported, shards that are due do not wait for flushes", async (t) => {
  const h = await startSystem();
  await reportEverywhere(h, 0);
  await h.clock.advance(CHECKPOINT_INTERVAL_MS - 100);
  t.equal(h.store.checkpoints.size, 0, "none is due");
  await h.clock.advance(ALL_MS + 200);
  t.equal(h.store.checkpoints.size, SHARDS);
  await stop(h);
});

t.test("[V6] an erasure has all shards that changed checkpointed at once, and once", async (t) => {
  const store = new ErasableStore();
  const h = await startSystem({ store, traces: store.traces });
  await reportEverywhere(h, 0);
  let answer: unknown;
  void h.system.router.command({ id: "1", entity: "everywhere-1", erase: true }).then((result) => {
    answer = result;
  });
  await h.clock.advance(ALL_MS + 3_000);
  t.match(answer, { accepted: true });
  t.equal(store.checkpoints.size, SHARDS);
  const { written } = h.system.checkpointer.stats;
  for (let second = 0; second < 5; second++) await reportEverywhere(h, second + 1);
  await h.clock.advance(2_000);
  t.equal(h.system.checkpointer.stats.written, written, "what changed afterwards is not hurried");
  await stop(h);
});
