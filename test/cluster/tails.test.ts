import assert from "node:assert/strict";
import t from "tap";
import { EntityTable } from "../../src/actors/entity-table.ts";
import { LocalTails } from "../../src/actors/local-tails.ts";
import { shardOf } from "../../src/actors/shard-hash.ts";
import { Scatter } from "../../src/cluster/scatter.ts";
import { SHARDS } from "../../src/limits.ts";
import { Picture } from "../../src/picture/picture.ts";
import { roundDegrees } from "../../src/picture/record.ts";
import { History } from "../../src/tracks/history.ts";
import { compareIds } from "../../src/tracks/id-order.ts";
import type { TrackStore } from "../../src/tracks/ports.ts";
import { pointAt, type Segment } from "../../src/tracks/segment.ts";
import type { Stretch } from "../../src/tracks/stretch.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { fc } from "../support/seeded.ts";

const START = Date.UTC(2026, 0, 1);
const IDS = ["a", "b", "c", "d", "ö", "\u{1f6a2}", "\uffee", "e5", "e6", "e7"];
/** Nothing is in rows yet. */
const NO_ROWS: TrackStore = { at: async () => [], of: async () => [], during: async () => [] };
const NODES = 3;

/** A table with the tracks of those for whom `has` is true: places go eastward by the second, by another step each. */
function tableOf(seconds: number, has: (id: string) => boolean): EntityTable {
  const table = new EntityTable(new Picture());
  for (const shard of table.shards) shard.status = "open";
  for (const [i, id] of IDS.entries()) {
    if (!has(id)) continue;
    const shard = table.shards[shardOf(id)];
    const number = shard.nextNumber;
    const kind = i % 2 === 0 ? "truck" : "vessel";
    const slot = table.apply(shard, { is: "introduced", number, seq: 1, id, kind });
    if (i % 3 === 0) table.picture.columns.fences.set(slot, ["harbour", "ö"]);
    for (let second = 0; second <= seconds; second++) {
      const t = START + second * 1_000;
      table.apply(shard, {
        ...{
          is: "reported",
          number,
          seq: second + 2,
          t,
          received: t,
          hash: 0,
          late: false,
          implausible: false,
        },
        ...{ lon: i + second / 100, lat: i, alt: NaN, speed: 1, course: NaN, heading: NaN, accuracy: NaN },
        ...{ source: "", sourceSeq: -1, attributes: second % 50 === 0 ? `{"n":${second}}` : "" },
      });
    }
  }
  return table;
}

/** Each shard is open in one node. */
function clustered(seconds: number, closed: readonly number[]) {
  const clock = new FakeClock();
  const scatters: Scatter[] = [];
  for (let node = 0; node < NODES; node++) {
    const table = tableOf(seconds, (id) => shardOf(id) % NODES === node);
    const shards = Array.from({ length: SHARDS }, (_, shard) => shard).filter(
      (shard) => shard % NODES === node,
    );
    const open = new Map(shards.filter((shard) => !closed.includes(shard)).map((shard) => [shard, 1]));
    scatters.push(
      new Scatter({
        ...{ picture: table.picture, tails: new LocalTails(table, clock), clock, open: () => open },
        others: () => ["0", "1", "2"].filter((other) => other !== `${node}`),
        send: (to, message) => {
          const text = JSON.stringify(message);
          clock.schedule(1, () => scatters[Number(to)].heard(`${node}`, JSON.parse(text)));
        },
      }),
    );
  }
  return { clock, history: new History(NO_ROWS, scatters[0]) };
}

async function answered<T>(clock: FakeClock, answer: Promise<T>): Promise<T> {
  for (let i = 0; i < 5; i++) await clock.advance(1);
  return answer;
}

const query = fc.record(
  {
    t: fc.integer({ min: -1, max: 260 }).map((second) => START + second * 1_000 + 500),
    bbox: fc.option(
      fc.constantFrom<[number, number, number, number]>([0, 0, 5.5, 9], [2, 2, 2, 9], [-180, -90, 180, 90]),
      { nil: undefined },
    ),
    kinds: fc.option(fc.constant(["truck"]), { nil: undefined }),
    known: fc.option(
      fc.integer({ min: 0, max: 200 }).map((second) => START + second * 1_000),
      { nil: undefined },
    ),
    limit: fc.constantFrom(1, 3, 100),
    after: fc.option(fc.constantFrom(...IDS), { nil: undefined }),
  },
  { noNullPrototype: true },
);

