import type pg from "pg";
import t from "tap";
import { systemClock } from "../../../src/clock.ts";
import { MAX_UNIT_BYTES } from "../../../src/limits.ts";
import { queryUnit, UnitReader } from "../../../src/store/embedded/units.ts";
import { UnitTooLarge } from "../../../src/store/errors.ts";
import { madeDataDir } from "../../support/data-dir.ts";
import { connected, opened } from "./connected.ts";

t.test("clients of the embedded database", async (t) => {
  const database = await opened(t, await madeDataDir(t), systemClock);
  const connect = () => connected(database);
  const value = async (client: pg.Client, sql: string, values?: unknown[]) =>
    Object.values((await client.query(sql, values)).rows[0] as object)[0] as unknown;

  await t.test("[D15] rows of two clients that write at once land in their own tables", async (t) => {
    const [a, b] = [await connect(), await connect()];
    await a.query("CREATE TABLE of_a (client text, n int)");
    await a.query("CREATE TABLE of_b (client text, n int)");
    const write = (client: pg.Client, name: string) =>
      Promise.all(
        Array.from({ length: 100 }, (_, n) =>
          client.query(`INSERT INTO of_${name} VALUES ($1, $2)`, [name, n]),
        ),
      );
    await Promise.all([write(a, "a"), write(b, "b")]);
    for (const name of ["a", "b"]) {
      const { rows } = await a.query(`SELECT client, n FROM of_${name} ORDER BY n`);
      t.same(
        rows,
        Array.from({ length: 100 }, (_, n) => ({ client: name, n })),
      );
    }
    await Promise.all([a.end(), b.end()]);
  });

  await t.test("[D53] statements that fail take nothing from it, however many", async (t) => {
    const client = await connect();
    const codes = new Map<unknown, number>();
    for (let n = 0; n < 3_500; n++) {
      const code = await client.query("SELECT 1 / 0").then(
        () => "none",
        (error: pg.DatabaseError) => error.code,
      );
      codes.set(code, (codes.get(code) ?? 0) + 1);
    }
    t.same([...codes], [["22012", 3_500]]);
    t.equal(await value(client, "SELECT 1"), 1);
    await client.end();
  });

  await t.test("[D15] large parameters of two clients arrive whole", async (t) => {
    const clients = [await connect(), await connect()];
    const answers = clients.map(async (client, i) => {
      const texts = [];
      for (let n = 0; n < 5; n++) {
        const text = `${i}${n}`.repeat(150_000);
        texts.push((await value(client, "SELECT $1::text AS text", [text])) === text);
      }
      return texts;
    });
    t.same((await Promise.all(answers)).flat(), Array(10).fill(true));
    await Promise.all(clients.map((client) => client.end()));
  });

  await t.test(
    "[D15] after an error the next answers are those of their statements, for all clients",
    async (t) => {
      const [a, b] = [await connect(), await connect()];
      const results = await Promise.allSettled([
        value(a, "SELECT 1"),
        value(a, "SELECT 1 / $1::int", [0]),
        value(b, "SELECT 2"),
        value(a, "SELECT 3"),
        value(b, "SELECT nonsense"),
        value(b, "SELECT $1::int", [4]),
        value(a, "SELECT 5"),
      ]);
      t.same(
        results.map((result) => (result.status === "fulfilled" ? result.value : result.reason.code)),
        [1, "22012", 2, 3, "42703", 4, 5],
      );
      await Promise.all([a.end(), b.end()]);
    },
  );

  await t.test("[D15] each client has its own prepared statements, under whatever name", async (t) => {
    const [a, b] = [await connect(), await connect()];
    const ask = async (client: pg.Client, text: string) =>
      (await client.query({ name: "same", text, values: [20] })).rows[0].answer;
    for (let i = 0; i < 2; i++) {
      t.equal(await ask(a, "SELECT $1::int + 1 AS answer"), 21);
      t.equal(await ask(b, "SELECT $1::int + 2 AS answer"), 22);
    }
    await b.end();
    t.equal(await ask(a, "SELECT $1::int + 1 AS answer"), 21, "the other's end does not touch it");
    const c = await connect();
    t.equal(
      await value(c, "SELECT count(*)::int FROM pg_prepared_statements"),
      1,
      "what it had is forgotten",
    );
    await Promise.all([a.end(), c.end()]);
  });

  await t.test(
    "[D15] others wait while a client is inside a transaction, and see all of it or nothing",
    async (t) => {
      const [a, b] = [await connect(), await connect()];
      await a.query("CREATE TABLE pairs (n int)");
      await a.query("BEGIN");
      await a.query("INSERT INTO pairs VALUES (1)");
      const seen = value(b, "SELECT count(*)::int FROM pairs");
      await a.query("INSERT INTO pairs VALUES (2)");
      await a.query("COMMIT");
      t.equal(await seen, 2);
      await a.query("BEGIN");
      await t.rejects(a.query("SELECT 1 / 0"));
      const after = value(b, "SELECT count(*)::int FROM pairs");
      await t.rejects(
        a.query("SELECT 1"),
        /current transaction is aborted/,
        "a failed transaction is still one",
      );
      await a.query("ROLLBACK");
      t.equal(await after, 2);
      await Promise.all([a.end(), b.end()]);
    },
  );

  await t.test(
    "[D15] a client that dies inside a transaction is rolled back, and the others go on",
    async (t) => {
      const [a, b] = [await connect(), await connect()];
      await a.query("CREATE TABLE orphan (n int)");
      await a.query("BEGIN");
      await a.query("INSERT INTO orphan VALUES (1)");
      const { stream } = (a as unknown as { connection: { stream: { destroy(): void } } }).connection;
      const seen = value(b, "SELECT count(*)::int FROM orphan");
      stream.destroy();
      t.equal(await seen, 0);
      await b.query("INSERT INTO orphan VALUES (2)");
      t.equal(await value(b, "SELECT sum(n)::int FROM orphan"), 2);
      await b.end();
    },
  );

  await t.test("[D15] a client that dies while its statement runs leaves nothing half done", async (t) => {
    const [a, b] = [await connect(), await connect()];
    await a.query("CREATE TABLE running (n int)");
    await a.query("BEGIN");
    const dying = a.query("INSERT INTO running SELECT generate_series(1, 1000)").catch(() => {});
    const waiting = a.query("INSERT INTO running VALUES (0)").catch(() => {});
    const { stream } = (a as unknown as { connection: { stream: { destroy(): void } } }).connection;
    setImmediate(() => stream.destroy());
    await Promise.all([dying, waiting]);
    t.equal(await value(b, "SELECT count(*)::int FROM running"), 0);
    t.equal(await value(b, "SELECT pg_current_xact_id_if_assigned() IS NULL"), true);
    await b.end();
  });

  await t.test(
    "[D15] a statement that is too large is refused, and the client's connection with it",
    async (t) => {
      const [a, b] = [await connect(), await connect()];
      await t.rejects(a.query("SELECT length($1::text)", ["x".repeat(MAX_UNIT_BYTES + 1)]), UnitTooLarge);
      t.equal(await value(b, "SELECT 1"), 1);
      await b.end();
    },
  );

  await t.test("[D15] when the database is closed, who waits is told", async (t) => {
    const a = await connect();
    const waiting = a.query("SELECT pg_sleep(0.2)");
    const refused = t.rejects(waiting, /closed/);
    await database.close();
    await refused;
    await t.rejects(a.query("SELECT 1"));
  });
});

