import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import t from "tap";
import { MIGRATIONS } from "../../src/store/orm.ts";
import { testDatabase } from "../support/postgres.ts";
import { execute } from "../support/postgres-server.ts";
import { temporaryFolder } from "../support/serve.ts";
import { open } from "./fixture.ts";

/** Of each file; a new migration adds its own (`sha256sum migrations/*`, 16 digits), and no other line changes. */
const COMMITTED: Record<string, string> = {
  "20261124000000_initial.ts": "c489c26bdda8ca24",
  "20261126000000_cluster.ts": "cbd51471eefa1af5",
  "20261127000000_tracks.ts": "731c15ee9d7aa8c2",
  "20261127000001_events.ts": "45a1756ad38d24ec",
  "20261127000100_webhooks.ts": "b546c66db73d995b",
  "20261127000300_machines.ts": "2c216f0608b3c8ed",
  "20261127000400_fences.ts": "8d8c590145e4ad65",
  "20261127000500_occupancy.ts": "5679109ecda56102",
  "20261128000000_journal-vacuum.ts": "1afcb40500d3bebe",
  "20261128000300_standing-fences.ts": "47a454ca3cb3875d",
  "20261128000400_webhook-step.ts": "42199aa0aff84c94",
  "20261128000500_letter-indexes.ts": "1a2c52e066d63270",
  "20261128000600_letter-refusals.ts": "cef55600df661b02",
  "20261128000700_fence-since.ts": "299a539dbd1ee4fb",
  "20261128000800_letters-aside.ts": "7710b496a1c7e678",
  "20261129000000_event-ids.ts": "54fa699769bf761c",
  "20261129000100_access.ts": "3c2890541c3c756c",
};

t.test("[D58] a migration that was committed never changes", async (t) => {
  const folder = new URL("../../migrations/", import.meta.url);
  const files = readdirSync(folder).sort();
  for (const name of files) {
    const hash = createHash("sha256").update(readFileSync(new URL(name, folder)));
    t.equal(hash.digest("hex").slice(0, 16), COMMITTED[name], `${name} is as it was committed`);
  }
  t.same(Object.keys(COMMITTED), files);
  t.same(
    MIGRATIONS.map(({ migrationName }) => `${migrationName}.ts`),
    files,
  );
});

t.test("[D58] fences of a database from before they told since when they are there are read", async (t) => {
  const { url } = await testDatabase(t);
  await execute(
    url,
    `ALTER TABLE fence_version DROP COLUMN since;
     DELETE FROM mikro_orm_migrations WHERE name = '20261128000700_fence-since';
     INSERT INTO fence_version (name, version, revision, definition, points, is_newest) VALUES
       ('dock', 1, 1, '{}', 4, false), ('dock', 2, 2, '{}', 4, false), ('dock', 3, 3, NULL, 0, false),
       ('dock', 4, 5, '{}', 4, false), ('dock', 5, 6, '{}', 4, true), ('pier', 1, 4, NULL, 0, true)`,
  );
  const store = await open({ dataDir: await temporaryFolder(t), databaseUrl: url });
  t.teardown(() => store.close());
  t.same(
    (await store.fences.since(0, 10, 0)).map(({ name, version, since }) => [name, version, since]),
    [
      ["pier", 1, 1],
      ["dock", 5, 4],
    ],
  );
  const all = await execute<{ since: number }>(url, "SELECT since FROM fence_version ORDER BY revision");
  t.same(
    all.map(({ since }) => since),
    [1, 1, 3, 1, 4, 4],
  );
  const [column] = await execute(
    url,
    "SELECT attnotnull FROM pg_attribute WHERE attrelid = 'fence_version'::regclass AND attname = 'since'",
  );
  t.same(column, { attnotnull: true });
});
