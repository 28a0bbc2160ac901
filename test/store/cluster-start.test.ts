import { setTimeout as sleep } from "node:timers/promises";
import t from "tap";
import { StoreAway } from "../../src/actors/ports.ts";
import { MIGRATIONS } from "../../src/store/orm.ts";
import { bootId } from "../../src/store/process-identity.ts";
import { CutProxy } from "../support/cut-proxy.ts";
import { holding, waits } from "../support/locks.ts";
import { emptyDatabase, testDatabase } from "../support/postgres.ts";
import { execute } from "../support/postgres-server.ts";
import { temporaryFolder } from "../support/serve.ts";
import { batchOf, committed, KeptLog, open, openClustered, recovered } from "./fixture.ts";

/** A process id that no process has. */
const NOBODY = 2 ** 22 + 1;
const refused = (message: RegExp) => ({ name: "StoreStartError", code: "in-use-by-another-node", message });

t.test("[D24] three nodes start at once on an empty database", async (t) => {
  const { url } = await emptyDatabase(t);
  await execute(url, "DROP EXTENSION postgis");
  const dataDir = await temporaryFolder(t);
  const logs = [new KeptLog(), new KeptLog(), new KeptLog()];
  const stores = await Promise.all(logs.map((log) => openClustered({ dataDir, databaseUrl: url, log })));
  t.teardown(() => Promise.all(stores.map((store) => store.close())));
  const state = await stores[0]!.cluster.renew();
  t.same(
    state?.members.map(({ incarnation }) => incarnation),
    stores.map(({ incarnation }) => incarnation).sort(),
  );
  const migrations = await execute(url, "SELECT count(*)::int AS n FROM mikro_orm_migrations");
  t.same(migrations, [{ n: MIGRATIONS.length }], "each migration ran once");
});

t.test("[D24] a single node and a cluster keep each other out, and say what to do", async (t) => {
  const { url } = await testDatabase(t);
  const dataDir = await temporaryFolder(t);
  const single = await open({ dataDir, databaseUrl: url });
  await t.rejects(
    openClustered({ dataDir, databaseUrl: url }),
    refused(
      /in use by the node at .* \(process \d+\), which runs without a cluster: start that one with REDIS_URL/,
    ),
  );
  await single.close();
  const member = await openClustered({ dataDir, databaseUrl: url });
  let renewed: Promise<unknown> = Promise.resolve();
  const renewing = setInterval(() => {
    renewed = member.cluster.renew();
  }, 200);
  await t.rejects(
    open({ dataDir, databaseUrl: url }),
    refused(
      /in use by the node at .* \(process \d+\), which belongs to a cluster: set REDIS_URL to join it, or stop/,
    ),
  );
  clearInterval(renewing);
  await renewed;
  await member.close();
  const again = await open({ dataDir, databaseUrl: url });
  t.equal(again.cluster, undefined);
  await again.close();
});

t.test(
  "[D24] a start evicts only nodes whose process is gone, and single ones whose lease has run out",
  async (t) => {
    const { url } = await testDatabase(t);
    const dataDir = await temporaryFolder(t);
    const first = await openClustered({ dataDir, databaseUrl: url });
    t.teardown(() => first.close());
    const dead = await pretend({ pid: NOBODY, bootId: bootId(), lease: "1 hour", clustered: true });
    const expired = await pretend({ pid: 1, bootId: "another machine", lease: "-1 second", clustered: true });
    const single = await pretend({ pid: 1, bootId: "another machine", lease: "-1 second", clustered: false });
    await execute(url, "UPDATE node SET lease_until = now() - interval '1 minute' WHERE incarnation = $1", [
      first.incarnation,
    ]);
    const second = await openClustered({ dataDir, databaseUrl: url });
    t.teardown(() => second.close());
    const rows = await execute<{ incarnation: string; down: boolean }>(
      url,
      "SELECT incarnation, down FROM fence",
    );
    const down = Object.fromEntries(rows.map((row) => [row.incarnation, row.down]));
    t.match(down, { [dead]: true, [expired]: false, [single]: true, [first.incarnation]: false });

    async function pretend(node: {
      pid: number;
      bootId: string;
      lease: string;
      clustered: boolean;
    }): Promise<string> {
      const [row] = await execute<{ incarnation: string }>(
        url,
        `INSERT INTO node (incarnation, url, version, pid, boot_id, clustered, lease_until)
       VALUES (gen_random_uuid(), 'http://elsewhere', '0', $1, $2, $4, clock_timestamp() + $3::interval) RETURNING incarnation`,
        [node.pid, node.bootId, node.lease, node.clustered],
      );
      await execute(url, "INSERT INTO fence (incarnation) VALUES ($1)", [row!.incarnation]);
      return row!.incarnation;
    }
  },
);

