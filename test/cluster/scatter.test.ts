import assert from "node:assert/strict";
import t from "tap";
import { shardOf } from "../../src/actors/shard-hash.ts";
import { encodeControl, FIRST_CONTROL } from "../../src/cluster/frames.ts";
import { Scatter } from "../../src/cluster/scatter.ts";
import { SHARDS } from "../../src/limits.ts";
import { Picture } from "../../src/picture/picture.ts";
import { queryBbox, queryNear } from "../../src/picture/query.ts";
import { fullRecord } from "../../src/picture/record.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { fc } from "../support/seeded.ts";
import { add, cluster, tailsOf } from "./query-cluster.ts";

const places = fc.uniqueArray(
  fc.record({
    id: fc.integer({ min: 0, max: 5_000 }).map((n) => `e${n}`),
    lon: fc.integer({ min: 0, max: 40 }).map((n) => 24 + n / 10),
    lat: fc.integer({ min: 0, max: 20 }).map((n) => 59 + n / 10),
    kind: fc.constantFrom("truck", "vessel"),
    weight: fc.constantFrom(0, 0, 0, 7_000),
  }),
  { selector: ({ id }) => id, maxLength: 60 },
);

t.test("[Q1] a list over all nodes is what one node with everything would give, page by page", async () => {
  await fc.assert(
    fc.asyncProperty(places, fc.integer({ min: 1, max: 20 }), fc.boolean(), async (all, limit, boxed) => {
      const { scatters, whole, settled } = cluster(3, all);
      const query = {
        limit,
        kinds: boxed ? ["vessel"] : undefined,
        bbox: boxed ? ([24.5, 59, 26, 60.5] as const) : undefined,
      };
      let after: string | undefined;
      const seen: string[] = [];
      for (let pages = 0; pages < 100; pages++) {
        const page = await settled(scatters[pages % 3].list({ ...query, after }));
        assert.deepEqual(page.missing, []);
        assert.ok(page.records.length <= limit);
        for (const record of page.records) {
          assert.equal(record.seq, 2, "the owner's record, never a mirror's");
          seen.push(record.id);
        }
        if (!page.more) break;
        after = page.records.at(-1)!.id;
      }
      const expected = queryBbox(whole, { ...query, limit: 1_000 }).slots.map(
        (slot) => whole.columns.id[slot],
      );
      assert.deepEqual(seen, expected);
    }),
    { numRuns: 60 },
  );
});

t.test("[Q2] the nearest over all nodes are the nearest of all", async () => {
  await fc.assert(
    fc.asyncProperty(places, fc.integer({ min: 1, max: 20 }), async (all, k) => {
      const { scatters, whole, settled } = cluster(3, all);
      const found = await settled(scatters[1].near({ lon: 25, lat: 60, k, radius: 80_000 }));
      const expected = queryNear(whole, { lon: 25, lat: 60, k, radius: 80_000 });
      assert.deepEqual(
        found.records.map(({ id }) => id),
        expected.slots.map((slot) => whole.columns.id[slot]),
      );
      assert.deepEqual(found.distances, expected.distances);
    }),
    { numRuns: 60 },
  );
});

t.test("[Q1] an answer that is too long for a message is cut, and nothing is left out", async (t) => {
  const all = Array.from({ length: 900 }, (_, n) => ({
    id: `e${n}`,
    lon: 25,
    lat: 60,
    kind: "truck",
    weight: 7_000,
  }));
  const { scatters, settled } = cluster(2, all);
  const seen: string[] = [];
  let after: string | undefined;
  let pages = 0;
  for (; pages < 100; pages++) {
    const page = await settled(scatters[0].list({ limit: 10_000, after }));
    seen.push(...page.records.map(({ id }) => id));
    if (!page.more) break;
    after = page.records.at(-1)!.id;
  }
  t.ok(pages > 0, "it was cut");
  t.strictSame(seen, all.map(({ id }) => id).sort());
});

