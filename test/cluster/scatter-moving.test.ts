// Queries while shards change hands.
import assert from "node:assert/strict";
import t from "tap";
import { shardOf } from "../../src/actors/shard-hash.ts";
import { SHARDS } from "../../src/limits.ts";
import { queryNear } from "../../src/picture/query.ts";
import { fc } from "../support/seeded.ts";
import { cluster, type Place } from "./query-cluster.ts";

const NODES = 3;

const place = (n: number): Place => ({
  id: `e${n}`,
  lon: 24 + (n % 40) / 10,
  lat: 60,
  kind: "truck",
  weight: 0,
});
const all = Array.from({ length: 300 }, (_, n) => place(n));
const ids = all.map(({ id }) => id).sort();

/** A shard is nobody's from a moment on, and another's after a pause; ms. */
interface Move {
  shard: number;
  at: number;
  pause: number;
  node: number;
}

const move = fc.record({
  shard: fc.integer({ min: 0, max: SHARDS - 1 }),
  at: fc.integer({ min: -3, max: 60 }),
  pause: fc.integer({ min: 0, max: 400 }),
  node: fc.integer({ min: 0, max: NODES - 1 }),
});
const moves = fc.uniqueArray(move, { selector: ({ shard }) => shard, maxLength: 40 });

/** What is asked at 0 while shards move, and how long it took, ms. */
async function whileMoving<T>(
  { clock, closed, move }: ReturnType<typeof cluster>,
  moves: readonly Move[],
  ask: () => Promise<T>,
): Promise<{ found: T; took: number }> {
  const START = 5;
  for (const { shard, at, pause, node } of moves) {
    clock.schedule(START + at, () => closed.add(shard));
    clock.schedule(START + at + pause, () => {
      closed.delete(shard);
      move(shard, node);
    });
  }
  await clock.advance(START);
  const began = clock.monotonic();
  const asked = ask().then((found) => ({ found, took: clock.monotonic() - began }));
  await clock.advance(5_000);
  return asked;
}

t.test("[Q3, Q7] a list while shards change hands has everything, once, and is a pause late", async (t) => {
  await fc.assert(
    fc.asyncProperty(moves, async (moves) => {
      const nodes = cluster(NODES, all);
      const { found, took } = await whileMoving(nodes, moves, () => nodes.scatters[0].list({ limit: 1_000 }));
      assert.deepEqual(found.missing, []);
      assert.deepEqual(
        found.records.map(({ id }) => id),
        ids,
      );
      for (const { seq } of found.records) assert.equal(seq, 2, "an owner's record, never a mirror's");
      const latest = Math.max(0, ...moves.map(({ at, pause }) => at + pause));
      assert.ok(took <= latest + 60, `${took} ms, and the last was opened after ${latest}`);
    }),
    { numRuns: 60 },
  );
  await fc.assert(
    fc.asyncProperty(moves, fc.integer({ min: 1, max: 100 }), async (moves, k) => {
      const nodes = cluster(NODES, all);
      const query = { lon: 25, lat: 60, k };
      const { found } = await whileMoving(nodes, moves, () => nodes.scatters[1].near(query));
      const { slots, distances } = queryNear(nodes.whole, query);
      assert.deepEqual(
        found.records.map(({ id }) => id),
        slots.map((slot) => nodes.whole.columns.id[slot]),
      );
      assert.deepEqual(found.distances, distances);
    }),
    { numRuns: 30 },
  );
  t.pass();
});

t.test("[Q7] only who is said to have what is left is asked again, and only for that", async (t) => {
  const nodes = cluster(NODES, all);
  const { scatters, closed, asked } = nodes;
  closed.add(1).add(2);
  const moves = [{ shard: 1, at: -5, pause: 75, node: 2 }];
  const { found, took } = await whileMoving(nodes, moves, () => scatters[0].list({ limit: 1_000 }));
  t.strictSame(found.missing, [2], "it does not come back");
  t.equal(took, 2_000);
  t.strictSame(
    asked.map(({ to, message }) => [to, message.query.shards]),
    [
      ["1", undefined],
      ["2", undefined],
      ["2", [1, 2]],
    ],
  );
});

t.test("[Q7] a node that is gone with the question on its way to it is not waited for", async (t) => {
  const nodes = cluster(2, all);
  const { scatters, silent } = nodes;
  silent.add("1");
  const odd = Array.from({ length: SHARDS / 2 }, (_, i) => 2 * i + 1);
  const toHere = odd.map((shard) => ({ shard, at: 3, pause: 20, node: 0 }));
  const { found, took } = await whileMoving(nodes, toHere, () => scatters[0].list({ limit: 1_000 }));
  t.strictSame(found.missing, []);
  t.equal(found.records.length, all.length);
  t.equal(took, 50);
});

t.test("[Q7] an entity is told without waiting for nodes that do not have it", async (t) => {
  const nodes = cluster(NODES, all);
  const { scatters, silent, closed } = nodes;
  silent.add("2");
  const [here, there] = [0, 1].map((node) => ids.find((id) => shardOf(id) % NODES === node)!);
  closed.add(2);
  for (const [id, ms] of [
    [here, 0],
    [there, 2],
  ] as const) {
    const { found, took } = await whileMoving(nodes, [], () => scatters[0].one(id));
    t.equal(found.records[0].id, id);
    t.strictSame(found.missing, []);
    t.equal(took, ms);
  }
});
