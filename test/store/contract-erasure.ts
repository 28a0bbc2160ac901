import assert from "node:assert/strict";
// What both stores must do about entities that are deleted, on a database that may have been used before.
import type { Test } from "tap";
import { MAX_BACKGROUND_ROWS, SHARDS } from "../../src/limits.ts";
import { appendFlush } from "../../src/store/append-flush.ts";
import type { Store } from "../../src/store/store.ts";
import { writeCheckpoint } from "../../src/store/write-checkpoint.ts";
import { tablesWith } from "../support/search-database.ts";
import { rowOf, rowsWritten } from "./contract-entity-rows.ts";
import { alone, batchOf, committed, recovered, rows } from "./fixture.ts";

const SHARD = 90;
const ID = "erased/'ü";
/** More than one statement deletes. */
const MANY = 510;

export async function erasureContract(t: Test, store: Store): Promise<void> {
  const epochs = await store.claim([SHARD, SHARD + 1]);
  const epoch = epochs.get(SHARD)!;
  const owned = { shard: SHARD, epoch };
  const stale = { shard: SHARD, epoch: epoch - 1 };
  const find = () => tablesWith(store.context.pool, ID);
  let flushNo = 0;
  const listed = (id: string) => rowsWritten(store, SHARD, epoch, [rowOf(id, epoch, 1)]);

  await t.test("[D35] the row of a deleted entity goes, and only its owner's word counts", async (t) => {
    await listed(ID);
    await listed("kept");
    t.equal(await store.erasure.unlist(stale, [ID]), false);
    t.same(await find(), ["entity"]);
    t.equal(await store.erasure.unlist(owned, [ID]), true);
    t.same(await find(), []);
    t.equal(await store.erasure.unlist(owned, [ID]), true, "once more");
    t.equal((await rows(store, "SELECT FROM entity WHERE id = 'kept'")).length, 1);
  });

  await t.test("[D56] the rows of some entities go in one statement", async (t) => {
    const ids = Array.from({ length: MAX_BACKGROUND_ROWS }, (_, i) => `${ID} ${i}`);
    // Of the last there is no row.
    const listed = ids.slice(0, -1).map((id) => rowOf(id, epoch, 1));
    const left = async () => (await rows(store, "SELECT FROM entity WHERE id = ANY ($1)", [ids])).length;
    await rowsWritten(store, SHARD, epoch, listed);
    t.equal(await store.erasure.unlist(stale, ids), false);
    t.equal(await left(), listed.length);
    t.equal(await store.erasure.unlist(owned, ids), true);
    t.equal(await left(), 0);
    t.equal((await rows(store, "SELECT FROM entity WHERE id = 'kept'")).length, 1);
  });

  await t.test("[D35] a row that is being written when its entity is deleted goes too", async (t) => {
    const begun = Promise.withResolvers<void>();
    function* made() {
      begun.resolve();
      yield rowOf(ID, epoch, 1);
    }
    const writing = new Promise<void>((resolve) =>
      store.snapshot.offer(SHARD, epoch, async () => made(), resolve),
    );
    await begun.promise;
    const gone = store.erasure.unlist(owned, [ID]);
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

  await t.test("[D37] the journal is emptied up to a row, and of nothing that a shard needs", async (t) => {
    const all = await store.claim(Array.from({ length: SHARDS }, (_, shard) => shard));
    const [other, unused] = [SHARD + 1, SHARD + 2];
    const cover = async (mark: number, ...kept: number[]) => {
      for (const [shard, epoch] of all) {
        const body = Buffer.from("c");
        if (!kept.includes(shard)) assert.ok(await store.write({ shard, epoch, mark, body }));
      }
    };
    const commit = (shard: number, text: string) =>
      committed(store, batchOf(++flushNo, all, { [shard]: text }));
    const erased = await commit(SHARD, ID);
    const beside = await commit(other, "beside");
    await cover(beside, other, unused);
    t.ok((await store.erasure.empty(erased, alone)) <= erased, "its part has something that is needed");
    t.same(await find(), ["journal"]);
    const later = await commit(unused, "later");
    t.ok((await store.erasure.empty(erased, alone)) <= erased, "and has it until a checkpoint has passed");
    t.same((await recovered(store, [other])).at(-1), `section ${other} beside`);
    await cover(beside, unused);
    t.equal(
      await store.erasure.empty(erased, alone),
      later,
      "though the part was not full, and a shard without a checkpoint has something in the next",
    );
    t.same(await find(), []);
    t.same((await recovered(store, [unused])).at(-1), `section ${unused} later`);
    t.equal(await store.erasure.empty(erased, alone), later, "once more");
    await cover(later);
    t.equal(await store.erasure.empty(later, alone), Infinity, "at rest nothing is left");
    const last = await commit(SHARD, "last");
    t.same((await recovered(store, [SHARD])).at(-1), `section ${SHARD} last`);
    t.equal(await store.erasure.empty(later, alone), last, "what is newer stays where it is");
  });

  await t.test("[D37] what was begun before an erasure does not land after it", async (t) => {
    const [[shard, epoch]] = await store.claim([SHARD]);
    const { pool } = store.context;
    const client = await pool.connect();
    const { rows: fences } = await client.query<{ gen: number }>(
      "SELECT gen FROM fence WHERE incarnation = $1",
      [store.incarnation],
    );
    client.release();
    t.equal(await store.erasure.bar(), true);
    const key = { incarnation: store.incarnation, gen: fences[0]!.gen };
    const late = await pool.connect();
    t.teardown(() => late.release());
    const checkpoint = { shard, epoch, mark: Number.MAX_SAFE_INTEGER, body: Buffer.from("late") };
    t.equal(await writeCheckpoint(late, key, checkpoint), false);
    const batch = batchOf(flushNo + 1, new Map([[shard, epoch]]), { [shard]: "late" });
    t.equal(await appendFlush(late, { ...key, ring: 0, era: 1 }, batch), undefined);
  });
}

function eventOf(subject: string) {
  return { shard: SHARD, type: "state.changed", subject, time: 1, data: { subject } };
}
