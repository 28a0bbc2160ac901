import pg from "pg";
import t, { type Test } from "tap";
import { raiseMarks } from "../../src/store/raise-marks.ts";
import { holding, waits } from "../support/locks.ts";
import { testDatabase } from "../support/postgres.ts";
import { execute } from "../support/postgres-server.ts";
import { temporaryFolder } from "../support/serve.ts";
import { batchOf, committed, open } from "./fixture.ts";

t.test("[D9] markers that find their rows in another order do not deadlock", async (t) => {
  const { url } = await testDatabase(t);
  const store = await open({ dataDir: await temporaryFolder(t), databaseUrl: url });
  t.teardown(() => store.close());
  const all = Array.from({ length: 256 }, (_, shard) => shard);
  const epochs = await store.claim(all);
  const mark = await committed(store, batchOf(1, epochs, { 7: "x" }));
  const [fence] = await execute<{ gen: number }>(url, "SELECT gen FROM fence");
  const key = { incarnation: store.incarnation, gen: fence!.gen };
  // The rows lie from the last shard to the first, as they may after many updates: whoever takes them as they lie goes backwards …
  await execute(url, "DELETE FROM mark; INSERT INTO mark SELECT 255 - n FROM generate_series(0, 255) AS n");
  const backwards = await client(t, url, "SET enable_indexscan = off");
  // … and whoever takes them by the index goes forwards.
  const forwards = await client(t, url, "SET enable_seqscan = off; SET enable_bitmapscan = off");
  const release = await holding(t, url, "SELECT FROM mark WHERE shard = 128 FOR UPDATE");
  const many = raiseMarks(backwards, key, all, mark);
  t.ok(await waits(url, /UPDATE mark/, many), "the first has a part of its rows");
  const few = raiseMarks(forwards, key, [1, 254], mark);
  t.ok(await waits(url, /UPDATE mark/, few, 2), "the second waits for one of them");
  await release();
  await Promise.all([many, few]);
  t.same(await execute(url, "SELECT DISTINCT checkpoint::int AS mark FROM mark"), [{ mark }]);
});

async function client(t: Test, url: string, settings: string): Promise<pg.PoolClient> {
  const made = new pg.Client({ connectionString: url });
  await made.connect();
  t.teardown(() => made.end());
  await made.query(settings);
  return made as never;
}

t.test("[D3] an evicted node raises no marks", async (t) => {
  const { url } = await testDatabase(t);
  const store = await open({ dataDir: await temporaryFolder(t), databaseUrl: url });
  const epochs = await store.claim([1, 2]);
  await committed(store, batchOf(1, epochs, { 1: "x" }));
  await execute(url, "UPDATE fence SET down = true");
  await store.close();
  t.same(await execute(url, "SELECT DISTINCT checkpoint::int AS mark FROM mark"), [{ mark: 0 }]);
  const next = await open({ dataDir: await temporaryFolder(t), databaseUrl: url });
  await committed(next, batchOf(1, await next.claim([1, 2]), { 2: "y" }));
  await next.close();
  t.same(
    await execute(url, "SELECT count(*)::int AS n FROM mark WHERE checkpoint = 2"),
    [{ n: 254 }],
    "one that leaves in order does",
  );
});
