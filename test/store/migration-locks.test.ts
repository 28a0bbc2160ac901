import { setTimeout as sleep } from "node:timers/promises";
import t from "tap";
import { systemClock } from "../../src/clock.ts";
import { holding } from "../support/locks.ts";
import { emptyDatabase, testDatabase } from "../support/postgres.ts";
import { execute } from "../support/postgres-server.ts";
import { temporaryFolder } from "../support/serve.ts";
import { KeptLog, open, openClustered } from "./fixture.ts";

/** It locks fence_version. */
const LAST = "20261128000700_fence-since";
const HELD = "the database is to be migrated, and someone holds a lock on its tables";

t.test(
  "[D60] a migration that a backup keeps waiting holds up nobody else, and tells who it is",
  async (t) => {
    const { url } = await testDatabase(t);
    const dataDir = await temporaryFolder(t);
    const old = await openClustered({ dataDir, databaseUrl: url });
    t.teardown(() => old.close());
    await execute(url, "DELETE FROM mikro_orm_migrations WHERE name = $1", [LAST]);
    const dump = new URL(url);
    dump.searchParams.set("application_name", "pg_dump");
    const release = await holding(t, dump.href, "LOCK TABLE fence_version IN ACCESS SHARE MODE");

    const log = new KeptLog();
    // It is told each 10 s of this clock; its timers are those of the machine.
    const clock = { ...systemClock, monotonic: () => systemClock.monotonic() * 5 };
    const state = { over: false };
    const starting = openClustered({ dataDir, databaseUrl: url, log, clock }).finally(() => {
      state.over = true;
    });
    const told = () => log.lines.filter(({ message }) => message.startsWith(HELD));
    let longest = 0;
    while (told().length < 2 && !state.over) {
      const began = performance.now();
      await old.fences.since(0, 10, 0);
      longest = Math.max(longest, performance.now() - began);
      await sleep(10);
    }
    t.ok(longest < 1_000, `a read of the old node took ${longest} ms`);
    t.match(log.lines[0], {
      level: "info",
      details: { steps: 1 },
      message: "the database is migrated first",
    });
    t.match(told()[0], {
      level: "warn",
      details: { holders: [/^process \d+ of postgres \(pg_dump\) for \d+ s$/] },
    });
    t.same(await execute(url, "SELECT FROM mikro_orm_migrations WHERE name = $1", [LAST]), []);
    t.equal(state.over, false);

    await release();
    await (await starting).close();
    t.equal((await execute(url, "SELECT FROM mikro_orm_migrations WHERE name = $1", [LAST])).length, 1);
  },
);

t.test(
  "[D60] neither a database that is made nor one that is up to date is told to be migrated",
  async (t) => {
    const { url } = await emptyDatabase(t);
    const options = { dataDir: await temporaryFolder(t), databaseUrl: url };
    for (const _ of ["made", "up to date"]) {
      const log = new KeptLog();
      await (await open({ ...options, log })).close();
      t.notOk(log.messages.includes("the database is migrated first"));
    }
  },
);