t.test("[D24] a node of another kind of cluster does not join", async (t) => {
  const { url } = await testDatabase(t);
  const dataDir = await temporaryFolder(t);
  await (await openClustered({ dataDir, databaseUrl: url })).close();
  for (const change of ["shards = 512", "shards = 256, hash = 'xxh32'", "hash = 'fnv-1a-32', protocol = 2"]) {
    await execute(url, `UPDATE cluster SET ${change}`);
    await t.rejects(openClustered({ dataDir, databaseUrl: url }), { code: "another-cluster" });
  }
});

t.test("[D25] flushes that hang on every connection do not hold up renewals", async (t) => {
  const { url } = await testDatabase(t);
  const store = await openClustered({ dataDir: await temporaryFolder(t), databaseUrl: url });
  t.teardown(() => store.close());
  const epochs = await store.claim([1]);
  const release = await holding(t, url, "LOCK TABLE journal_0 IN SHARE MODE");
  const flushes = Array.from({ length: 12 }, (_, i) => store.append(batchOf(i + 1, epochs, { 1: "x" }), 1));
  const all = Promise.all(flushes);
  t.ok(await waits(url, /INSERT INTO journal/, all, 6));
  const began = performance.now();
  t.ok(await store.cluster.renew());
  t.ok(performance.now() - began < 1_000);
  await release();
  await all;
});

t.test(
  "[D25] a renewal that gets no answer ends within a second or so, and the next may succeed",
  async (t) => {
    const { url } = await testDatabase(t);
    const proxy = await CutProxy.start(t, url);
    const store = await openClustered({ dataDir: await temporaryFolder(t), databaseUrl: proxy.url });
    t.teardown(() => store.close());
    t.ok(await store.cluster.renew());
    for (const cut of [false, true]) {
      proxy.mode = "silent";
      if (cut) proxy.cut();
      for (let i = 0; i < 3; i++) {
        const began = performance.now();
        await t.rejects(store.cluster.renew(), StoreAway);
        t.ok(
          performance.now() - began < 1_900,
          "on a connection that hangs, and on one that is not to be had",
        );
      }
      proxy.mode = "pass";
      proxy.cut();
      await sleep(50);
      for (let renewed = false, i = 0; !renewed && i < 20; i++) {
        renewed = await store.cluster.renew().then(
          () => true,
          (error) => !(error instanceof StoreAway),
        );
      }
      t.ok(await store.cluster.renew());
    }
  },
);

t.test(
  "[D29] after a release whose outcome is unknown nothing is written of its shards, and the rest goes on",
  async (t) => {
    const { url } = await testDatabase(t);
    const proxy = await CutProxy.start(t, url);
    const store = await openClustered({ dataDir: await temporaryFolder(t), databaseUrl: proxy.url });
    t.teardown(() => store.close());
    const epochs = (await store.cluster.claimFree([1, 2], false))!;
    let flushNo = 0;
    const fence = await holding(t, url, "SELECT FROM fence FOR SHARE");
    const release = store.cluster.release([1]);
    const lost = t.rejects(release, StoreAway);
    t.ok(await waits(url, /WITH fenced/, release));
    proxy.cut();
    await lost;
    t.same(await store.append(batchOf(++flushNo, epochs, { 1: "x", 2: "x" }), 1), { status: "fenced" });
    await fence();
    await committed(store, batchOf(++flushNo, epochs, { 2: "kept" }));
    await store.cluster.release([1]);
    await committed(store, batchOf(++flushNo, epochs, { 2: "kept too" }));
    t.same((await store.cluster.claimFree([1], false))!.size, 1);
    t.same(await recovered(store, [1, 2]), ["section 2 kept", "section 2 kept too"]);
  },
);

t.test(
  "[D30] who leaves raises the marks of its own shards that have nothing newer, and no others",
  async (t) => {
    const { url } = await testDatabase(t);
    const dataDir = await temporaryFolder(t);
    const leaving = await openClustered({ dataDir, databaseUrl: url });
    const other = await openClustered({ dataDir, databaseUrl: url });
    t.teardown(() => other.close());
    const epochs = (await leaving.cluster.claimFree([1, 2, 3], false))!;
    const others = (await other.cluster.claimFree([4, 5], false))!;
    await committed(leaving, batchOf(1, epochs, { 1: "kept", 2: "x" }));
    const mark = await committed(leaving, batchOf(2, epochs, { 2: "y" }));
    await leaving.write({ shard: 2, epoch: epochs.get(2)!, mark, body: Buffer.from("xy") });
    const newest = await committed(other, batchOf(1, others, { 4: "z" }));
    await leaving.close();
    const marks = await execute(
      url,
      "SELECT shard::int, checkpoint::int FROM mark WHERE shard <= 5 ORDER BY shard",
    );
    t.same(marks, [
      { shard: 0, checkpoint: 0 },
      { shard: 1, checkpoint: 0 },
      { shard: 2, checkpoint: newest },
      { shard: 3, checkpoint: newest },
      { shard: 4, checkpoint: 0 },
      { shard: 5, checkpoint: 0 },
    ]);
    t.same(await recovered(other, [1, 2]), [`checkpoint 2@${newest} xy`, "section 1 kept"]);
  },
);
