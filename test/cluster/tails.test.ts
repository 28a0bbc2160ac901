import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import t from "tap";
import { EntityTable } from "../../src/actors/entity-table.ts";
import { LocalTails } from "../../src/actors/local-tails.ts";
import { shardOf } from "../../src/actors/shard-hash.ts";
import { Scatter } from "../../src/cluster/scatter.ts";
import { MAX_BUS_MESSAGE_BYTES, SHARDS } from "../../src/limits.ts";
import { Picture } from "../../src/picture/picture.ts";
import { roundDegrees } from "../../src/picture/record.ts";
import { History } from "../../src/tracks/history.ts";
import { compareIds } from "../../src/tracks/id-order.ts";
import type { ThenRecord, TrackQuery, TrackStore } from "../../src/tracks/ports.ts";
import { pointAt, type Segment } from "../../src/tracks/segment.ts";
import type { Stretch } from "../../src/tracks/stretch.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { NO_ROWS } from "../support/no-history.ts";
import { fc } from "../support/seeded.ts";

const START = Date.UTC(2026, 0, 1);
const IDS = ["a", "b", "c", "d", "ö", "\u{1f6a2}", "\uffee", "e5", "e6", "e7"];
/** Nothing is in rows yet. */
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

const isOwner = (id: string, node: number) => shardOf(id) % NODES === node;

/** Each shard is open in one node. @param has who is in a node's memory */
function clustered(seconds: number, closed: readonly number[], has = isOwner) {
  const clock = new FakeClock();
  const scatters: Scatter[] = [];
  /** Of the messages. */
  const longest = { bytes: 0 };
  /** By shard, with epochs of 1; undefined = nobody. */
  const owners = Array.from({ length: SHARDS }, (_, shard): number | undefined =>
    closed.includes(shard) ? undefined : shard % NODES,
  );
  for (let node = 0; node < NODES; node++) {
    const table = tableOf(seconds, (id) => has(id, node));
    const open = () =>
      new Map(owners.flatMap((owner, shard) => (owner === node ? [[shard, 1] as const] : [])));
    scatters.push(
      new Scatter({
        log: { warn: () => {} },
        ...{ picture: table.picture, tails: new LocalTails(table, clock), clock, open },
        nodeOf: (shard) => (owners[shard] === undefined ? undefined : `${owners[shard]}`),
        others: () => ["0", "1", "2"].filter((other) => other !== `${node}`),
        send: (to, message) => {
          const text = JSON.stringify(message);
          longest.bytes = Math.max(longest.bytes, Buffer.byteLength(text));
          // As the cluster has it.
          if (Buffer.byteLength(text) > MAX_BUS_MESSAGE_BYTES) return;
          clock.schedule(1, () => scatters[Number(to)].heard(`${node}`, JSON.parse(text)));
        },
      }),
    );
  }
  const histories = scatters.map((scatter) => new History(NO_ROWS, scatter));
  return { clock, owners, longest, histories, history: histories[0] };
}

/** @param ms as long as the other nodes may take, by default what they take. */
async function answered<T>(clock: FakeClock, answer: Promise<T>, ms = 5): Promise<T> {
  await clock.advance(ms);
  return answer;
}

/** @param count segments, at most */
async function wayOf(from: History, query: TrackQuery, after?: number, count = Infinity): Promise<Segment[]> {
  const found: Segment[] = [];
  const { segments, missing } = await from.of(query, after);
  assert.deepEqual(missing, []);
  for await (const segment of segments) {
    if (found.length === count) break;
    found.push(segment);
  }
  return found;
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
    const way = (from: History) => wayOf(from, { id, from: -Infinity, to: Infinity });
    const segments = await answered(clock, way(history));
    t.ok(segments.length > 3);
    t.strictSame(segments, await way(alone));
    const fences = IDS.indexOf(id) % 3 === 0 ? ["harbour", "ö"] : [];
    for (const segment of segments) assert.deepEqual(segment.fences, fences);
  }
});

t.test("[TR15] shards that nobody answers for are missing", async (t) => {
  const { clock, history } = clustered(10, [shardOf("a")]);
  const found = await answered(clock, history.at({ t: START + 5_000, limit: 100 }), 2_000);
  t.strictSame(found.missing, [shardOf("a")]);
  t.equal(found.records.length, IDS.length - 1);
  const way = history.of({ id: "a", from: -Infinity, to: Infinity });
  const { segments, missing } = await answered(clock, way, 2_000);
  t.strictSame(missing, [shardOf("a")]);
  t.strictSame(await segments.next(), { done: true, value: undefined });
});

