// The faults that simulations ask of their store.
import t from "tap";
import { StoreAway } from "../../src/actors/ports.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { MemoryClusterStore } from "../support/memory-cluster-store.ts";
import { type Fault, MemoryDatabase } from "../support/memory-database.ts";
import { batchOf, recovered } from "./fixture.ts";

const never = new Promise<never>(() => {});

async function started() {
  const clock = new FakeClock();
  const database = new MemoryDatabase(clock);
  const [a, b] = [new MemoryClusterStore(database, "http://a"), new MemoryClusterStore(database, "http://b")];
  const epochs = (await a.claimFree([1, 2], false))!;
  const once = (fault: Fault) => {
    a.fault = () => {
      a.fault = () => undefined;
      return fault;
    };
  };
  return { clock, database, a, b, epochs, once };
}

t.test("a connection that is cut leaves a flush done or not, and tried again it is there once", async (t) => {
  for (const done of [true, false]) {
    const { a, epochs, once } = await started();
    const batch = batchOf(1, epochs, { 1: "x" });
    once({ is: "cut", done });
    await t.rejects(a.append(batch, 1), StoreAway);
    t.equal((await recovered(a, [1])).length, done ? 1 : 0);
    t.match(await a.append(batch, 2), { status: "committed" });
    t.same(await recovered(a, [1]), ["section 1 x"]);
  }
});

t.test("a database that is away rejects at once and does nothing", async (t) => {
  const { a, once } = await started();
  once({ is: "away" });
  await t.rejects(a.claimFree([3], false), StoreAway);
  t.equal((await a.claimFree([3], false))!.size, 1);
});

t.test(
  "a flush that hangs is rolled back at the statement time-out; eviction waits until then",
  async (t) => {
    const { clock, a, b, epochs, once } = await started();
    await clock.advance(5_001);
    await b.renew();
    once({ is: "hang", until: never });
    const flush = a.append(batchOf(1, epochs, { 1: "x" }), 1);
    const lost = t.rejects(flush, StoreAway);
    await clock.settle();
    let claimed: Map<number, number> | undefined;
    const claim = b.claimFree([1], true).then((epochs) => {
      claimed = epochs;
    });
    await clock.advance(3_900);
    t.equal(claimed, undefined);
    await clock.advance(200);
    await Promise.all([lost, claim]);
    t.equal(claimed?.size, 1);
    t.same(await recovered(b, [1]), []);
  },
);

t.test(
  "a flush that is late has been given up, and lands all the same unless its fence is down",
  async (t) => {
    for (const evicted of [false, true]) {
      const { clock, a, b, epochs, once } = await started();
      let arrive = () => {};
      const until = new Promise<void>((resolve) => {
        arrive = resolve;
      });
      once({ is: "late", until });
      const lost = t.rejects(a.append(batchOf(1, epochs, { 1: "x" }), 1), StoreAway);
      await clock.advance(5_100);
      await lost;
      if (evicted) {
        await b.renew();
        await b.claimFree([1], true);
      }
      arrive();
      await clock.settle();
      t.same(await recovered(b, [1]), evicted ? [] : ["section 1 x"]);
      t.equal(clock.pending, 0, "no timer is left");
    }
  },
);

t.test("the journal is trimmed of what all checkpoints have passed", async (t) => {
  const { database, a, epochs } = await started();
  await a.append(batchOf(1, epochs, { 1: "x", 2: "y" }), 1);
  const checkpoint = (shard: number) =>
    a.write({ shard, epoch: epochs.get(shard)!, mark: 1, body: Buffer.from("c") });
  t.equal(await checkpoint(1), true);
  database.trim();
  t.equal(database.journal.length, 1);
  await checkpoint(2);
  database.trim();
  t.equal(database.journal.length, 0);
  t.same(await recovered(a, [1]), ["checkpoint 1@1 c"]);
});
