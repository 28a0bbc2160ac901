// What of the past is in memory, for who may see only some.
import assert from "node:assert/strict";
import t from "tap";
import { EntityTable } from "../../src/actors/entity-table.ts";
import { LocalTails } from "../../src/actors/local-tails.ts";
import { LIVE, STALE } from "../../src/actors/messages.ts";
import { shardOf } from "../../src/actors/shard-hash.ts";
import { permittedLens } from "../../src/picture/lens.ts";
import { PlainEntity, permittedTest } from "../../src/picture/permitted.ts";
import { Picture } from "../../src/picture/picture.ts";
import { fullRecord } from "../../src/picture/record.ts";
import { History } from "../../src/tracks/history.ts";
import type { StretchQuery, TrackStore } from "../../src/tracks/ports.ts";
import { type Segment, wrapLongitude } from "../../src/tracks/segment.ts";
import type { Stretch } from "../../src/tracks/stretch.ts";
import { segmentOf } from "../../src/tracks/tracks.ts";
import { addEntity } from "../http/fixture.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { NO_ROWS } from "../support/no-history.ts";
import { fc } from "../support/seeded.ts";

const START = Date.UTC(2026, 0, 1);
const at = (seconds: number) => START + seconds * 1_000;

class Table {
  readonly table = new EntityTable(new Picture());
  readonly #seqs = new Map<string, number>();
  readonly #numbers = new Map<string, number>();

  constructor() {
    for (const shard of this.table.shards) shard.status = "open";
  }

  apply(id: string, fact: object): void {
    const shard = this.table.shards[shardOf(id)]!;
    const seq = (this.#seqs.get(id) ?? 0) + 1;
    this.#seqs.set(id, seq);
    const number = this.#numbers.get(id) ?? shard.nextNumber;
    this.#numbers.set(id, number);
    this.table.apply(shard, { number, seq, ...fact } as Parameters<EntityTable["apply"]>[1]);
  }

  introduce(id: string, kind: string): void {
    this.apply(id, { is: "introduced", id, kind });
  }

  report(id: string, t: number, lon: number, attributes = "", received = t): void {
    this.apply(id, {
      ...{ is: "reported", t: at(t), received: at(received), hash: 0, late: false, implausible: false },
      ...{ lon, lat: 0, alt: NaN, speed: 1, course: NaN, heading: NaN, accuracy: NaN },
      ...{ source: "", sourceSeq: -1, attributes },
    });
  }

  history(store = NO_ROWS): History {
    return new History(store, new LocalTails(this.table, new FakeClock()).alone);
  }
}

const IDS = Array.from({ length: 12 }, (_, i) => `e${i}`);

/** Each goes eastward from its own place, and is told to be `full` or not each 40 s. */
function fleet(): Table {
  const made = new Table();
  for (const [i, id] of IDS.entries()) {
    made.introduce(id, i % 2 === 0 ? "truck" : "ferry");
    made.table.picture.columns.labels.set(made.table.picture.find(id), [i % 3 === 0 ? "north" : "south"]);
    for (let s = 0; s <= 230; s += 10)
      made.report(id, s, i + s / 100, s % 40 === 0 ? `{"full":${s % 80 === 0}}` : "");
  }
  return made;
}

const PERMITTED: {
  texts: string[];
  passes: (one: { kind: string; attributes: object; lon: number }) => boolean;
}[] = [
  { texts: ["entity.kind == 'truck'"], passes: ({ kind }) => kind === "truck" },
  {
    texts: ["entity.attributes.full == true"],
    passes: ({ attributes }) => (attributes as { full?: boolean }).full === true,
  },
  { texts: ["entity.lon < 5.2"], passes: ({ lon }) => lon < 5.2 },
  {
    texts: ["entity.lon < 1.5", "entity.kind == 'ferry'"],
    passes: ({ kind, lon }) => lon < 1.5 || kind === "ferry",
  },
  { texts: [], passes: () => false },
];

t.test(
  "[AC33, AC37] of what is in memory the same is told as of what would be left over of all",
  async () => {
    const made = fleet();
    const history = made.history();
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...PERMITTED),
        fc.integer({ min: 0, max: 260 }),
        fc.integer({ min: 1, max: 5 }),
        async ({ texts: permitted, passes }, second, limit) => {
          const all = await history.at({ t: at(second), limit: 100 });
          const expected = all.records.filter((one) => passes({ ...one, lon: one.lon! }));
          const told: typeof expected = [];
          for (let after: string | undefined; ; ) {
            const page = await history.at({ t: at(second), limit, after, permitted });
            told.push(...page.records);
            if (page.next === undefined) break;
            after = page.next;
          }
          assert.deepEqual(told, expected);
          const firsts = new Set<string>();
          for (const id of IDS) {
            const { record } = await history.one(id, { t: at(second), permitted });
            assert.equal(
              record !== undefined,
              expected.some((one) => one.id === id),
            );
            const segments = await wayOf(history, id);
            const seen = segments.filter((one) => passes(asFirst(one)));
            for (const { points } of seen) firsts.add(`${id} ${points[0]!.t}`);
            assert.deepEqual(await wayOf(history, id, permitted), seen);
          }
          for (const ids of [undefined, IDS.slice(3, 7)]) {
            const query = { from: at(second), to: at(second + 30), ids };
            const whole = await played(history, query);
            const left = whole.filter(({ id, first }) => firsts.has(`${id} ${first}`));
            const some = await played(history, { ...query, permitted });
            assert.deepEqual(some, left);
          }
        },
      ),
      { numRuns: 60 },
    );
  },
);

