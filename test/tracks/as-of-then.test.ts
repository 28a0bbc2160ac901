// What entities were, and whether they were there, between reports with a place: from memory, from rows, played, and after a crash.
import t, { type Test } from "tap";
import { LocalTails } from "../../src/actors/local-tails.ts";
import type { Report } from "../../src/actors/messages.ts";
import { shardOf } from "../../src/actors/shard-hash.ts";
import { BUSY_FLUSH_INTERVAL_MS } from "../../src/limits.ts";
import { History } from "../../src/tracks/history.ts";
import type { ThenRecord, TrackStore } from "../../src/tracks/ports.ts";
import type { Segment } from "../../src/tracks/segment.ts";
import { pointAt } from "../../src/tracks/segment.ts";
import type { Stretch } from "../../src/tracks/stretch.ts";
import { segmentOf } from "../../src/tracks/tracks.ts";
import { Way } from "../../src/tracks/way.ts";
import { type Harness, report, startSystem } from "../support/actor-system.ts";

const START = Date.UTC(2026, 0, 1);
const at = (seconds: number) => START + seconds * 1_000;

/** One entity that reports on time, in a system that can crash. */
class Past {
  readonly t: Test;
  h: Harness;
  readonly rows = new Map<string, Segment>();
  readonly #stale: number;

  private constructor(t: Test, h: Harness, stale: number) {
    this.t = t;
    this.h = h;
    this.#stale = stale;
  }

  static async begin(t: Test, staleSeconds = 300): Promise<Past> {
    return new Past(t, await startSystem(options(staleSeconds)), staleSeconds);
  }

  async pass(until: number): Promise<void> {
    await this.h.clock.advance(Math.max(0, at(until) - this.h.clock.now()));
  }

  async tell(seconds: number, more: Partial<Report> = {}, received = seconds): Promise<void> {
    await this.pass(received);
    const answer = this.h.system.router.submit([report("a", seconds, { speed: 5, ...more })]);
    await this.h.clock.advance(0);
    await this.h.clock.advance(BUSY_FLUSH_INTERVAL_MS);
    this.t.match(await answer, { accepted: 1 });
  }

  /** Without a place. */
  async note(seconds: number, more: Partial<Report> = {}, received = seconds): Promise<void> {
    await this.tell(seconds, { lon: undefined, lat: undefined, speed: undefined, ...more }, received);
  }

  async signOff(seconds: number): Promise<void> {
    await this.pass(seconds);
    const command = { id: `off-${seconds}`, entity: "a", name: "sign-off", data: {} };
    const answer = this.h.system.router.command(command);
    await this.h.clock.advance(BUSY_FLUSH_INTERVAL_MS);
    this.t.match(await answer, { accepted: true });
  }

  /** What has ended becomes rows. */
  write(): void {
    const log = this.#log;
    for (const closed of log.closed) {
      const segment = segmentOf(log, "a", closed);
      if (segment.points.length > 1) this.rows.set(`${segment.points[0].t} ${segment.recorded}`, segment);
    }
    log.closed = [];
  }

