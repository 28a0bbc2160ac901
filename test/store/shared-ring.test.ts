import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import t from "tap";
import { appendFlush } from "../../src/store/append-flush.ts";
import type { ClusteredStore } from "../../src/store/store.ts";
import { holding } from "../support/locks.ts";
import { testDatabase } from "../support/postgres.ts";
import { execute } from "../support/postgres-server.ts";
import { fc } from "../support/seeded.ts";
import { temporaryFolder } from "../support/serve.ts";
import { alone, batchOf, beforeFirst, committed, openClustered, recovered } from "./fixture.ts";

const PART_BYTES = 150_000;
const SHARDS = 8;
const FILLING = "x".repeat(4_000);

interface Writer {
  store: ClusteredStore;
  epochs: Map<number, number>;
  flushNo: number;
}

t.test(
  "[D31] through many turns of the ring every acknowledged section above a mark is found, once, in order",
  async (t) => {
    const { url } = await testDatabase(t);
    const dataDir = await temporaryFolder(t);
    const writers: Writer[] = [];
    for (let i = 0; i < 3; i++) {
      const store = await openClustered({ dataDir, databaseUrl: url, journalPartBytes: PART_BYTES });
      t.teardown(() => store.close());
      writers.push({ store, epochs: new Map(), flushNo: 0 });
    }
    /** By shard: what was acknowledged, and how many of that its checkpoint covers. */
    const written = Array.from({ length: SHARDS }, () => [] as string[]);
    const last = new Array<number>(SHARDS).fill(0);
    const covered = new Array<number>(SHARDS).fill(0);
    const random = fc.sample(fc.nat(2 ** 31 - 1), 4_000);
    let at = 0;
    const pick = (n: number) => random[at++ % random.length]! % n;
    let [n, marks] = [0, 0];

    const act = async (writer: Writer) => {
      const { store, epochs } = writer;
      const own = [...epochs.keys()];
      const action = pick(20);
      if (action === 0 && own.length > 0) {
        const shard = own[pick(own.length)]!;
        epochs.delete(shard);
        await store.cluster.release([shard]);
      } else if (action <= 2 || own.length === 0) {
        const wanted = [pick(SHARDS), pick(SHARDS)];
        for (const [shard, epoch] of (await store.cluster.claimFree(wanted, false))!) {
          const found = await recovered(store, [shard]);
          const above = found.filter((text) => text.startsWith("section"));
          const texts = above.map((text) => text.replace(/ x+$/, "").replace(/^section \d+ /, ""));
          assert.deepEqual(texts, written[shard]!.slice(covered[shard]));
          epochs.set(shard, epoch);
        }
      } else if (action <= 8) {
        const shard = own[pick(own.length)]!;
        const count = written[shard]!.length;
        const body = Buffer.from(`${count}`);
        const ok = await store.write({ shard, epoch: epochs.get(shard)!, mark: last[shard]!, body });
        assert.ok(ok);
        covered[shard] = count;
        marks += 1;
      } else {
        const shards = [...new Set([own[pick(own.length)]!, own[pick(own.length)]!])].sort((a, b) => a - b);
        const text = `${n++}`;
        const sections = Object.fromEntries(shards.map((shard) => [shard, `${text} ${FILLING}`]));
        const id = await committed(store, batchOf(++writer.flushNo, epochs, sections));
        for (const shard of shards) {
          written[shard]!.push(text);
          last[shard] = id;
        }
      }
    };
    const turns = async () =>
      (await execute<{ turns: number }>(url, "SELECT turns::int FROM journal_ring"))[0]!.turns;
    // A turn that was not possible is tried again after a second, so how many actions it takes depends on the machine.
    do {
      await Promise.all(
        writers.map(async (writer) => {
          for (let i = 0; i < 500; i++) await act(writer);
        }),
      );
    } while ((await turns()) < 4);
    t.comment(`the ring turned ${await turns()} times, ${marks} checkpoints`);
    for (let shard = 0; shard < SHARDS; shard++) {
      const found = (await recovered(writers[0]!.store, [shard])).filter((text) =>
        text.startsWith("section"),
      );
      assert.deepEqual(
        found.map((text) => text.split(" ")[2]),
        written[shard]!.slice(covered[shard]),
      );
    }
  },
);

t.test(
  "[D31] a part with a row that some shard needs is kept, whoever wrote it and wherever he believes the ring to be",
  async (t) => {
    const { url } = await testDatabase(t);
    const dataDir = await temporaryFolder(t);
    const options = { dataDir, databaseUrl: url, journalPartBytes: PART_BYTES };
    const [behind, busy] = [await openClustered(options), await openClustered(options)];
    t.teardown(() => Promise.all([behind.close(), busy.close()]));
    const own = (await behind.cluster.claimFree([1], false))!;
    const epochs = (await busy.cluster.claimFree([2], false))!;
    const parts = async () =>
      (await execute<{ turns: number }>(url, "SELECT turns::int FROM journal_ring"))[0]!.turns;
    let flushNo = 0;
    const fill = async () => {
      for (let i = 0; i < 4; i++) {
        const mark = await committed(busy, batchOf(++flushNo, epochs, { 2: Buffer.alloc(10_000, "x") }));
        await busy.write({ shard: 2, epoch: epochs.get(2)!, mark, body: Buffer.from("c") });
      }
    };
    while ((await parts()) < 3) await fill();
    t.equal(await parts(), 3);
    // The first node has written nothing and believes the ring to be at its start.
    const mark = await committed(behind, batchOf(1, own, { 1: "needed" }));
    t.same(await execute(url, "SELECT ring FROM journal WHERE id = $1", [mark]), [{ ring: 0 }]);
    for (let i = 0; i < 10; i++) await fill();
    t.equal(await parts(), 3, "it does not turn onto that row");
    t.same(await recovered(behind, [1]), ["section 1 needed"]);
    await behind.write({ shard: 1, epoch: own.get(1)!, mark, body: Buffer.from("c") });
    // A turn that was not possible is tried again after a second.
    while ((await parts()) < 4) {
      await fill();
      await sleep(20);
    }
    t.pass("once its checkpoint has passed it does");
    await committed(behind, batchOf(2, own, { 1: "later" }));
    t.same(await recovered(behind, [1]), [`checkpoint 1@${mark} c`, "section 1 later"]);
  },
);

