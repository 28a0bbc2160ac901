import t from "tap";
import { raiseMarks } from "../../src/store/raise-marks.ts";
import { holding, waits } from "../support/locks.ts";
import { testDatabase } from "../support/postgres.ts";
import { execute } from "../support/postgres-server.ts";
import { temporaryFolder } from "../support/serve.ts";
import { batchOf, committed, open, recovered } from "./fixture.ts";

t.test(
  "[D3] what hangs while its shards are claimed again lands before the claim, or not at all",
  async (t) => {
    const { url } = await testDatabase(t);
    const store = await open({ dataDir: await temporaryFolder(t), databaseUrl: url });
    t.teardown(() => store.close());
    let flushNo = 0;

    await t.test("a flush", async (t) => {
      const epochs = await store.claim([12]);
      await committed(store, batchOf(++flushNo, epochs, { 12: "first" }));
      const release = await holding(
        t,
        url,
        "LOCK TABLE journal_0, journal_1, journal_2, journal_3 IN SHARE MODE",
      );
      const flush = store.append(batchOf(++flushNo, epochs, { 12: "hung" }), 1);
      t.ok(await waits(url, /INSERT INTO journal/, flush), "the flush hangs");
      const claim = store.claim([12]);
      t.ok(await waits(url, /^UPDATE fence/, claim), "the claim waits for it");
      await release();
      t.match(await flush, { status: "committed" });
      t.same(await claim, new Map([[12, epochs.get(12)! + 1]]));
      t.same(
        await recovered(store, [12]),
        ["section 12 first", "section 12 hung"],
        "whoever claims finds it",
      );
    });

    await t.test("a checkpoint", async (t) => {
      const epochs = await store.claim([13]);
      const mark = await committed(store, batchOf(++flushNo, epochs, { 13: "x" }));
      const release = await holding(t, url, "SELECT FROM mark WHERE shard = 13 FOR UPDATE");
      const body = Buffer.from("hung");
      const write = store.write({ shard: 13, epoch: epochs.get(13)!, mark, body });
      t.ok(await waits(url, /INSERT INTO checkpoint/, write), "the checkpoint hangs");
      const claim = store.claim([13]);
      t.ok(await waits(url, /^UPDATE fence/, claim), "the claim waits for it");
      await release();
      t.equal(await write, true);
      await claim;
      t.same(await recovered(store, [13]), [`checkpoint 13@${mark} hung`]);
    });

    await t.test("marks", async (t) => {
      await store.claim([14]);
      const [fence] = await execute<{ gen: number }>(url, "SELECT gen FROM fence WHERE incarnation = $1", [
        store.incarnation,
      ]);
      const release = await holding(t, url, "SELECT FROM mark WHERE shard = 14 FOR UPDATE");
      const client = await store.context.pool.connect();
      const marks = raiseMarks(client, { incarnation: store.incarnation, gen: fence!.gen }, [14], 1);
      t.ok(await waits(url, /UPDATE mark/, marks), "the marks hang");
      const claim = store.claim([14]);
      t.ok(await waits(url, /^UPDATE fence/, claim), "the claim waits for them");
      await release();
      await Promise.all([marks, claim]);
      client.release();
    });
  },
);
