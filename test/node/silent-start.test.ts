import { setTimeout as sleep } from "node:timers/promises";
import t from "tap";
import { CutProxy } from "../support/cut-proxy.ts";
import { testDatabase } from "../support/postgres.ts";
import { execute } from "../support/postgres-server.ts";
import { testRedis } from "../support/redis.ts";
import { run, serve, TOKEN, temporaryFolder } from "../support/serve.ts";

t.test(
  "[N12] a signal ends a start that hangs, and a database that is silent is told in a sentence",
  async (t) => {
    const { url } = await testDatabase(t);
    // A migration may take as long as it needs: nothing else ends this start.
    await execute(
      url,
      "DELETE FROM mikro_orm_migrations WHERE id = (SELECT max(id) FROM mikro_orm_migrations)",
    );
    const start = async (silentAt: string) => {
      const proxy = await CutProxy.start(t, url);
      proxy.silentAt = silentAt;
      const dataDir = await temporaryFolder(t);
      const env = { DATABASE_URL: proxy.url, PORT: "0", MUSTER_DATA_DIR: dataDir, MUSTER_ADMIN_TOKEN: TOKEN };
      const node = run(t, ["serve"], env);
      while (proxy.mode !== "silent") await sleep(20);
      return { ...node, proxy };
    };
    const silent = await start("pg_extension");
    t.equal(await silent.ended, 1);
    t.match(silent.output(), /^muster: the database went away while the node started: .*did not answer/m);

    const hung = await start("begin");
    hung.child.kill("SIGTERM");
    const at = performance.now();
    t.equal(await hung.ended, 1, "while its connections are open still");
    t.match(hung.output(), /stopping.*^muster: the start was not complete 15 s after the signal: given up/ms);
    t.ok(performance.now() - at < 25_000);
  },
);

t.test("[N12] a signal while a node with a demo joins its cluster anew ends it in order", async (t) => {
  const [{ url }, redis] = await Promise.all([testDatabase(t), testRedis(t)]);
  const env = {
    DATABASE_URL: url,
    REDIS_URL: redis,
    MUSTER_CLUSTER: `n12-${process.pid}`,
    LOG_LEVEL: "info",
  };
  const node = await serve(t, { dataDir: await temporaryFolder(t), args: ["--demo"], env });
  // A node elsewhere that renews, and runs without a cluster: nobody else gets in.
  const other = "00000000-0000-4000-8000-000000000001";
  const renew = async () =>
    execute(
      url,
      `INSERT INTO node (incarnation, url, version, pid, boot_id, lease_until)
       VALUES ($1, 'http://elsewhere', '0', 1, 'another machine', clock_timestamp() + interval '1 minute')
       ON CONFLICT (incarnation) DO UPDATE SET lease_until = excluded.lease_until`,
      [other],
    );
  await renew();
  await execute(url, "INSERT INTO fence (incarnation) VALUES ($1)", [other]);
  await execute(url, "UPDATE fence SET down = true WHERE incarnation <> $1", [other]);
  while (!/could not join anew/.test(node.output())) {
    await renew();
    await sleep(200);
  }
  const signalled = performance.now();
  const ended = node.end("SIGTERM");
  let renewed: Promise<unknown> = Promise.resolve();
  const renewing = setInterval(() => {
    renewed = renew();
  }, 200);
  t.equal(await ended, 0, node.output());
  clearInterval(renewing);
  await renewed;
  t.ok(performance.now() - signalled < 15_000);
  t.match(node.output(), /"msg":"stopped/);
});