t.test("[Q1] an answer is as long as its JSON, whatever characters are in it", async (t) => {
  for (const character of ["船", "\u0001", '"']) {
    const all = Array.from({ length: 3_000 }, (_, n) => ({
      id: character.repeat(250) + n,
      lon: 25,
      lat: 60,
      kind: character.repeat(60),
      weight: n % 2 === 0 ? 0 : 7_000,
    }));
    const { scatters } = cluster(1, all);
    const answer = scatters[0].answer({ is: "list", limit: 10_000 });
    t.ok(answer.more && answer.records.length > 100);
    const size = encodeControl(FIRST_CONTROL, "o", { is: "answer", n: 1, answer }).length;
    t.ok(size < 2 * 2 ** 20 + 10_000, `${size}`);
  }
});

t.test("[Q3] what nobody answers for is told as missing", async (t) => {
  const all = Array.from({ length: 100 }, (_, n) => ({
    id: `e${n}`,
    lon: 25,
    lat: 60,
    kind: "truck",
    weight: 0,
  }));
  const { scatters, settled, silent, closed, whole } = cluster(2, all);
  silent.add("1");
  closed.add(4);
  const asked = scatters[0].list({ limit: 1_000 });
  const { missing, records } = await settled(asked);
  const expected = Array.from({ length: SHARDS }, (_, shard) => shard).filter(
    (shard) => shard % 2 === 1 || shard === 4,
  );
  t.strictSame(missing, expected);
  const there = all.map(({ id }) => id).filter((id) => !expected.includes(shardOf(id)));
  t.strictSame(
    records.map(({ id }) => id),
    there.sort(),
  );
  silent.clear();
  closed.clear();
  const one = await settled(scatters[1].one("e7"));
  t.strictSame(one.records, [fullRecord(whole, whole.find("e7"))]);
  t.strictSame(await settled(scatters[1].one("nobody")), { records: [], more: false, missing: [] });
});

t.test("[Q4] of two answers for one shard the newer record counts", async (t) => {
  const place = { id: "e1", lon: 25, lat: 60, kind: "truck", weight: 0 };
  for (const order of [
    ["old", "now"],
    ["now", "old"],
  ]) {
    const clock = new FakeClock();
    /** Has all shards but one, so that both answers are waited for. */
    const node = (without: number, epoch: number, seq: number) => {
      const picture = new Picture();
      add(picture, place, seq);
      picture.columns.epoch.set(picture.find("e1"), epoch);
      const shards = Array.from({ length: SHARDS }, (_, shard) => shard).filter((shard) => shard !== without);
      return new Scatter({
        log: { warn: () => {} },
        ...{ picture, tails: tailsOf(picture, clock), clock },
        open: () => new Map(shards.map((shard) => [shard, epoch])),
        others: () => [],
        nodeOf: () => undefined,
        send: () => {},
      });
    };
    const [one, other] = [0, 1].map((n) => (n === shardOf("e1") ? 2 : n));
    const nodes = { old: node(one, 1, 9), now: node(other, 2, 3) };
    const picture = new Picture();
    const scatter: Scatter = new Scatter({
      log: { warn: () => {} },
      ...{ picture, tails: tailsOf(picture, clock), clock },
      open: () => new Map(),
      others: () => order,
      nodeOf: () => undefined,
      send: (to, { n, ...message }) => {
        if (message.is !== "query" || message.query.is !== "list") return;
        const answer = nodes[to as "old" | "now"].answer(message.query);
        clock.schedule(1, () => scatter.heard(to, { is: "answer", n, answer }));
      },
    });
    const asked = scatter.list({ limit: 10 });
    await clock.advance(10);
    const { records, missing } = await asked;
    t.strictSame([records.map(({ epoch, seq }) => [epoch, seq]), missing], [[[2, 3]], []]);
  }
});