t.test("[TR15, Q7] what was is told whole also while shards change hands", async (t) => {
  const table = tableOf(200, () => true);
  const alone = new History(NO_ROWS, new LocalTails(table, new FakeClock()).alone);
  const { clock, owners, history } = clustered(200, [], () => true);
  /** All entities' shards are handed over to the next node, each with another pause. */
  const moving = <T>(ask: () => Promise<T>): Promise<T> => {
    for (const [i, shard] of IDS.map(shardOf).entries()) {
      const next = ((owners[shard] ?? 0) + 1) % NODES;
      owners[shard] = undefined;
      clock.schedule(i * 30, () => {
        owners[shard] = next;
      });
    }
    return answered(clock, ask(), 1_000);
  };
  const records = (found: { records: ThenRecord[] }) =>
    found.records.map((one) => ({ ...one, epoch: 0, seq: 0 }));
  for (const limit of [3, 100]) {
    const query = { t: START + 100_500, limit };
    const found = await moving(() => history.at(query));
    t.strictSame(found.missing, []);
    t.strictSame(records(found), records(await alone.at(query)));
  }
  const ways = async (from: History, ids: readonly string[] | undefined) => {
    const query = { from: START + 50_000, to: START + 150_000, ids };
    const found: Stretch[] = [];
    const { missing } = await from.during(query, (page) => {
      found.push(...page);
      return query.to;
    });
    t.strictSame(missing, []);
    return found.sort((a, b) => compareIds(a.id, b.id) || a.first - b.first);
  };
  t.strictSame(await moving(() => ways(history, undefined)), await ways(alone, undefined));
  const way = (from: History) => wayOf(from, { id: "e5", from: -Infinity, to: Infinity });
  t.strictSame(await moving(() => way(history)), await way(alone));
  owners[shardOf("a")] = undefined;
  const others = IDS.filter((id) => id !== "a");
  const playback = await answered(clock, ways(history, others));
  t.strictSame(playback, await ways(alone, others), "what is missing concerns only those who ask for it");
});

t.test("[Q8] a way that is too long for a message is told whole, and alike by all nodes", async (t) => {
  const seconds = 40_000;
  const { clock, histories, longest } = clustered(
    seconds,
    [],
    (id, node) => id === "e5" && isOwner(id, node),
  );
  const alone = new History(
    NO_ROWS,
    new LocalTails(
      tableOf(seconds, (id) => id === "e5"),
      new FakeClock(),
    ).alone,
  );
  const asked = async (query: Partial<TrackQuery>, after?: number, count?: number) => {
    const all = { id: "e5", from: -Infinity, to: Infinity, ...query };
    const expected = await wayOf(alone, all, after, count);
    longest.bytes = 0;
    for (const history of histories) {
      const found = await answered(clock, wayOf(history, all, after, count), 100);
      t.equal(found.length, expected.length);
      assert.deepEqual(found, expected);
    }
    return expected.length;
  };
  t.ok((await asked({})) > 700);
  t.ok(longest.bytes > 2_000_000 && longest.bytes < 2.2e6, `${longest.bytes} bytes in pieces`);
  const noon = START + 20_000_500;
  t.equal(await asked({ from: noon, to: noon }), 1);
  t.ok(longest.bytes < 1_000_000, `${longest.bytes} bytes, for an instant`);
  t.equal(await asked({ from: noon, to: noon + 60_000, known: noon + 30_000 }), 1);
  t.equal(await asked({}, noon, 3), 3);
  t.equal(await asked({ to: START - 1 }), 0);
});

t.test("[Q8] of a way that is told in pieces nothing is missing that becomes a row meanwhile", async (t) => {
  const table = tableOf(60_000, (id) => id === "e5");
  const way = new LocalTails(table, new FakeClock()).of("e5");
  const clock = new FakeClock();
  let rows = 0;
  const of = () => {
    const told = way.slice(rows);
    rows += 50;
    return told;
  };
  const all = new Map(Array.from({ length: SHARDS }, (_, shard) => [shard, 1]));
  const node = (self: number, scatters: Scatter[]): Scatter =>
    new Scatter({
      log: { warn: () => {} },
      ...{ picture: table.picture, clock, others: () => [`${1 - self}`], nodeOf: () => undefined },
      tails: { of } as unknown as LocalTails,
      open: () => (self === 0 ? new Map() : all),
      send: (to, message) => {
        clock.schedule(1, () => scatters[Number(to)].heard(`${self}`, JSON.parse(JSON.stringify(message))));
      },
    });
  const scatters: Scatter[] = [];
  scatters.push(node(0, scatters), node(1, scatters));
  const store: TrackStore = {
    ...NO_ROWS,
    of: async ({ after, limit }) =>
      way
        .slice(0, rows)
        .filter(({ points }) => points[0].t > after)
        .slice(0, limit),
  };
  const query = { id: "e5", from: -Infinity, to: Infinity };
  const found = await answered(clock, wayOf(new History(store, scatters[0]), query), 100);
  t.ok(rows > 100, "in pieces");
  assert.deepEqual(found, way);
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
    t.strictSame(await answered(broken.clock, during, 2_000), { missing: [shardOf("a")] });
  },
);
