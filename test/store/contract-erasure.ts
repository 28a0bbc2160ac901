// What both stores must do about entities that are deleted, on a database that may have been used before.
import type { Test } from "tap";
import type { SnapshotRow } from "../../src/store/snapshot.ts";
import type { Store } from "../../src/store/store.ts";
import { tablesWith } from "../support/search-database.ts";
import { batchOf, committed, recovered, rows } from "./fixture.ts";

const SHARD = 90;
const ID = "erased/'ü";
/** More than one statement deletes, and more than one page of the journal. */
const MANY = 510;

export async function erasureContract(t: Test, store: Store): Promise<void> {
  const epochs = await store.claim([SHARD, SHARD + 1]);
  const epoch = epochs.get(SHARD)!;
  const owned = { shard: SHARD, epoch };
  const stale = { shard: SHARD, epoch: epoch - 1 };
  const find = () => tablesWith(store.context.pool, ID);
  let flushNo = 0;
  const listed = (id: string) =>
    new Promise<void>((resolve) => store.snapshot.offer(SHARD, epoch, () => [rowOf(id, epoch)], resolve));

  await t.test("[D35] the row of a deleted entity goes, and only its owner's word counts", async (t) => {
    await listed(ID);
    await listed("kept");
    t.equal(await store.erasure.unlist(stale, ID), false);
    t.same(await find(), ["entity"]);
    t.equal(await store.erasure.unlist(owned, ID), true);
    t.same(await find(), []);
    t.equal(await store.erasure.unlist(owned, ID), true, "once more");
    t.equal((await rows(store, "SELECT FROM entity WHERE id = 'kept'")).length, 1);
  });

  await t.test("[D35] a row that is being written when its entity is deleted goes too", async (t) => {
    const writing = listed(ID);
    const gone = store.erasure.unlist(owned, ID);
    await Promise.all([writing, gone]);
    t.same(await find(), []);
  });

  await t.test("[D36] the past of an erased entity goes, however long, and no other's", async (t) => {
    for (const id of [ID, "kept"]) {
      await rows(
        store,
        `INSERT INTO track (first, recorded, hold, entity, t_range, path, kind, state, attributes, labels)
         SELECT now() + i * interval '1 s', now(), false, $1, '[2026-01-01,2026-01-02]', 'SRID=4326;LINESTRING ZM (0 0 0 0, 1 1 1 1)',
           'ship', '', '{}', '{}' FROM generate_series(1, ${MANY}) AS i`,
        [id],
      );
      const events = Array.from({ length: MANY }, () => eventOf(id));
      await committed(store, batchOf(++flushNo, epochs, { [SHARD]: "x" }, events));
      await rows(
        store,
        `WITH hook AS (INSERT INTO webhook (id, url, enabled, secret, created_at) VALUES (gen_random_uuid(), 'x', false, '', now()) RETURNING id)
         INSERT INTO webhook_letter (webhook, era, xid, id, type, subject, time, data, attempts)
         SELECT id, 1, '1', 1, 'x', $1, now(), '{}', 1 FROM hook`,
        [id],
      );
    }
    t.same(await find(), ["event", "track", "webhook_letter"]);
    t.equal(await store.erasure.erase(stale, ID, "past"), false);
    t.equal(await store.erasure.erase(owned, ID, "past"), true);
    t.same(await find(), ["webhook_letter"]);
    t.equal(await store.erasure.erase(owned, ID, "letters"), true);
    t.same(await find(), []);
    for (const [table, column] of Object.entries({ track: "entity", event: "subject" }))
      t.equal((await rows(store, `SELECT FROM ${table} WHERE ${column} = 'kept'`)).length, MANY, table);
    t.equal((await rows(store, "SELECT FROM webhook_letter WHERE subject = 'kept'")).length, 1);
  });

  await t.test("[D36] sections of the journal are changed all together, and no others", async (t) => {
    const before = await recovered(store, [SHARD]);
    const { length: sections } = before.filter((item) => item.startsWith("section"));
    const text = (i: number) => (i % 100 === 7 ? `${ID} ${i}` : `kept ${i}`);
    for (let i = 0; i < MANY; i++)
      await committed(store, batchOf(++flushNo, epochs, { [SHARD]: text(i), [SHARD + 1]: `beside ${i}` }));
    const beside = await recovered(store, [SHARD + 1]);
    let looked = 0;
    const change = {
      look: () => void looked++,
      changed(section: Uint8Array) {
        const was = Buffer.from(section).toString();
        return was.startsWith(ID) ? Buffer.from(`changed, and longer than ${was.length} bytes`) : undefined;
      },
    };
    t.equal(await store.erasure.rewriteJournal(stale, change), false);
    t.equal(looked, 0);
    t.same(await find(), ["journal"]);
    t.equal(await store.erasure.rewriteJournal(owned, change), true);
    t.equal(looked, sections + MANY);
    t.same(await find(), []);
    t.same(await recovered(store, [SHARD + 1]), beside);
    const after = (await recovered(store, [SHARD])).slice(before.length);
    t.same(
      after.map((section) => section.replace(`section ${SHARD} `, "").slice(0, 7)),
      Array.from({ length: MANY }, (_, i) => (i % 100 === 7 ? "changed" : text(i).slice(0, 7))),
    );
    const failing = {
      look() {},
      changed(section: Uint8Array): Uint8Array | undefined {
        if (Buffer.from(section).toString() === "kept 99") throw new Error("in the middle");
        return Buffer.from("lost");
      },
    };
    await t.rejects(store.erasure.rewriteJournal(owned, failing), /in the middle/);
    t.same((await recovered(store, [SHARD])).slice(before.length), after, "or none");
  });
}

function eventOf(subject: string) {
  return { shard: SHARD, type: "state.changed", subject, time: 1, data: { subject } };
}

function rowOf(id: string, epoch: number): SnapshotRow {
  return {
    ...{ id, kind: "ship", state: "moving", liveness: "live", t: 1, received: 1 },
    ...{ attributes: "{}", labels: [], epoch, seq: 1 },
  };
}
