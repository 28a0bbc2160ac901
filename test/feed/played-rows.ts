/** A history in memory, and a feed that plays it. */
import { StoreAway } from "../../src/actors/ports.ts";
import { History } from "../../src/tracks/history.ts";
import type { StretchQuery, TrackStore, TrackTails } from "../../src/tracks/ports.ts";
import type { Segment, TrackPoint } from "../../src/tracks/segment.ts";
import { meets, stretchOf } from "../../src/tracks/stretch.ts";
import type { Playback } from "../../src/transport/feed/protocol.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { NO_TAILS } from "../support/no-history.ts";
import { start } from "./harness.ts";

export const NOW = Date.UTC(2026, 0, 1, 12);
export const HOUR_MS = 3_600_000;
export const at = (ms: number) => new Date(ms).toISOString();

/** Rows as a database would find them. */
export class Rows implements TrackStore {
  readonly queries: StretchQuery[] = [];
  away = false;
  /** What a query waits for. */
  wait: () => Promise<void> = async () => {};
  /** It cannot be read with a longer stretch of time than this, ms. */
  longest = Infinity;
  readonly segments: Segment[];

  constructor(segments: Segment[]) {
    this.segments = segments;
  }

  at = async () => [];
  of = async () => [];
  floor = async () => -Infinity;
  async during(query: Parameters<TrackStore["during"]>[0]): Promise<Segment[]> {
    this.queries.push(query);
    await this.wait();
    const { from, to, region, ids, after, limit } = query;
    if (this.away || to - from > this.longest) throw new StoreAway("away");
    const place = ({ id, points }: Segment) => `${id} ${points[0].t}`;
    return this.segments
      .filter(({ points }) => points[0].t <= to && points.at(-1)!.t >= from && meets(points, region))
      .filter(({ id }) => ids?.includes(id) !== false)
      .filter((segment) => after === undefined || place(segment) > `${after.id} ${after.first}`)
      .slice(0, limit);
  }
}

/** From an hour ago until now, a point each so many ms, in HERE. */
export function segments(count: number, everyMs: number): Segment[] {
  return Array.from({ length: count }, (_, i) => ({
    ...{
      id: `e${String(i).padStart(5, "0")}`,
      kind: "boat",
      state: "",
      attributes: "",
      labels: [],
      fences: [],
    },
    ...{ recorded: NOW - HOUR_MS, hold: false },
    points: Array.from({ length: HOUR_MS / everyMs + 1 }, (_, point) => ({
      ...{ t: NOW - HOUR_MS + point * everyMs, lon: 10.05 + (point % 2) / 1_000, lat: 50.05 },
      ...{ alt: NaN, speed: 1, course: NaN },
    })),
  }));
}

/** Segments that a node has in memory, and in no row yet. */
export function inMemory(segments: readonly Segment[]): TrackTails {
  return {
    ...NO_TAILS,
    during: async ({ from, to }) => ({
      pages: [{ stretches: segments.map((segment) => stretchOf(segment, from, to)), more: false }],
      missing: [],
    }),
  };
}

export function setUp(
  rows: Rows,
  clock = new FakeClock(NOW),
  tails = NO_TAILS,
  options: Parameters<typeof start>[0] = {},
) {
  const history = new History(rows, tails);
  const made = start({ clock, history, ...options });
  /** Base ticks, with what is read in between. */
  const run = async (ticks: number, before = () => {}) => {
    for (let i = 0; i < ticks; i++) {
      clock.pass(100);
      before();
      await clock.settle();
      made.feed.tick();
      await clock.settle();
    }
  };
  const told = () => made.client.received.filter((message): message is Playback => message.op === "playback");
  const refused = () => made.client.last("error")?.type.replace("urn:muster:problem:", "");
  return { ...made, history, run, told, refused };
}

/** A way of an entity by its points: ms before now, and place. */
export function way(
  id: string,
  points: [before: number, lon: number, lat: number][],
  more: Partial<Segment> = {},
): Segment {
  return {
    ...{
      id,
      kind: "boat",
      state: "",
      attributes: "",
      labels: [],
      fences: [],
      recorded: NOW - HOUR_MS,
      hold: false,
    },
    points: points.map(
      ([before, lon, lat]): TrackPoint => ({
        ...{ t: NOW - before, lon, lat, alt: NaN, speed: 1, course: NaN },
      }),
    ),
    ...more,
  };
}

/** Lets queries go on after some time of a clock. */
export class Slowness {
  readonly #clock: FakeClock;
  #waiting: { at: number; resolve(): void }[] = [];

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  wait(ms: number): Promise<void> {
    return new Promise((resolve) => this.#waiting.push({ at: this.#clock.monotonic() + ms, resolve }));
  }

  /** Those whose time has come. */
  release(): void {
    const due = this.#waiting.filter(({ at }) => at <= this.#clock.monotonic());
    this.#waiting = this.#waiting.filter(({ at }) => at > this.#clock.monotonic());
    for (const { resolve } of due) resolve();
  }
}
