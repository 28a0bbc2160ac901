import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import t from "tap";
import type { StoreStartCode } from "../../src/store/errors.ts";
import { LEASE_SECONDS } from "../../src/store/membership.ts";
import { bootId, UNKNOWN_BOOT } from "../../src/store/process-identity.ts";
import { emptyDatabase } from "../support/postgres.ts";
import { execute } from "../support/postgres-server.ts";
import { temporaryFolder } from "../support/serve.ts";
import { batchOf, committed, open, recovered } from "./fixture.ts";

/** A process id that no process has. */
const NOBODY = 2 ** 22 + 1;
const refused = (code: StoreStartCode, message: RegExp) => ({ name: "StoreStartError", code, message });

t.test("a server", async (t) => {
  const { url } = await emptyDatabase(t);
  const dataDir = await temporaryFolder(t);

  await t.test(
    "[D14] a server that cannot be reached or used is refused with a sentence, without the password",
    async (t) => {
      const nowhere = "postgresql://someone:secret@127.0.0.1:1/muster";
      const error = await open({ dataDir, databaseUrl: nowhere }).then(
        () => undefined,
        (error: Error) => error,
      );
      t.match(
        error,
        refused(
          "cannot-connect",
          /cannot connect to postgresql:\/\/someone:\*\*\*@127.0.0.1:1\/muster: .*ECONNREFUSED/,
        ),
      );
      t.notMatch(error?.message, /secret/);
      const missing = new URL(url);
      missing.pathname = "/nosuch";
      await t.rejects(
        open({ dataDir, databaseUrl: missing.href }),
        refused("cannot-connect", /"nosuch" does not exist/),
      );
    },
  );

  await t.test("[D14] a password that is a parameter of the URL is not shown either", async (t) => {
    const nowhere =
      "postgresql://someone@127.0.0.1:1/muster?password=secret&sslpassword=secret&application_name=x";
    await t.rejects(open({ dataDir, databaseUrl: nowhere }), {
      code: "cannot-connect",
      message: /muster\?password=\*\*\*&sslpassword=\*\*\*&application_name=x: /,
    });
  });

  await t.test("[D14] a database that takes no changes is refused with a sentence of its own", async (t) => {
    const name = new URL(url).pathname.slice(1);
    await execute(url, `ALTER DATABASE ${name} SET default_transaction_read_only = on`);
    await t.rejects(
      open({ dataDir, databaseUrl: url }),
      refused("read-only", /takes no changes: it is a standby, or set to read only/),
    );
    await execute(
      url,
      `BEGIN READ WRITE; ALTER DATABASE ${name} RESET default_transaction_read_only; COMMIT`,
    );
  });

  await t.test("[D14] a user who may not create PostGIS is told what to do", async (t) => {
    await execute(url, "DROP EXTENSION postgis");
    const name = `plain_${Date.now()}`;
    await execute(url, `CREATE ROLE ${name} LOGIN PASSWORD 'plain'`);
    await execute(
      url,
      `GRANT ALL ON DATABASE ${new URL(url).pathname.slice(1)} TO ${name}; GRANT ALL ON SCHEMA public TO ${name}`,
    );
    t.teardown(() => execute(url, `DROP OWNED BY ${name} CASCADE; DROP ROLE ${name}`));
    const plain = new URL(url);
    plain.username = name;
    plain.password = "plain";
    await t.rejects(
      open({ dataDir, databaseUrl: plain.href }),
      refused("no-postgis", /has no PostGIS \(permission denied.*install it/),
    );
    await execute(url, "CREATE EXTENSION postgis");
    const store = await open({ dataDir, databaseUrl: plain.href });
    t.equal(store.kind, "postgresql", "once it is there no superuser is needed");
    await store.close();
    await execute(url, `DROP OWNED BY ${name} CASCADE`);
  });

  await t.test("[D13] a second start on a database in use is refused with a sentence", async (t) => {
    const store = await open({ dataDir, databaseUrl: url });
    await t.rejects(
      open({ dataDir, databaseUrl: url }),
      refused("in-use-by-another-node", /in use by the node at http:\/\/127.0.0.1:8080 \(process \d+\)/),
    );
    const epochs = await store.claim([1]);
    await committed(store, batchOf(1, epochs, { 1: "still there" }));
    await store.close();
    const next = await open({ dataDir, databaseUrl: url });
    t.same(await recovered(next, [1]), ["section 1 still there"]);
    await next.close();
  });

  await t.test("[D19] a node whose process is gone is evicted at once", async (t) => {
    const dead = await pretend({ pid: NOBODY, bootId: bootId(), lease: "1 hour" });
    const store = await open({ dataDir, databaseUrl: url });
    t.same(await execute(url, "SELECT down FROM fence WHERE incarnation = $1", [dead]), [{ down: true }]);
    const [left] = await execute(
      url,
      "SELECT lease_until > clock_timestamp() + interval '1 minute' AS long FROM node WHERE incarnation = $1",
      [dead],
    );
    t.same(left, { long: true }, "its lease is not waited for");
    t.equal((await store.claim([2])).size, 1, "its shards are free");
    await store.close();
  });

  await t.test(
    "[D19] a node elsewhere that does not renew is waited for until its lease has run out",
    async (t) => {
      const other = await pretend({ pid: 1, bootId: "another machine", lease: "1.5 seconds" });
      const store = await open({ dataDir, databaseUrl: url });
      const [joined] = await execute(
        url,
        `SELECT own.lease_until - make_interval(secs => ${LEASE_SECONDS}) >= other.lease_until AS after
         FROM node own, node other WHERE own.incarnation = $1 AND other.incarnation = $2`,
        [store.incarnation, other],
      );
      t.same(joined, { after: true });
      await store.close();
    },
  );

  await t.test("[D19] where boots cannot be told apart, nobody's process is taken for gone", async (t) => {
    const { readFileSync } = fs;
    const restore = () => {
      fs.readFileSync = readFileSync;
      syncBuiltinESMExports();
    };
    t.teardown(restore);
    // As on macOS, which has no /proc.
    fs.readFileSync = ((...args: Parameters<typeof readFileSync>) => {
      if (String(args[0]).startsWith("/proc/")) throw new Error("no such file");
      return readFileSync(...args);
    }) as typeof readFileSync;
    syncBuiltinESMExports();
    t.equal(bootId(), UNKNOWN_BOOT);
    const other = await pretend({ pid: NOBODY, bootId: bootId(), lease: "1 hour" });
    const renewed = setInterval(() => {
      void execute(
        url,
        "UPDATE node SET lease_until = lease_until + interval '1 second' WHERE incarnation = $1",
        [other],
      );
    }, 200);
    t.teardown(() => clearInterval(renewed));
    await t.rejects(
      open({ dataDir, databaseUrl: url }),
      refused("in-use-by-another-node", /in use by the node at http:\/\/elsewhere/),
    );
    clearInterval(renewed);
    t.same(await execute(url, "SELECT down FROM fence WHERE incarnation = $1", [other]), [{ down: false }]);
    await execute(url, "UPDATE fence SET down = true WHERE incarnation = $1", [other]);
  });

  await t.test("[D18] a node that was evicted is told, and writes nothing any more", async (t) => {
    const store = await open({ dataDir, databaseUrl: url });
    const down = new Promise<Error>((resolve) => store.onDown(resolve));
    const epochs = await store.claim([3]);
    const mark = await committed(store, batchOf(1, epochs, { 3: "mine" }));
    await execute(url, "UPDATE fence SET down = true WHERE incarnation = $1", [store.incarnation]);
    t.same(await store.append(batchOf(2, epochs, { 3: "stale" }), 1), { status: "fenced" });
    t.equal(await store.write({ shard: 3, epoch: epochs.get(3)!, mark, body: Buffer.from("x") }), false);
    t.match(await down, { message: /another node has taken this node's place/ }, "by its next renewal");
    await t.rejects(store.claim([3]));
    t.same(await recovered(store, [3]), ["section 3 mine"]);
    await store.close();
  });

  await t.test("[D14] a database that a newer program migrated is refused with a sentence", async (t) => {
    await execute(url, "INSERT INTO mikro_orm_migrations (name) VALUES ('29990101000000_future')");
    await t.rejects(
      open({ dataDir, databaseUrl: url }),
      refused("newer-schema", /migrated by a newer Muster \(29990101000000_future\)/),
    );
    await execute(url, "DELETE FROM mikro_orm_migrations WHERE name LIKE '2999%'");
  });

  await t.test("[D14] a database of another cluster is refused with a sentence", async (t) => {
    await execute(url, "UPDATE cluster SET shards = 512");
    await t.rejects(open({ dataDir, databaseUrl: url }), refused("another-cluster", /512/));
  });

  async function pretend(node: { pid: number; bootId: string; lease: string }): Promise<string> {
    const [row] = await execute<{ incarnation: string }>(
      url,
      `INSERT INTO node (incarnation, url, version, pid, boot_id, lease_until)
       VALUES (gen_random_uuid(), 'http://elsewhere', '0', $1, $2, clock_timestamp() + $3::interval) RETURNING incarnation`,
      [node.pid, node.bootId, node.lease],
    );
    await execute(url, "INSERT INTO fence (incarnation) VALUES ($1)", [row!.incarnation]);
    await execute(url, "UPDATE shard SET owner = $1 WHERE id = 2", [row!.incarnation]);
    return row!.incarnation;
  }
});
