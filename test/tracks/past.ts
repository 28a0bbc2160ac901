/** One entity of a system that can crash, and what is told of what it did. */
import type { Test } from "tap";
import { LocalTails } from "../../src/actors/local-tails.ts";
import type { Report } from "../../src/actors/messages.ts";
import { shardOf } from "../../src/actors/shard-hash.ts";
import { TrackSource } from "../../src/actors/track-source.ts";
import { BUSY_FLUSH_INTERVAL_MS } from "../../src/limits.ts";
import { correct } from "../../src/tracks/correct.ts";
import { History } from "../../src/tracks/history.ts";
import type { ThenRecord, TrackStore } from "../../src/tracks/ports.ts";
import { pointAt, type Segment } from "../../src/tracks/segment.ts";
import { meets, type Region, type Stretch } from "../../src/tracks/stretch.ts";
import { segmentOf } from "../../src/tracks/tracks.ts";
import { Way } from "../../src/tracks/way.ts";
import { type Harness, report, startSystem } from "../support/actor-system.ts";
import { PlainTrack } from "./plain-track.ts";

export const START = Date.UTC(2026, 0, 1);
export const at = (seconds: number) => START + seconds * 1_000;

export class Past {
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

  async label(seconds: number, ...labels: string[]): Promise<void> {
    await this.pass(seconds);
    const answer = this.h.system.router.command({ id: `labels-${seconds}`, entity: "a", labels });
    await this.h.clock.advance(BUSY_FLUSH_INTERVAL_MS);
    this.t.match(await answer, { accepted: true });
  }

  async remove(seconds: number): Promise<void> {
    await this.pass(seconds);
    const answer = this.h.system.router.command({ id: `gone-${seconds}`, entity: "a", erase: false });
    await this.h.clock.advance(BUSY_FLUSH_INTERVAL_MS);
    this.t.match(await answer, { accepted: true });
  }

  /** What has ended becomes rows. */
  write(): void {
    const log = this.tracks;
    for (const closed of log.closed) {
      const segment = segmentOf(log, "a", closed);
      if (segment.points.length > 1) this.rows.set(`${segment.points[0].t} ${segment.recorded}`, segment);
    }
    log.closed = [];
  }

  /** What came late changes rows. */
  correct(): void {
    const most = { entities: 10, points: 1_000 };
    const source = new TrackSource(this.h.system.table);
    for (const { id, points, end, former, otherwise, written } of source.late(most, () => false)) {
      const counting = PlainTrack.current([...this.rows.values()]);
      for (const row of correct(id, counting, points, end, this.#stale * 1_000, former, otherwise))
        this.rows.set(`${row.points[0].t} ${row.recorded}`, row);
      written(Infinity);
    }
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

  get tracks() {
    return this.h.system.table.tracks.logs[shardOf("a")];
  }

  get history(): History {
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
      floor: async () => -Infinity,
      at: async ({ t, known = Infinity }) =>
        newest(known)
          .filter(({ points }) => points[0].t <= t && t < points.at(-1)!.t)
          .sort((a, b) => b.points[0].t - a.points[0].t),
      of: async ({ from, to, known = Infinity, after, limit }) =>
        newest(known)
          .filter(({ points }) => points[0].t > after && points[0].t <= to && points.at(-1)!.t >= from)
          .sort((a, b) => a.points[0].t - b.points[0].t)
          .slice(0, limit),
      during: async ({ from, to, region, after }) =>
        after !== undefined
          ? []
          : newest(Infinity).filter(
              ({ points }) => points[0].t <= to && points.at(-1)!.t >= from && meets(points, region),
            ),
    };
    return new History(store, new LocalTails(this.h.system.table, this.h.clock).alone);
  }

  /** What was, as `seen` tells it, or `undefined` if the entity was not there. */
  async at(seconds: number, known?: number) {
    const asked = { t: at(seconds), limit: 10, ...(known === undefined ? {} : { known: at(known) }) };
    const { records } = await this.history.at(asked);
    this.t.ok(records.length <= 1);
    const [record] = records;
    const { state, attributes, labels, lon } = record ?? {};
    if (known === undefined) await this.#isPlayed(seconds, record);
    await this.#isOne(asked, record);
    await this.#isElsewhereIn(asked, record);
    return record && { state, attributes, labels, lon };
  }

  /** The answer about one, and its way, tell what the list does. */
  async #isOne(asked: { t: number; known?: number }, record: ThenRecord | undefined): Promise<void> {
    const { t, known } = asked;
    const history = this.history;
    const { record: one } = await history.one("a", asked);
    const version = { epoch: 0, seq: 0 };
    this.t.same(one, record && { ...record, ...version }, `one at ${t - START} ms, as known at ${known}`);
    const way: Segment[] = [];
    let end = -Infinity;
    const { segments } = await history.of({ id: "a", from: t, to: Infinity, known });
    for await (const segment of segments) {
      this.t.ok(segment.points[0].t >= end, "no overlap");
      end = segment.points.at(-1)!.t;
      way.push(segment);
    }
    // Where what was known ends it is told as held until then.
    const then = way.findLast(({ points }) => points[0].t <= t && (t < points.at(-1)!.t || t === known));
    const place = then && pointAt(then.points, t)!;
    this.t.ok(
      place === undefined ? record === undefined : Math.abs(place.lon - record!.lon!) < 1e-6,
      `its way goes there at ${t - START} ms, as known at ${known}`,
    );
  }

  /** Whoever asks for a place that rows tell of, or for a state, finds what all do or nothing. */
  async #isElsewhereIn(asked: { t: number; known?: number }, record: ThenRecord | undefined): Promise<void> {
    const { t, known } = asked;
    const where = `at ${t - START} ms, as known at ${known}`;
    const rows = [...this.rows.values()];
    for (const state of new Set(rows.map((row) => row.state))) {
      const { records } = await this.history.at({ ...asked, states: [state], limit: 10 });
      this.t.same(records, record?.state === state ? [record] : [], `${state} ${where}`);
    }
    for (const lon of new Set(rows.map(({ points }) => points[0].lon))) {
      const [west, east] = [lon - 0.01, lon + 0.01];
      const { records } = await this.history.at({ ...asked, bbox: [west, -90, east, 90], limit: 10 });
      const isThere = record !== undefined && record.lon! >= west && record.lon! <= east;
      this.t.same(records, isThere ? [record] : [], `near ${lon} ${where}`);
      if (known !== undefined) continue;
      const ways = await this.#played(t, { west, south: -90, east, north: 90 });
      for (const way of ways)
        this.t.ok(Math.abs(way.at(t).lon - (record?.lon ?? NaN)) < 1e-6, `played ${where}`);
    }
  }

  /** What is played of a region at a moment. */
  async #played(t: number, region?: Region): Promise<Way[]> {
    const stretches: Stretch[] = [];
    await this.history.during({ from: t, to: t, region }, (page) => {
      stretches.push(...page);
      return t;
    });
    const ways = stretches.map((stretch) => Way.of(stretch, undefined));
    return ways.filter(({ first, end }) => first <= t && t < end);
  }

  async #isPlayed(seconds: number, record: ThenRecord | undefined): Promise<void> {
    const shown = await this.#played(at(seconds));
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