function asFirst({ kind, attributes, points }: Segment) {
  return {
    kind,
    attributes: attributes === "" ? {} : JSON.parse(attributes),
    lon: wrapLongitude(points[0]!.lon),
  };
}

async function wayOf(history: History, id: string, permitted?: string[]): Promise<Segment[]> {
  const found: Segment[] = [];
  const { segments } = await history.of({ id, from: -Infinity, to: Infinity, permitted });
  for await (const one of segments) found.push(one);
  return found;
}

async function played(history: History, query: StretchQuery): Promise<Stretch[]> {
  const found: Stretch[] = [];
  await history.during(query, (page) => {
    found.push(...page);
    return query.to;
  });
  return found;
}

t.test("[AC34] who has it now counts for what is in memory, too", async (t) => {
  const made = fleet();
  const history = made.history();
  const { picture } = made.table;
  const permitted = ['"north" in entity.labels'];
  const ids = async () =>
    (await history.at({ t: at(100), limit: 100, permitted })).records.map(({ id }) => id);
  t.same(await ids(), ["e0", "e3", "e6", "e9"]);
  picture.columns.labels.set(picture.find("e3"), ["south"]);
  t.same(await ids(), ["e0", "e6", "e9"]);
  t.same(await wayOf(history, "e3", permitted), []);
  t.same(await played(history, { from: at(100), to: at(110), ids: ["e3"], permitted }), []);
});

t.test(
  "[AC34] who has lost an entity sees nothing of it, and who has it nothing of when it was lost",
  async (t) => {
    const made = new Table();
    const { picture } = made.table;
    made.introduce("a", "truck");
    picture.columns.labels.set(picture.find("a"), ["south"]);
    for (let s = 0; s <= 300; s += 10) {
      if (s === 100 || s === 200)
        made.apply("a", {
          is: "patched",
          key: `k${s}`,
          at: at(s),
          labels: [s === 100 ? "north" : "south"],
          attributes: "",
        });
      made.report("a", s, s / 100);
    }
    const history = made.history();
    const seen = async (label: string) => {
      const permitted = [`"${label}" in entity.labels`];
      const seconds: number[] = [];
      for (const second of [50, 150, 250])
        if ((await history.one("a", { t: at(second), permitted })).record !== undefined) seconds.push(second);
      const way = await wayOf(history, "a", permitted);
      const some = await played(history, { from: at(0), to: at(300), permitted });
      t.same(
        some.map(({ first }) => first),
        way.map(({ points }) => points[0]!.t),
      );
      t.ok(way.every(({ labels }) => labels.includes(label)));
      return seconds;
    };
    t.same(await seen("north"), [], "it is lost, with its past");
    t.same(await seen("south"), [50, 250], "and its owner does not see where it was meanwhile");
  },
);