t.test("[TR15] [TR22] what was, over all nodes, is what one node with everything would tell", async (t) => {
  const seconds = 200;
  const { clock, history } = clustered(seconds, []);
  const alone = new History(
    NO_ROWS,
    new LocalTails(
      tableOf(seconds, () => true),
      new FakeClock(),
    ).alone,
  );
  await fc.assert(
    fc.asyncProperty(query, async (asked) => {
      const all = await answered(clock, history.at(asked));
      const { records, next } = await alone.at(asked);
      assert.deepEqual(all.missing, []);
      for (const { id, fences } of records) assert.equal(fences.length, IDS.indexOf(id) % 3 === 0 ? 2 : 0);
      const ids = records.map(({ id }) => id);
      assert.deepEqual(ids, [...ids].sort(compareIds));
      assert.deepEqual(
        all.records.map((record) => ({ ...record, epoch: 0, seq: 0 })),
        records.map((record) => ({ ...record, epoch: 0, seq: 0 })),
      );
      assert.deepEqual(all.next === undefined, next === undefined);
      // Of one the version is not told.
      const [id] = IDS;
      const listed = await alone.at({ t: asked.t, known: asked.known, limit: 100 });
      const record = listed.records.find((one) => one.id === id);
      assert.deepEqual(await answered(clock, history.one(id, asked)), {
        record: record && { ...record, epoch: 0, seq: 0 },
        missing: [],
      });
    }),
    { numRuns: 100 },
  );
  for (const id of IDS) {
    const way = async (from: History) => {
      const found: Segment[] = [];
      for await (const segment of from.of({ id, from: -Infinity, to: Infinity })) found.push(segment);
      return found;
    };
    const segments = await answered(clock, way(history));
    t.ok(segments.length > 3);
    t.strictSame(segments, await way(alone));
    const fences = IDS.indexOf(id) % 3 === 0 ? ["harbour", "ö"] : [];
    for (const segment of segments) assert.deepEqual(segment.fences, fences);
  }
});

t.test("[TR15] shards that nobody answers for are missing", async (t) => {
  const { clock, history } = clustered(10, [shardOf("a")]);
  const found = await answered(clock, history.at({ t: START + 5_000, limit: 100 }));
  t.strictSame(found.missing, [shardOf("a")]);
  t.equal(found.records.length, IDS.length - 1);
  const way = history.of({ id: "a", from: -Infinity, to: Infinity });
  t.strictSame(await answered(clock, way.next()), { done: true, value: { missing: [shardOf("a")] } });
});

t.test(
  "[PB11] what happened in a stretch of time, over all nodes, is what one node would tell",
  async (t) => {
    const seconds = 200;
    const { clock, history } = clustered(seconds, []);
    const table = tableOf(seconds, () => true);
    const alone = new History(NO_ROWS, new LocalTails(table, new FakeClock()).alone);
    const moments = fc.integer({ min: -1, max: 260 }).map((second) => START + second * 1_000 + 500);
    const asked = fc.record({
      from: moments,
      length: fc.integer({ min: 0, max: 100_000 }),
      region: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(asked, async ({ from, length, region: isRegion }) => {
        const region = isRegion ? { west: 362, south: 2, east: 365.5, north: 9 } : undefined;
        const query = { from, to: from + length, region };
        const all = async (of: History) => {
          const found: Stretch[] = [];
          const { missing } = await of.during(query, (page) => {
            found.push(...page);
            return query.to;
          });
          t.strictSame(missing, []);
          return found.sort((a, b) => compareIds(a.id, b.id) || a.first - b.first);
        };
        const stretches = await all(alone);
        assert.deepEqual(await answered(clock, all(history)), stretches);
        // Each instant is told by the stretch that tells it, as a question about that instant is answered.
        for (const instant of [from, from + Math.floor(length / 2), from + length]) {
          const { records } = await alone.at({ t: instant, limit: 100 });
          for (const { id, lon = NaN, lat = NaN } of records) {
            const isNear = lon >= 2 && lon <= 5.5 && lat >= 2 && lat <= 9;
            if (region !== undefined && !isNear) continue;
            const one = stretches.filter(
              (stretch) =>
                stretch.id === id &&
                stretch.first <= instant &&
                (stretch.open || instant < stretch.points.at(-1)!.t),
            );
            assert.equal(one.length, 1, `${id} at ${instant}`);
            const { lon: x } = pointAt(one[0].points, instant)!;
            assert.equal(roundDegrees(x), lon);
          }
        }
      }),
      { numRuns: 50 },
    );
    const broken = clustered(10, [shardOf("a")]);
    const during = broken.history.during({ from: START, to: START + 5_000 }, () => START + 5_000);
    t.strictSame(await answered(broken.clock, during), { missing: [shardOf("a")] });
  },
);
