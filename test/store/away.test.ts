import { randomUUID } from "node:crypto";
import t from "tap";
import { StoreAway } from "../../src/actors/ports.ts";
import { CutProxy } from "../support/cut-proxy.ts";
import { stoppableDatabase, testDatabase } from "../support/postgres.ts";
import { execute } from "../support/postgres-server.ts";
import { temporaryFolder } from "../support/serve.ts";
import { batchOf, committed, open, recovered } from "./fixture.ts";

t.test(
  "[D10] while the server cannot be reached every call ends with StoreAway, and works again afterwards",
  async (t) => {
    const { url } = await testDatabase(t);
    const proxy = await CutProxy.start(t, url);
    const store = await open({ dataDir: await temporaryFolder(t), databaseUrl: proxy.url });
    t.teardown(() => store.close());
    const epochs = await store.claim([1]);
    const webhook = {
      id: randomUUID(),
      url: "http://127.0.0.1:9/",
      enabled: true,
      secret: "AAAA",
      createdAt: 0,
    };
    await store.webhooks.create(webhook);
    let flushNo = 0;
    const first = await committed(store, batchOf(++flushNo, epochs, { 1: "before" }));

    for (const mode of ["refuse", "silent"] as const) {
      await t.test(mode, async (t) => {
        proxy.mode = mode;
        if (mode === "refuse") proxy.cut();
        const batch = batchOf(++flushNo, epochs, { 1: mode });
        const began = performance.now();
        await Promise.all([
          t.rejects(store.append(batch, 1), StoreAway),
          t.rejects(store.write({ shard: 1, epoch: 1, mark: first, body: Buffer.from("x") }), StoreAway),
          t.rejects(store.claim([2]), StoreAway),
          t.rejects(store.webhooks.create({ ...webhook, id: randomUUID() }), StoreAway),
          t.rejects(store.webhooks.change(webhook.id, { enabled: false }), StoreAway),
          t.rejects(store.webhooks.remove(webhook.id), StoreAway),
          t.rejects(recovered(store, [1]), StoreAway),
        ]);
        t.ok(performance.now() - began < 60_000, "in bounded time");
        proxy.mode = "pass";
        proxy.cut();
        await committed(store, batch, 2);
      });
    }
    t.same(await recovered(store, [1]), ["section 1 before", "section 1 refuse", "section 1 silent"]);
  },
);

t.test("[D10] a login that is refused to a node that runs is a server that cannot be reached", async (t) => {
  const { url } = await testDatabase(t);
  const store = await open({ dataDir: await temporaryFolder(t), databaseUrl: url });
  t.teardown(() => store.close());
  const epochs = await store.claim([1]);
  await committed(store, batchOf(1, epochs, { 1: "before" }));
  const server = new URL(url);
  const name = server.pathname.slice(1);
  server.pathname = "/postgres";
  await execute(server.href, `ALTER DATABASE ${name} ALLOW_CONNECTIONS false`);
  await execute(server.href, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", [
    name,
  ]);
  const batch = batchOf(2, epochs, { 1: "after" });
  // The first may find a connection that was ended.
  for (let attempt = 1; attempt <= 3; attempt++) await t.rejects(store.append(batch, attempt), StoreAway);
  await execute(server.href, `ALTER DATABASE ${name} ALLOW_CONNECTIONS true`);
  await committed(store, batch, 4);
  t.same(await recovered(store, [1]), ["section 1 before", "section 1 after"]);
});

t.test(
  "[D10] a connection that is cut while a flush runs leaves it unknown; tried again it is there once",
  async (t) => {
    const { url } = await testDatabase(t);
    const proxy = await CutProxy.start(t, url);
    const store = await open({ dataDir: await temporaryFolder(t), databaseUrl: proxy.url });
    t.teardown(() => store.close());
    const epochs = await store.claim([1]);
    const body = Buffer.alloc(300_000, "x");
    const wanted: string[] = [];
    let unknown = 0;
    for (let flushNo = 1; flushNo <= 30; flushNo++) {
      const text = `${flushNo} ${body}`;
      const batch = batchOf(flushNo, epochs, { 1: text });
      wanted.push(`section 1 ${text}`);
      const cut = setTimeout(() => proxy.cut(), flushNo % 10);
      for (let attempt = 1; ; attempt++) {
        try {
          await committed(store, batch, attempt);
          break;
        } catch (error) {
          if (!(error instanceof StoreAway)) throw error;
          unknown += 1;
        }
      }
      clearTimeout(cut);
    }
    t.ok(unknown > 0, `${unknown} flushes were cut`);
    t.ok(
      (await recovered(store, [1])).every((text, i) => text === wanted[i]),
      "each is there, in order",
    );
    t.equal((await recovered(store, [1])).length, wanted.length, "once");
  },
);

t.test("[D10] a server that is stopped and started again is used again", async (t) => {
  const { url, stop, start } = await stoppableDatabase();
  const store = await open({ dataDir: await temporaryFolder(t), databaseUrl: url });
  t.teardown(() => store.close());
  const epochs = await store.claim([1]);
  await committed(store, batchOf(1, epochs, { 1: "a" }));
  await stop();
  const batch = batchOf(2, epochs, { 1: "b" });
  await t.rejects(store.append(batch, 1), StoreAway);
  await t.rejects(store.append(batch, 2), StoreAway);
  await start();
  await committed(store, batch, 3);
  t.same(await recovered(store, [1]), ["section 1 a", "section 1 b"]);
});