  /** What is durable is all that is left. */
  async crash(withCheckpoint: boolean): Promise<void> {
    const { system, store, clock } = this.h;
    if (withCheckpoint) {
      const checkpoint = system.checkpointer.take(true);
      // There is none if nothing has happened since the last.
      if (checkpoint !== undefined) await system.checkpointer.write(checkpoint, system.commit.lastJournalId);
    }
    this.h = await startSystem({ ...options(this.#stale), store, clock });
  }

  get #log() {
    return this.h.system.table.tracks.logs[shardOf("a")];
  }

  get #history(): History {
    const newest = (known: number) =>
      [...this.rows.values()].filter(
        (row) =>
          row.recorded <= known &&
          ![...this.rows.values()].some(
            (other) =>
              other.points[0].t === row.points[0].t &&
              other.recorded > row.recorded &&
              other.recorded <= known,
          ),
      );
    const store: TrackStore = {
      at: async ({ t, known = Infinity }) =>
        newest(known).filter(({ points }) => points[0].t <= t && t < points.at(-1)!.t),
      of: async () => [],
      during: async ({ from, to, after }) =>
        after !== undefined
          ? []
          : newest(Infinity).filter(({ points }) => points[0].t <= to && points.at(-1)!.t >= from),
    };
    return new History(store, new LocalTails(this.h.system.table, this.h.clock).alone);
  }

  /** What was, as `seen` tells it, or `undefined` if the entity was not there. */
  async at(seconds: number, known?: number) {
    const asked = { t: at(seconds), limit: 10, ...(known === undefined ? {} : { known: at(known) }) };
    const { records } = await this.#history.at(asked);
    this.t.ok(records.length <= 1);
    const [record] = records;
    const { state, attributes, lon } = record ?? {};
    if (known === undefined) await this.#isPlayed(seconds, record);
    return record && { state, attributes, lon };
  }

  async #isPlayed(seconds: number, record: ThenRecord | undefined): Promise<void> {
    const stretches: Stretch[] = [];
    await this.#history.during({ from: at(seconds), to: at(seconds) }, (page) => {
      stretches.push(...page);
      return at(seconds);
    });
    const ways = stretches.map((stretch) => Way.of(stretch, undefined));
    const shown = ways.filter(({ first, end }) => first <= at(seconds) && at(seconds) < end);
    this.t.ok(shown.length <= 1, `one way at ${seconds} s`);
    this.t.equal(shown[0]?.description.state, record?.state, `played at ${seconds} s`);
    if (record !== undefined) this.t.ok(Math.abs(shown[0]!.at(at(seconds)).lon - record.lon!) < 1e-6);
  }

  /** The same before what has ended is in rows, after, and after crashes. */
  async everywhere(check: (where: string) => Promise<void>): Promise<void> {
    await check("from memory");
    await this.crash(false);
    await check("from the journal");
    await this.crash(true);
    await check("from a checkpoint");
    this.write();
    await check("from rows and memory");
    this.t.ok(isChain([...this.rows.values()]), "no row overlaps another");
  }
}

function options(staleSeconds: number) {
  const staleAfter = staleSeconds * 1_000;
  return { receive: { staleAfter, lostAfter: 10 * staleAfter, expiredAfter: 1_000 * staleAfter } };
}

/** Of each the version that counts. */
function isChain(rows: readonly Segment[]): boolean {
  const byFirst = Map.groupBy(rows, ({ points }) => points[0].t);
  const newest = [...byFirst.values()].map((all) => all.reduce((a, b) => (a.recorded > b.recorded ? a : b)));
  const sorted = newest.sort((a, b) => a.points[0].t - b.points[0].t);
  return sorted.every(({ points }, i) => i === 0 || sorted[i - 1].points.at(-1)!.t <= points[0].t);
}

const MOVING = "online.moving";

t.test("[TR2] [TR11] [TR12] [TR5] a command between two reports counts from then on", async (t) => {
  const past = await Past.begin(t);
  await past.tell(0, { lon: 25 });
  await past.signOff(3);
  const check = async (where: string, isGone: boolean) => {
    for (const [seconds, state] of [
      [0, MOVING],
      [1, MOVING],
      [2.999, MOVING],
      [3, "offline"],
      [4, "offline"],
    ] as const) {
      const lon = isGone ? 25 + seconds / 10 : 25;
      const found = await past.at(seconds);
      t.equal(found?.state, state, `${where}: at ${seconds} s`);
      t.ok(Math.abs(found!.lon! - lon) < 1e-6, `${where}: ${found!.lon} at ${seconds} s`);
    }
    t.equal((await past.at(1, 2))?.state, MOVING, `${where}: as known before`);
    t.equal((await past.at(1, 5))?.state, MOVING, where);
    t.equal((await past.at(4, 5))?.state, "offline", `${where}: as known after`);
  };
  await past.pass(5);
  await past.everywhere((where) => check(where, false));
  await past.tell(10, { lon: 26 });
  await past.tell(20, { lon: 27 });
  await past.everywhere((where) => check(where, true));
  t.match(await past.at(10), { state: MOVING });
  t.match(
    [...past.rows.values()].filter(({ points }) => points[0].t < at(10)).map(({ state }) => state),
    [MOVING, "offline"],
  );
});