t.test("[EV35] all nodes forget an entity, or it is told that some have not", async (t) => {
  const { scatters, settled, silent, forgotten } = cluster(3, []);
  t.equal(await settled(scatters[1].forget("ghost")), true);
  t.strictSame(forgotten.sort(), ["0 ghost", "1 ghost", "2 ghost"]);
  silent.add("2");
  t.equal(await settled(scatters[1].forget("ghost")), false);
});

t.test("[Q6] what is neither a question nor an answer is dropped", async (t) => {
  const { scatters, settled, silent, whole } = cluster(2, [
    { id: "e7", lon: 25, lat: 60, kind: "truck", weight: 0 },
  ]);
  const [scatter] = scatters;
  silent.add("1");
  const asked = scatter.list({ limit: 10 });
  const record = fullRecord(whole, whole.find("e7"));
  const answer = { records: [record], more: false, shards: [[1, 1]] };
  const near = { is: "near", lon: 1, lat: 2, k: 3 };
  const list = { is: "list", limit: 3 };
  const bodies: unknown[] = [
    {},
    null,
    { is: "answer", n: 1 },
    { is: "other", n: 1, query: list, answer },
    { is: "query", n: -1, query: list },
    { is: "answer", n: "1", answer },
    ...[
      null,
      {},
      { is: "other" },
      { is: "one" },
      { ...near, lon: "1" },
      { ...near, lat: null },
      { ...near, k: 0 },
      { ...near, radius: "1" },
      { ...near, kinds: [1] },
      { ...near, states: "a" },
      { ...near, kinds: Array(65).fill("a") },
      { ...list, limit: 10_001 },
      { ...list, bbox: [1, 2, 3] },
      { ...list, bbox: [1, 2, 3, null] },
      { ...list, after: 1 },
      { is: "tail", id: "e7", before: "1" },
      { is: "tail", id: "e7", to: null },
      { ...list, shards: 1 },
      { ...list, shards: [SHARDS] },
      { ...list, shards: Array(SHARDS + 1).fill(1) },
    ].map((query) => ({ is: "query", n: 1, query })),
    ...[
      null,
      { ...answer, shards: undefined },
      { ...answer, shards: [1] },
      { ...answer, shards: [[256, 1]] },
      { ...answer, shards: [[1, 1, 1]] },
      { ...answer, more: undefined },
      { ...answer, records: {} },
      { ...answer, records: [null] },
      { ...answer, records: [{ ...record, id: 1 }] },
      { ...answer, records: [{ ...record, epoch: "1" }] },
      { ...answer, records: [{ ...record, seq: null }] },
      { ...answer, distances: [] },
      { ...answer, distances: ["1"] },
    ].map((answer) => ({ is: "answer", n: 1, answer })),
  ];
  for (const body of bodies) scatter.heard("1", body);
  t.equal(scatter.stats.malformed, bodies.length);
  const { missing } = await settled(asked);
  t.equal(missing.length, SHARDS / 2, "like a node that said nothing");
});

t.test("[Q9] a question that a node fails to answer is lost, and nothing else", async (t) => {
  const { scatters, settled, logged, clock } = cluster(2, [], 1);
  const query = { t: clock.now(), limit: 1 };
  const odd = Array.from({ length: SHARDS / 2 }, (_, i) => 2 * i + 1);
  const both = [scatters[0].at(query), scatters[0].at(query)];
  t.strictSame(
    (await settled(Promise.all(both))).map(({ missing }) => missing),
    [odd, odd],
  );
  t.strictSame(scatters[1].stats, { malformed: 0, failed: 2 });
  t.match(logged, [{ node: 1, err: { message: "broken" }, failures: 1 }]);
  t.equal(logged.length, 1, "once a second at most");
  const refused = t.rejects(scatters[1].at(query), { message: "broken" });
  await settled(refused);
  t.strictSame((await settled(scatters[1].list({ limit: 1 }))).missing, []);
});