t.test("[D15] units are cut the same however the bytes arrive", async (t) => {
  const startup = Buffer.from([0, 0, 0, 8, 0, 3, 0, 0]);
  const query = queryUnit("SELECT 1");
  const message = (type: string, body: string) => {
    const bytes = Buffer.from(`${type}0000${body}`, "latin1");
    bytes.writeUInt32BE(bytes.length - 1, 1);
    return bytes;
  };
  const extended = [
    message("P", "name\0SELECT $1\0\0\0"),
    message("B", "\0name\0\0\0\0\0\0\0"),
    message("D", "Sname\0"),
    message("E", "\0\0\0\0\0"),
    message("S", ""),
  ];
  const bytes = Buffer.concat([startup, query, ...extended, query, message("X", "")]);
  const cut = (step: number) => {
    const reader = new UnitReader("c1_");
    const units = [];
    for (let at = 0; at < bytes.length; at += step) units.push(...reader.push(bytes.subarray(at, at + step)));
    return { units, statements: [...reader.statements] };
  };
  const whole = cut(bytes.length);
  t.same(
    whole.units.map((unit) => unit.is),
    ["startup", "unit", "unit", "unit", "terminate"],
  );
  const named = whole.units[2];
  t.equal(named?.is === "unit" && named.bytes.toString("latin1").split("c1_name\0").length - 1, 3);
  t.same(whole.statements, ["c1_name"]);
  for (const step of [1, 2, 3, 7, 64]) t.same(cut(step), whole, `${step} bytes at a time`);
});