t.test("[AC37] what is hidden in memory takes the place of rows", async (t) => {
  const made = new Table();
  made.introduce("a", "boat");
  made.report("a", 0, -1);
  made.report("a", 10, 0);
  made.apply("a", { is: "liveness", liveness: STALE });
  const log = made.table.tracks.logs[shardOf("a")]!;
  // Rows say that it may be seen, what is in memory does not.
  const rows = log.closed.map((closed) => ({ ...segmentOf(log, "a", closed), attributes: '{"open":true}' }));
  t.equal(rows.at(-1)!.hold, true);
  log.closed = [];
  made.apply("a", { is: "liveness", liveness: LIVE });
  const holdS = made.table.tracks.holdMs / 1_000;
  made.report("a", 100, 5, "", 20 + holdS);
  made.report("a", 200, 9, "", 30 + holdS);
  const store: TrackStore = {
    ...NO_ROWS,
    at: async ({ t }) => rows.filter(({ points }) => points[0]!.t <= t && t < points.at(-1)!.t),
    of: async ({ after }) => rows.filter(({ points }) => points[0]!.t > after),
    during: async ({ from, to, after }) =>
      after === undefined ? rows.filter(({ points }) => points[0]!.t <= to && points.at(-1)!.t >= from) : [],
  };
  const history = made.history(store);
  const permitted = ["entity.attributes.open == true"];
  const firsts = async (texts?: string[]) =>
    (await played(history, { from: at(50), to: at(60), permitted: texts })).map(
      ({ first }) => (first - START) / 1_000,
    );
  t.same(await firsts(), [10], "it is on its way");
  t.same(await firsts(permitted), []);
  t.same((await history.at({ t: at(50), limit: 9, permitted })).records, []);
  t.equal((await history.one("a", { t: at(50), permitted })).record, undefined);
  t.same(
    (await wayOf(history, "a", permitted)).map(({ points }) => (points[0]!.t - START) / 1_000),
    [0],
    "what is in rows alone is told",
  );
});

t.test(
  "[AC33] what is permitted means the same of an entity in the picture and of what is told of it",
  async () => {
    const texts = [
      "entity.kind == 'truck'",
      "entity.speed > 3",
      "entity.speed == null || entity.course >= 180.0",
      "entity.attributes.fleet == 'north'",
      "entity.attributes.constructor == 'x'",
      "'north' in entity.labels && !('quay' in entity.fences)",
      "entity.labels.exists(l, l.startsWith('n'))",
      "has(entity.alt)",
      "entity.lon > 10.5 && entity.lat < 3",
      "entity.liveness == 'live' && entity.id.startsWith('e')",
      `entity.t < ${at(5)}.0`,
    ];
    const picture = new Picture();
    const values = fc.record({
      ...{
        kind: fc.constantFrom("truck", "ferry"),
        lon: fc.integer({ min: 9, max: 12 }),
        lat: fc.integer({ min: 0, max: 5 }),
      },
      ...{ speed: fc.constantFrom(NaN, 2, 3, 3.004, 7), course: fc.constantFrom(NaN, 10, 180, 359.999) },
      ...{ alt: fc.constantFrom(NaN, 4), t: fc.constantFrom(at(1), at(9)) },
      attributes: fc.constantFrom({}, { fleet: "north" }, { fleet: "south" }, { constructor: "x" }),
      ...{ labels: fc.subarray(["north", "south"]), fences: fc.subarray(["quay"]) },
    });
    let n = 0;
    fc.assert(
      fc.property(values, fc.subarray(texts, { minLength: 1 }), (value, permitted) => {
        const { kind, lon, lat, attributes } = value;
        const slot = addEntity(picture, `e${n++}`, [lon, lat], { kind, attributes });
        const { columns } = picture;
        columns.labels.set(slot, value.labels);
        columns.fences.set(slot, value.fences);
        for (const member of ["speed", "course", "alt", "t"] as const)
          columns[member].set(slot, value[member]);
        const record = fullRecord(picture, slot);
        const entity = new PlainEntity({
          ...{ alt: null, speed: null, course: null, heading: null, accuracy: null },
          ...record,
          ...{ t: Date.parse(record.t), lon: record.lon!, lat: record.lat! },
        });
        assert.equal(permittedTest(permitted).passes(entity), permittedLens(picture, permitted).test(slot));
      }),
      { numRuns: 500 },
    );
  },
);
