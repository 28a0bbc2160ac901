import t from "tap";
import { CutProxy } from "../support/cut-proxy.ts";
import { testDatabase } from "../support/postgres.ts";
import { temporaryFolder } from "../support/serve.ts";
import { open } from "./fixture.ts";

/** What a start says, from its first words on. */
const SAID = [
  "user",
  "server_version_num",
  "pg_try_advisory_lock",
  "pg_extension",
  "postgis_lib_version",
  "pg_has_role",
  "FROM mikro_orm_migrations",
  "FROM cluster",
  "INSERT INTO node",
];

t.test("[D51] a start on a server that falls silent in the middle of it ends in bounded time", async (t) => {
  const { url } = await testDatabase(t);
  const dataDir = await temporaryFolder(t);
  await Promise.all(
    SAID.map(async (silentAt) => {
      const proxy = await CutProxy.start(t, url);
      proxy.silentAt = silentAt;
      const began = performance.now();
      await t.rejects(open({ dataDir, databaseUrl: proxy.url }), {
        name: /^(StoreStartError|StoreAway)$/,
      });
      t.equal(proxy.mode, "silent", `at ${silentAt}`);
      t.ok(performance.now() - began < 30_000);
    }),
  );
});

t.test("[D51] nodes that start at once prepare the database one after the other", async (t) => {
  const { url } = await testDatabase(t);
  const dataDir = await temporaryFolder(t);
  const first = await open({ dataDir, databaseUrl: url });
  const { pool } = first.context;
  const other = await pool.connect();
  await other.query("SELECT pg_advisory_lock(7262901137)");
  const state = { over: false };
  const second = open({ dataDir, databaseUrl: url })
    .catch(() => undefined)
    .finally(() => {
      state.over = true;
    });
  // Longer than a silent server would be waited for.
  await new Promise((resolve) => setTimeout(resolve, 6_000));
  t.equal(state.over, false, "it waits for its turn");
  other.release(true);
  await first.close();
  await (await second)?.close();
  t.ok(state.over);
});