t.test("[TR2] [TR11] attributes of a report without a place count from its time on", async (t) => {
  const past = await Past.begin(t);
  await past.tell(0, { lon: 25, attributes: { a: 1 } });
  await past.note(1, { attributes: { a: 2 } });
  // Under way for two seconds, overtaken by none.
  await past.note(4, { attributes: { a: 3 } }, 6);
  const check = async (where: string) => {
    for (const [seconds, a] of [
      [0, 1],
      [0.5, 1],
      [1, 2],
      [3.999, 2],
      [4, 3],
      [5, 3],
    ] as const)
      t.same((await past.at(seconds))?.attributes, { a }, `${where}: at ${seconds} s`);
  };
  await past.pass(7);
  await past.everywhere(check);
  // Observed before the last change came to be known, and after it was.
  await past.tell(5, { lon: 25.5 }, 7.5);
  await past.tell(10, { lon: 26 });
  await past.everywhere(check);
  t.ok(Math.abs((await past.at(2.5))!.lon! - 25.25) < 1e-6, "it was on its way");
});

t.test("[TR1] [TR2] a change by the report with the place itself makes no rows of its own", async (t) => {
  const past = await Past.begin(t);
  const log = () => past.h.system.table.tracks.logs[shardOf("a")];
  // A tenth of a second under way: decided after it was observed.
  const tell = (seconds: number, more: Partial<Report>) => past.tell(seconds, more, seconds + 0.1);
  await tell(0, { attributes: { a: 1 } });
  await tell(10, { attributes: { a: 2 } });
  await tell(20, { speed: 0 });
  await tell(30, { speed: 5, attributes: { a: 3 } });
  await tell(40, {});
  const ended = log().closed.map((closed) => segmentOf(log(), "a", closed));
  t.same(
    ended.map(({ state, attributes, points }) => [
      state,
      attributes,
      points.map(({ t }) => (t - START) / 1_000),
    ]),
    [
      [MOVING, '{"a":1}', [0, 10]],
      [MOVING, '{"a":2}', [10, 20]],
      ["online.stopped", '{"a":2}', [20, 30]],
    ],
  );
  t.equal(log().changes.wanted.bytes, 0);
});

t.test("[TR2] [TR9] changes without a place do not stay in memory without end", async (t) => {
  const past = await Past.begin(t);
  await past.tell(0);
  for (let second = 1; second <= 200; second++) await past.note(second, { attributes: { second } });
  const log = past.h.system.table.tracks.logs[shardOf("a")];
  t.ok(log.changes.of(0).length <= 64, `${log.changes.of(0).length} wait for a place`);
  t.ok(log.closed.length >= 120);
  past.write();
  const shown = await past.at(100.5);
  t.match(shown, { attributes: { second: 100 }, lon: 25 });
  t.match(await past.at(199), { attributes: { second: 199 }, lon: 25 });
  await past.everywhere(async (where) => {
    for (const second of [1, 50, 63, 64, 65, 130, 131, 199])
      t.match(await past.at(second), { attributes: { second } }, `${where}: at ${second} s`);
  });
});

t.test("[TR2] [TR3] a change while nothing is heard is told in the hold too", async (t) => {
  const past = await Past.begin(t, 20);
  await past.tell(0);
  await past.signOff(5);
  await past.pass(30);
  await past.everywhere(async (where) => {
    t.equal((await past.at(4))?.state, MOVING, where);
    t.equal((await past.at(5))?.state, "offline", where);
    t.equal((await past.at(19.9))?.state, "offline", where);
    t.equal(await past.at(20), undefined, where);
  });
});