t.test("[D31] a flush that is not committed yet keeps its part", async (t) => {
  const { url } = await testDatabase(t);
  const dataDir = await temporaryFolder(t);
  const options = { dataDir, databaseUrl: url, journalPartBytes: PART_BYTES };
  const behind = await openClustered(options);
  t.teardown(() => behind.close());
  const own = (await behind.cluster.claimFree([1], false))!;
  await execute(url, "UPDATE journal_ring SET turns = 3");
  const again = await openClustered(options);
  t.teardown(() => again.close());
  const third = (await again.cluster.claimFree([3], false))!;
  const client = await behind.context.pool.connect();
  await client.query("BEGIN");
  const key = { incarnation: behind.incarnation, gen: 0, ring: 0, era: 1 };
  const id = await appendFlush(client, key, batchOf(1, own, { 1: "needed" }));
  for (let i = 1; i <= 20; i++) {
    const mark = await committed(again, batchOf(i, third, { 3: Buffer.alloc(10_000, "x") }));
    await again.write({ shard: 3, epoch: third.get(3)!, mark, body: Buffer.from("c") });
  }
  t.same(
    await execute(url, "SELECT turns::int FROM journal_ring"),
    [{ turns: 3 }],
    "somebody holds the part",
  );
  await client.query("COMMIT");
  client.release();
  t.ok(id !== undefined);
  t.same(await recovered(behind, [1]), ["section 1 needed"]);
});

t.test("[D31] a flush that lands between the first look at a part and its lock keeps it", async (t) => {
  const { url } = await testDatabase(t);
  const dataDir = await temporaryFolder(t);
  const options = { dataDir, databaseUrl: url, journalPartBytes: PART_BYTES };
  const behind = await openClustered(options);
  t.teardown(() => behind.close());
  const own = (await behind.cluster.claimFree([1], false))!;
  await execute(url, "UPDATE journal_ring SET turns = 3");
  const turning = await openClustered(options);
  t.teardown(() => turning.close());
  const epochs = (await turning.cluster.claimFree([3], false))!;
  const locks = beforeFirst(turning, /^LOCK TABLE journal_0/, () =>
    committed(behind, batchOf(1, own, { 1: "needed" })),
  );
  for (let i = 1; i <= 20; i++) {
    const mark = await committed(turning, batchOf(i, epochs, { 3: Buffer.alloc(10_000, "x") }));
    await turning.write({ shard: 3, epoch: epochs.get(3)!, mark, body: Buffer.from("c") });
  }
  t.ok(locks.came > 0, "it went for the lock");
  t.same(await execute(url, "SELECT turns::int FROM journal_ring"), [{ turns: 3 }]);
  t.same(await recovered(behind, [1]), ["section 1 needed"]);
});

t.test("[D37] a ring that is shared is emptied of nothing that some node's shard needs", async (t) => {
  const { url } = await testDatabase(t);
  const dataDir = await temporaryFolder(t);
  const options = { dataDir, databaseUrl: url };
  const [erasing, other] = [await openClustered(options), await openClustered(options)];
  t.teardown(() => Promise.all([erasing.close(), other.close()]));
  const own = (await erasing.cluster.claimFree([1], false))!;
  const others = (await other.cluster.claimFree([2], false))!;
  const cover = async (mark: number, shard: 1 | 2) => {
    const epoch = (shard === 1 ? own : others).get(shard)!;
    const store = shard === 1 ? erasing : other;
    t.ok(await store.write({ shard, epoch, mark, body: Buffer.from("c") }));
  };
  const rings = () => execute<{ ring: number }>(url, "SELECT ring FROM journal ORDER BY id");
  const erased = await committed(erasing, batchOf(1, own, { 1: "erased" }));
  const needed = await committed(other, batchOf(1, others, { 2: "needed" }));
  t.equal(await erasing.erasure.empty(erased, alone), erased, "no checkpoint has passed");
  await cover(erased, 1);
  t.equal(await erasing.erasure.empty(erased, alone), erased);
  t.same(await recovered(other, [2]), ["section 2 needed"]);
  // The other node believes the ring to be where it was.
  const late = await committed(other, batchOf(2, others, { 2: "late" }));
  t.same(await rings(), [{ ring: 0 }, { ring: 0 }, { ring: 0 }]);
  await cover(needed, 2);
  t.equal(await erasing.erasure.empty(erased, alone), erased);
  t.same(await recovered(other, [2]), [`checkpoint 2@${needed} c`, "section 2 late"]);
  await cover(late, 2);
  const release = await holding(t, url, "LOCK TABLE journal_0 IN ACCESS SHARE MODE");
  t.equal(await erasing.erasure.empty(erased, alone), erased, "a backup reads it");
  await release();
  const next = await committed(erasing, batchOf(2, own, { 1: "next" }));
  t.equal(await erasing.erasure.empty(erased, alone), next);
  t.same(await rings(), [{ ring: 1 }]);
  t.same(await recovered(erasing, [1]), [`checkpoint 1@${erased} c`, "section 1 next"]);
});
