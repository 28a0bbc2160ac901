import { setTimeout as sleep } from "node:timers/promises";
import t from "tap";
import { CutProxy } from "../support/cut-proxy.ts";
import { testDatabase } from "../support/postgres.ts";
import { execute } from "../support/postgres-server.ts";
import { run, TOKEN, temporaryFolder } from "../support/serve.ts";

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