t.test("[TR3] [TR11] what is heard of without a place is where it was last seen", async (t) => {
  const past = await Past.begin(t, 5);
  await past.tell(0, { lon: 25 });
  for (let second = 2; second <= 14; second += 2) await past.note(second, { attributes: { second } });
  const check = async (where: string, seconds: readonly number[]) => {
    for (const second of seconds) t.match(await past.at(second), { lon: 25 }, `${where}: at ${second} s`);
  };
  await past.everywhere((where) => check(where, [0, 4.9, 5, 9, 11, 13.9]));
  await past.tell(15, { lon: 26 });
  await past.everywhere((where) => check(where, [0, 4.9, 5, 9, 11]));
  t.ok(await past.at(14.5));
  await past.pass(100);
  t.equal(await past.at(20), undefined, "and then silence is silence");
  await past.everywhere(async (where) => {
    t.ok(await past.at(19.9), where);
    t.equal(await past.at(20), undefined, where);
  });
});

t.test("[TR3] [TR11] heard of again after silence it is where it was seen, but not in between", async (t) => {
  const past = await Past.begin(t, 5);
  await past.tell(0);
  await past.note(3);
  await past.note(20);
  await past.note(24);
  const check = async (where: string) => {
    for (const [second, isThere] of [
      [7.9, true],
      [8, false],
      [19.9, false],
      [20, true],
      [24.5, true],
    ] as const)
      t.equal((await past.at(second)) !== undefined, isThere, `${where}: at ${second} s`);
  };
  await past.everywhere(check);
  await past.pass(40);
  await past.everywhere(async (where) => {
    await check(where);
    t.ok(await past.at(28.9), where);
    t.equal(await past.at(29), undefined, where);
  });
});

t.test("[TR3] [TR11] a fix that is old when it comes is not held until now", async (t) => {
  const past = await Past.begin(t, 300);
  const day = 86_400;
  await past.tell(-7 * day, {}, 0);
  await past.pass(10);
  await past.everywhere(async (where) => {
    t.ok(await past.at(-7 * day + 299), where);
    for (const second of [-7 * day + 300, -4 * day, -1, 5])
      t.equal(await past.at(second), undefined, `${where}: at ${second} s`);
  });
  await past.pass(1_000);
  await past.everywhere(async (where) => {
    t.ok(await past.at(-7 * day + 299), where);
    t.equal(await past.at(-7 * day + 300), undefined, where);
  });
  await past.tell(1_000);
  t.equal(await past.at(999), undefined);
  t.ok(await past.at(1_000));
});

t.test("[TR1] [TR3] a report that is overtaken by news without a place is where it was then", async (t) => {
  const past = await Past.begin(t, 5);
  await past.tell(0, { lon: 25 });
  await past.note(4);
  await past.note(8);
  await past.tell(7.5, { lon: 26 }, 9);
  await past.tell(9.5, { lon: 27 });
  await past.everywhere(async (where) => {
    for (const [second, lon] of [
      [7.5, 26],
      [8, 26],
      [9.5, 27],
    ] as const)
      t.ok(Math.abs((await past.at(second))!.lon! - lon) < 1e-6, `${where}: at ${second} s`);
  });
});

t.test("[TR6] [TR11] where it was at a change across 180° is between both reports", async (t) => {
  const past = await Past.begin(t);
  await past.tell(0, { lon: 179.99 });
  await past.signOff(5);
  await past.tell(10, { lon: -179.99 });
  past.write();
  const rows = [...past.rows.values()];
  t.equal(rows.length, 2);
  t.ok(Math.abs(pointAt(rows[0].points, at(2.5))!.lon - 179.995) < 1e-6);
  t.ok(Math.abs((await past.at(7.5))!.lon! + 179.995) < 1e-6);
});
