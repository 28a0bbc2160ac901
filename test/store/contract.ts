// What both stores must do. Each test has shards of its own on one database, which is opened again where a test asks for it.
import type { Test } from "tap";
import type { RecoveryItem } from "../../src/actors/ports.ts";
import { appendFlush } from "../../src/store/append-flush.ts";
import type { Store, StoreOptions } from "../../src/store/store.ts";
import { rowOf } from "./contract-entity-rows.ts";
import { batchOf, committed, count, recovered, rows } from "./fixture.ts";

export interface Subject {
  /** Opens the one database of the test file, after it was closed. */
  open(options?: Partial<StoreOptions>): Promise<Store>;
}

const DAY_MS = 86_400_000;

/** @returns the store, which the test closes. */
export async function storeContract(t: Test, subject: Subject): Promise<Store> {
  let store = await subject.open();
  let flushNo = 0;
  const reopen = async (options?: Partial<StoreOptions>) => {
    await store.close();
    store = await subject.open(options);
    flushNo = 0;
  };
  t.teardown(() => store.close());

  await t.test(
    "[D1] what was appended comes back: sections of the shards asked for, in order, bit by bit",
    async (t) => {
      const epochs = await store.claim([1, 2, 3]);
      const bytes = Uint8Array.from({ length: 100_000 }, (_, i) => (i * 31) & 255);
      await committed(store, batchOf(++flushNo, epochs, { 1: "a", 3: bytes }));
      await committed(store, batchOf(++flushNo, epochs, { 1: "b", 2: "c" }));
      await committed(store, batchOf(++flushNo, epochs, { 2: "" }));
      t.same(await recovered(store, [1, 2]), ["section 1 a", "section 1 b", "section 2 c", "section 2 "]);
      let item: RecoveryItem | undefined;
      for await (const found of store.recover([3])) item = found;
      t.ok(item?.is === "section" && Buffer.from(item.section.body).equals(bytes));
      t.equal(item?.is === "section" && item.section.epoch, epochs.get(3));
      t.same(await recovered(store, []), []);
      await reopen();
      t.same(await recovered(store, [1]), ["section 1 a", "section 1 b"], "and after the next start");
    },
  );

  await t.test("[D1] more than one page comes back whole and in order", async (t) => {
    const epochs = await store.claim([4, 5]);
    for (let i = 0; i < 520; i++) await committed(store, batchOf(++flushNo, epochs, { 4: `${i}` }));
    for (let i = 0; i < 4; i++) {
      await committed(store, batchOf(++flushNo, epochs, { 5: Buffer.alloc(3 * 2 ** 20, `${i}`) }));
    }
    t.same(
      await recovered(store, [4]),
      Array.from({ length: 520 }, (_, i) => `section 4 ${i}`),
    );
    t.same(
      (await recovered(store, [5])).map((text) => text.slice(0, 11)),
      ["section 5 0", "section 5 1", "section 5 2", "section 5 3"],
    );
  });

  await t.test("[D2] a flush that is tried again is written once", async (t) => {
    const epochs = await store.claim([10]);
    const batch = batchOf(++flushNo, epochs, { 10: "once" }, [event(10, { n: 1 })]);
    const before = await count(store, "event");
    const id = await committed(store, batch);
    t.equal(await committed(store, batch, 2), id);
    t.equal(
      await committed(store, batch),
      id,
      "also if the first attempt lands after the look for its number",
    );
    t.same(await recovered(store, [10]), ["section 10 once"]);
    t.equal(await count(store, "event"), before + 1);
    const late = batchOf(++flushNo, epochs, { 10: "late" });
    await committed(store, late, 2);
    t.same(
      await recovered(store, [10]),
      ["section 10 once", "section 10 late"],
      "an attempt that had not landed",
    );
  });

  await t.test("[D3] what the fence does not let in leaves nothing behind", async (t) => {
    const epochs = await store.claim([11]);
    const events = await count(store, "event");
    await rows(store, "UPDATE fence SET gen = gen + 1 WHERE incarnation = $1", [store.incarnation]);
    const batch = batchOf(++flushNo, epochs, { 11: "stale" }, [event(11, {})]);
    t.same(await store.append(batch, 1), { status: "fenced" });
    t.same(await store.append(batch, 2), { status: "fenced" });
    t.equal(await store.write({ shard: 11, epoch: epochs.get(11)!, mark: 1, body: Buffer.from("x") }), false);
    t.same(await recovered(store, [11]), []);
    t.equal(await count(store, "event"), events);
    await store.claim([11]);
    await committed(store, batch);
  });

  await t.test(
    "[D3] a flush and a checkpoint that come after their shards were claimed again are not written",
    async (t) => {
      const epochs = await store.claim([12]);
      const [fence] = await rows<{ gen: number }>(store, "SELECT gen FROM fence WHERE incarnation = $1", [
        store.incarnation,
      ]);
      const again = await store.claim([12]);
      t.equal(again.get(12), epochs.get(12)! + 1, "the epoch rises, also of a shard that is one's own");
      const client = await store.context.pool.connect();
      const key = { incarnation: store.incarnation, gen: fence!.gen, ring: 0, era: 1 };
      t.equal(await appendFlush(client, key, batchOf(++flushNo, epochs, { 12: "hung" })), undefined);
      client.release();
      t.equal(
        await store.write({ shard: 12, epoch: epochs.get(12)!, mark: 1, body: Buffer.from("old") }),
        false,
      );
      t.same(await recovered(store, [12]), []);
    },
  );

  await t.test(
    "[D4] data that PostgreSQL refuses is reported as poisoned and leaves nothing behind",
    async (t) => {
      const epochs = await store.claim([13]);
      const events = await count(store, "event");
      for (const data of [{ text: "a\u0000b" }, { text: "\ud800" }]) {
        const batch = batchOf(++flushNo, epochs, { 13: "bad" }, [event(13, { fine: 1 }), event(13, data)]);
        t.match(await store.append(batch, 1), { status: "poisoned", detail: String });
      }
      t.same(await recovered(store, [13]), []);
      t.equal(await count(store, "event"), events);
      await committed(store, batchOf(++flushNo, epochs, { 13: "good" }, [event(13, { fine: 1 })]));
    },
  );

  await t.test("[D5] a checkpoint replaces the one before, and recovery goes on from its mark", async (t) => {
    const epochs = await store.claim([20, 21]);
    const epoch = epochs.get(20)!;
    const first = await committed(store, batchOf(++flushNo, epochs, { 20: "a", 21: "x" }));
    t.equal(await store.write({ shard: 20, epoch, mark: first, body: Buffer.from("A") }), true);
    const second = await committed(store, batchOf(++flushNo, epochs, { 20: "b" }));
    t.same(await recovered(store, [20, 21]), [`checkpoint 20@${first} A`, "section 21 x", "section 20 b"]);
    const large = Buffer.alloc(3_000_000, "B");
    t.equal(await store.write({ shard: 20, epoch, mark: second, body: large }), true);
    t.same(await recovered(store, [20]), [`checkpoint 20@${second} ${large}`]);
    await store.claim([20]);
    t.equal(
      await store.write({ shard: 20, epoch, mark: second, body: Buffer.from("old") }),
      false,
      "an older epoch",
    );
    t.same(await recovered(store, [20]), [`checkpoint 20@${second} ${large}`]);
  });

  await t.test("[D6] epochs rise with each claim and each start", async (t) => {
    const first = await store.claim([30, 31]);
    const second = await store.claim([30]);
    t.equal(second.get(30), first.get(30)! + 1);
    const { incarnation } = store;
    await reopen();
    t.not(store.incarnation, incarnation);
    t.same(
      await store.claim([30, 31]),
      new Map([
        [30, first.get(30)! + 2],
        [31, first.get(31)! + 1],
      ]),
    );
  });

  await t.test(
    "[D7] the journal's parts are used again once all checkpoints have passed, and not before",
    async (t) => {
      await reopen({ journalPartBytes: 50_000 });
      const all = Array.from({ length: 256 }, (_, shard) => shard);
      const epochs = await store.claim(all);
      // What earlier tests left.
      const settle = async (mark: number) => {
        for (const shard of all) {
          await store.write({ shard, epoch: epochs.get(shard)!, mark, body: Buffer.from(`${shard}`) });
        }
      };
      let last = await committed(store, batchOf(++flushNo, epochs, { 40: "start" }));
      await settle(last);
      const parts = new Set<number>();
      const body = Buffer.alloc(10_000, "x");
      const first = last;
      const isThere = async () =>
        (await rows(store, "SELECT FROM journal WHERE id = $1", [first])).length > 0;
      // Parts are emptied beside flushes, so how many there are until then depends on the machine.
      while (parts.size < 4 || (await isThere())) {
        last = await committed(store, batchOf(++flushNo, epochs, { 40: body }));
        await store.write({ shard: 40, epoch: epochs.get(40)!, mark: last, body: Buffer.from("c") });
        const [row] = await rows<{ ring: number }>(store, "SELECT ring FROM journal WHERE id = $1", [last]);
        parts.add(row!.ring);
      }
      t.same([...parts].sort(), [0, 1, 2, 3], "it went round");
      t.same(await recovered(store, [40]), [`checkpoint 40@${last} c`]);

      await committed(store, batchOf(++flushNo, epochs, { 41: "kept" }));
      for (let i = 0; i < 60; i++) await committed(store, batchOf(++flushNo, epochs, { 40: body }));
      t.same(await recovered(store, [41]), [
        `checkpoint 41@${await markOf(store, 41)} 41`,
        "section 41 kept",
      ]);
      t.equal((await recovered(store, [40])).length, 61, "nothing that a checkpoint lacks is emptied");
      await reopen({ journalPartBytes: 50_000 });
      const again = await store.claim([40]);
      for (let i = 0; i < 30; i++) await committed(store, batchOf(++flushNo, again, { 40: body }));
      t.ok(
        (await recovered(store, [41])).includes("section 41 kept"),
        "nor after a start, before anything is recovered",
      );
      await reopen();
    },
  );

  await t.test("[D8] bodies are stored outside the row, uncompressed", async (t) => {
    const found = await rows<{ name: string; storage: string }>(
      store,
      `SELECT attrelid::regclass::text AS name, attstorage AS storage FROM pg_attribute
       WHERE attname = 'body' AND attrelid::regclass::text ~ '^(journal|checkpoint)' ORDER BY 1`,
    );
    t.same(
      found.map(({ name, storage }) => `${name} ${storage}`),
      ["checkpoint e", "journal e", "journal_0 e", "journal_1 e", "journal_2 e", "journal_3 e"],
    );
  });

  await t.test(
    "[D42] what is inserted into the journal is not vacuumed, nor where its bodies are",
    async (t) => {
      const vacuumed = await rows<{ name: string; options: string[] }>(
        store,
        `SELECT part.relname AS name, part.reloptions || outside.reloptions AS options
       FROM pg_class AS part JOIN pg_class AS outside ON outside.oid = part.reltoastrelid
       WHERE part.relname ~ '^journal_[0-9]$' ORDER BY 1`,
      );
      const off = "autovacuum_vacuum_insert_threshold=-1";
      t.same(
        vacuumed,
        [0, 1, 2, 3].map((part) => ({ name: `journal_${part}`, options: [off, off] })),
      );
    },
  );

  await t.test(
    "[D16] a newer offer of a shard takes the place of one that waits, and rows are written at a bounded rate",
    async (t) => {
      const made: string[] = [];
      const epochs = await store.claim([61, 62, 63]);
      const offer = (shard: number, name: string, n: number) =>
        new Promise<void>((resolve) => {
          store.snapshot.offer(
            shard,
            epochs.get(shard)!,
            async () => {
              made.push(name);
              return Array.from({ length: n }, (_, i) => rowOf(`${name}-${i}`, 1, 1));
            },
            resolve,
          );
        });
      const began = performance.now();
      const first = offer(61, "first", 1_000);
      void offer(62, "replaced", 1);
      const last = offer(62, "last", 1);
      await Promise.all([first, last]);
      t.same(made, ["first", "last"]);
      t.ok(performance.now() - began > 150, "1,000 rows take a fifth of a second");
      t.equal(await count(store, "entity WHERE id LIKE 'first-%'"), 1_000);
      store.snapshot.offer(
        63,
        epochs.get(63)!,
        async () => [rowOf("at-the-end", 1, 1)],
        () => {},
      );
      await reopen();
      t.equal(
        await count(store, "entity WHERE id = 'at-the-end'"),
        1,
        "what waits is written at a clean stop",
      );
    },
  );

  await t.test(
    "[D17] events are rows of their flush, in the partition of the day they were recorded",
    async (t) => {
      const epochs = await store.claim([50]);
      const data = { from: "moving", to: "stopped", ключ: "ü", n: 1.5 };
      await committed(
        store,
        batchOf(++flushNo, epochs, { 50: "e" }, [{ ...event(50, data), time: 1_400_000_000_123 }]),
      );
      const [row] = await rows<Record<string, unknown>>(
        store,
        `SELECT tableoid::regclass::text AS part, shard, type, subject, (extract(epoch FROM time) * 1000)::float8 AS time, data,
       'event_' || to_char(now() AT TIME ZONE 'UTC', 'YYYYMMDD') AS today, xid IS NOT NULL AS xid FROM event ORDER BY id DESC LIMIT 1`,
      );
      t.match(row, {
        shard: 50,
        type: "state.changed",
        subject: "e1",
        time: 1_400_000_000_123,
        data,
        xid: true,
      });
      t.equal(row?.part, row?.today);
      const ahead = new Date(Date.now() + DAY_MS).toISOString().slice(0, 10).replaceAll("-", "");
      t.same(await rows(store, "SELECT to_regclass($1) IS NOT NULL AS there", [`event_${ahead}`]), [
        { there: true },
      ]);
    },
  );

  await t.test(
    "[D17] a day whose events are in the default partition does not keep the store from opening",
    async (t) => {
      const today = (
        await rows<{ name: string }>(
          store,
          "SELECT 'event_' || to_char(now() AT TIME ZONE 'UTC', 'YYYYMMDD') AS name",
        )
      )[0]!.name;
      await rows(store, `DROP TABLE ${today}`);
      const epochs = await store.claim([51]);
      await committed(store, batchOf(++flushNo, epochs, { 51: "e" }, [event(51, {})]));
      t.equal(await count(store, "event_default"), 1);
      await reopen();
      t.equal(await count(store, "event_default"), 1);
      await rows(store, "DELETE FROM event_default");
    },
  );
  return store;
}

function event(shard: number, data: Record<string, string | number>) {
  return { shard, type: "state.changed", subject: "e1", time: 1_000, data };
}

async function markOf(store: Store, shard: number): Promise<number> {
  const [row] = await rows<{ mark: number }>(
    store,
    "SELECT checkpoint::float8 AS mark FROM mark WHERE shard = $1",
    [shard],
  );
  return row!.mark;
}
