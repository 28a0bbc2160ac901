import t, { type Test } from "tap";
import { numbersOf } from "../../src/store/binary-values.ts";
import { copyRows } from "../../src/store/copy-rows.ts";
import { withClient } from "../../src/store/session.ts";
import type { Store } from "../../src/store/store.ts";
import { openEmbedded, openOnPostgres } from "../events/rig.ts";
import { fc } from "../support/seeded.ts";

for (const [kind, open] of Object.entries({ postgresql: openOnPostgres, embedded: openEmbedded })) {
  t.test(`[D62] rows are read in binary as they are, also many and large ones (${kind})`, async (t) => {
    const store = await opened(t, open);
    const read = (select: string) => withClient(store.context, (client) => copyRows(client, select));
    t.same(await read("SELECT 1::int WHERE false"), []);
    const [row] = await read(
      "SELECT 7::bigint, -2::int, ''::bytea, 'ä'::text, '{3,-4}'::smallint[], '{}'::int[]",
    );
    const [id, number, none, text, list, empty] = row!;
    t.same([id!.readBigInt64BE(), number!.readInt32BE(), none!.length], [7n, -2, 0]);
    t.same([String(text), numbersOf(list!), numbersOf(empty!)], ["ä", [3, -4], []]);
    const many = await read(
      "SELECT i, repeat(chr(97 + i % 26), i * 10)::bytea FROM generate_series(0, 2000) AS i",
    );
    t.equal(many.length, 2_001);
    t.notOk(
      many.find(([i, bytes], at) => {
        const wanted = String.fromCharCode(97 + (at % 26)).repeat(at * 10);
        return i!.readInt32BE() !== at || String(bytes) !== wanted;
      }),
    );
    const large = await read("SELECT decode(repeat('00ff0a22', 2000000), 'hex')");
    t.equal(large[0]![0]!.length, 8_000_000);
    t.equal(large[0]![0]!.readUInt32BE(4_000_000), 0x00ff0a22);
  });

  t.test(`[D62] a mistake in what is asked ends that, and nothing else (${kind})`, async (t) => {
    const store = await opened(t, open);
    await withClient(store.context, async (client) => {
      await t.rejects(copyRows(client, "SELECT 1 / (3 - i) FROM generate_series(1, 5) AS i"), {
        code: "22012",
      });
      await t.rejects(copyRows(client, "SELECT nothing"), { code: "42703" });
      t.equal((await copyRows(client, "SELECT 1::int")).length, 1);
      t.same((await client.query("SELECT 2 AS two")).rows, [{ two: 2 }]);
    });
  });

  t.test(`[D62] any bytes come as they were written (${kind})`, async (t) => {
    const store = await opened(t, open);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ maxLength: 200 }), { minLength: 1, maxLength: 20 }),
        async (values) => {
          const rows = values.map((bytes, i) => `(${i}, '\\x${Buffer.from(bytes).toString("hex")}'::bytea)`);
          const read = await withClient(store.context, (client) =>
            copyRows(client, `SELECT bytes FROM (VALUES ${rows}) AS v (i, bytes) ORDER BY i`),
          );
          t.same(
            read.map(([bytes]) => [...bytes!]),
            values.map((bytes) => [...bytes]),
          );
        },
      ),
      { numRuns: 20 },
    );
  });
}

async function opened(t: Test, open: (t: Test) => Promise<Store>): Promise<Store> {
  const store = await open(t);
  t.teardown(() => store.close());
  return store;
}
