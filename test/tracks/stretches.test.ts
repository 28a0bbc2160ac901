// What happened in a stretch of time, where rows and memory tell of the same entity.
import t from "tap";
import { EntityTable } from "../../src/actors/entity-table.ts";
import { LocalTails } from "../../src/actors/local-tails.ts";
import { LIVE, STALE } from "../../src/actors/messages.ts";
import { shardOf } from "../../src/actors/shard-hash.ts";
import { Picture } from "../../src/picture/picture.ts";
import { History } from "../../src/tracks/history.ts";
import type { TrackStore } from "../../src/tracks/ports.ts";
import type { Segment } from "../../src/tracks/segment.ts";
import { meets, type Region, type Stretch } from "../../src/tracks/stretch.ts";
import { segmentOf } from "../../src/tracks/tracks.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { NO_ROWS } from "../support/no-history.ts";

const START = Date.UTC(2026, 0, 1);
const at = (seconds: number) => START + seconds * 1_000;

t.test("[PB1] a hold that later reports took the place of is told no more, wherever they lie", async (t) => {
  const table = new EntityTable(new Picture());
  for (const shard of table.shards) shard.status = "open";
  const shard = table.shards[shardOf("a")];
  const holdS = table.tracks.holdMs / 1_000;
  table.apply(shard, { is: "introduced", number: 0, seq: 1, id: "a", kind: "boat" });
  let seq = 1;
  const report = (t: number, received: number, lon: number) =>
    table.apply(shard, {
      ...{ is: "reported", number: 0, seq: ++seq, t: at(t), received: at(received), hash: 0 },
      ...{ late: false, implausible: false, lon, lat: 0, alt: NaN, speed: 1, course: NaN, heading: NaN },
      ...{ accuracy: NaN, source: "", sourceSeq: -1, attributes: "" },
    });
  report(0, 0, -1);
  report(10, 10, 0);
  table.apply(shard, { is: "liveness", number: 0, seq: ++seq, liveness: STALE });
  // What has ended becomes rows, the hold too.
  const log = table.tracks.logs[shard.index];
  const rows: Segment[] = log.closed.map((closed) => segmentOf(log, "a", closed));
  t.equal(rows.at(-1)!.hold, true);
  log.closed = [];
  table.apply(shard, { is: "liveness", number: 0, seq: ++seq, liveness: LIVE });
  report(100, 20 + holdS, 5);
  report(200, 30 + holdS, 9);

  const store: TrackStore = {
    ...NO_ROWS,
    during: async ({ from, to, region, after }) =>
      after !== undefined
        ? []
        : rows.filter(({ points }) => points[0].t <= to && points.at(-1)!.t >= from && meets(points, region)),
  };
  const history = new History(store, new LocalTails(table, new FakeClock()).alone);
  const around = (lon: number): Region => ({ west: lon - 1, south: -1, east: lon + 1, north: 1 });
  const told = async (from: number, to: number, region: Region) => {
    const found: Stretch[] = [];
    await history.during({ from: at(from), to: at(to), region }, (page) => {
      found.push(...page);
      return at(to);
    });
    return found.map(({ hold, first, open }) => ({ hold, first: (first - START) / 1_000, open }));
  };
  const taken = { hold: false, first: 10, open: true };
  t.same(await told(0, 5, around(0)), [{ hold: false, first: 0, open: false }], "before it");
  t.same(await told(50, 60, around(0)), [taken], "it is on its way");
  t.same(await told(210, 220, around(0)), [taken], "it has gone from there");
  t.same(await told(210, 220, around(9)), [taken]);
  t.same(await told(210, 220, around(40)), []);
});

t.test("[PB12] a read looks at what is in memory once, and at what it names alone", async (t) => {
  const table = new EntityTable(new Picture());
  for (const shard of table.shards) shard.status = "open";
  const ids = Array.from({ length: 2_000 }, (_, i) => `e${i}`);
  for (const id of ids) {
    const shard = table.shards[shardOf(id)];
    const number = shard.nextNumber;
    table.apply(shard, { is: "introduced", number, seq: 1, id, kind: "boat" });
    for (const [i, second] of [0, 10].entries())
      table.apply(shard, {
        ...{ is: "reported", number, seq: i + 2, t: at(second), received: at(second), hash: 0 },
        ...{ late: false, implausible: false, lon: second / 10, lat: 0, alt: NaN, speed: 1, course: NaN },
        ...{ heading: NaN, accuracy: NaN, source: "", sourceSeq: -1, attributes: "" },
      });
  }
  let looks = 0;
  for (const shard of table.shards) {
    const slot = shard.slot.bind(shard);
    shard.slot = (number) => {
      looks++;
      return slot(number);
    };
  }
  const history = new History(NO_ROWS, new LocalTails(table, new FakeClock()).alone);
  const read = async (only?: string[]) => {
    const found: string[] = [];
    looks = 0;
    await history.during({ from: at(0), to: at(20), ids: only }, (page) => {
      found.push(...page.map(({ id }) => id));
      return at(20);
    });
    return found.sort();
  };
  t.strictSame(await read(), [...ids].sort());
  const all = looks;
  t.ok(all < 8 * ids.length, `${all} looks at ${ids.length} entities`);
  t.strictSame(await read(["e7", "nobody", "e1999", "e7"]), ["e1999", "e7"]);
  t.ok(looks < 20, `${looks} looks at two`);
});
