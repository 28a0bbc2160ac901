// What late reports change of rows, portion by portion.
import { setTimeout as sleep } from "node:timers/promises";
import t, { type Test } from "tap";
import type { LateOfEntity } from "../../src/actors/track-source.ts";
import { MAX_BACKGROUND_ROWS } from "../../src/limits.ts";
import { withClient } from "../../src/store/session.ts";
import type { Store } from "../../src/store/store.ts";
import { segmentsAround } from "../../src/store/track/segments-around.ts";
import { correct, type Late } from "../../src/tracks/correct.ts";
import { PackedSegments } from "../../src/tracks/packed-segments.ts";
import type { Segment } from "../../src/tracks/segment.ts";
import { KeptLog, open } from "../store/fixture.ts";
import { madeDataDir } from "../support/data-dir.ts";
import { testDatabase } from "../support/postgres.ts";
import { temporaryFolder } from "../support/serve.ts";

const START = Date.UTC(2026, 4, 1, 3);
const HOLD_MS = 300_000;
const point = (second: number) => ({
  ...{ t: START + second * 1_000, lon: 25, lat: second / 1_000, alt: NaN, speed: NaN, course: NaN },
});

/** Rows of a minute each, one after the other. */
const ROWS = 300;
const rows: Segment[] = Array.from({ length: ROWS }, (_, i) => ({
  ...{ id: "a", kind: "truck", state: "moving", attributes: "", labels: [], fences: [], hold: false },
  recorded: START + i * 60_000,
  points: [0, 30, 60].map((second) => point(i * 60 + second)),
}));
/** Two in each of them, and some after them all. */
const late: Late[] = [...Array.from({ length: 2 * ROWS }, (_, i) => 15 + 30 * i), 18_100, 18_200].map(
  (second) => ({
    point: point(second),
    received: START + 86_400_000 + second,
  }),
);

t.test("[TR24] late reports are corrected a part at a time: embedded", async (t) => {
  await corrected(t, await open({ dataDir: await madeDataDir(t), log: new KeptLog() }));
});

t.test("[TR24] late reports are corrected a part at a time: PostgreSQL", async (t) => {
  const { url } = await testDatabase(t);
  await corrected(t, await open({ dataDir: await temporaryFolder(t), databaseUrl: url, log: new KeptLog() }));
});

async function corrected(t: Test, store: Store): Promise<void> {
  t.teardown(() => store.close());
  const waiting = [PackedSegments.of(rows.slice(0, 200)), PackedSegments.of(rows.slice(200))];
  let left = late;
  let portions = 0;
  store.tracks.start({
    holdMs: HOLD_MS,
    segments() {
      const [segments] = waiting;
      return segments && { segments, written: () => waiting.shift() };
    },
    late(): LateOfEntity[] {
      if (left.length === 0) return [];
      const written = (before: number) => {
        portions += 1;
        left = left.filter(({ point }) => point.t >= before);
      };
      return [{ id: "a", points: left, end: Infinity, former: -Infinity, otherwise: undefined, written }];
    },
  });
  while (left.length > 0) await sleep(20);
  const expected = new Map(
    [...rows, ...correct("a", rows, late, Infinity, HOLD_MS)].map((row) => [row.points[0].t, row]),
  );
  const all = { id: "a", from: -Infinity, to: Infinity, after: -Infinity, limit: 1_000 };
  const way = (segments: Iterable<Segment>) =>
    [...segments].map(({ points, hold }) => [hold, ...points.map(({ t }) => (t - START) / 1_000)]);
  const sorted = [...expected.values()].sort((a, b) => a.points[0].t - b.points[0].t);
  t.same(way(await store.history.of(all)), way(sorted), "the same rows");
  t.equal(portions, Math.ceil(ROWS / MAX_BACKGROUND_ROWS));

  const asked = { id: "a", from: START + 100_000, to: START + 1_000_000 };
  const around = (limit: number) =>
    withClient(store.context, (client) => segmentsAround(client, [asked], limit));
  const begins = ({ segments }: { segments: Segment[] }) =>
    segments.map(({ points }) => (points[0].t - START) / 1_000);
  const some = (await around(3)).get("a")!;
  t.same([begins(some), some.until], [[60, 120, 180, 240], START + 240_000]);
  const enough = (await around(20)).get("a")!;
  t.same([begins(enough).at(0), begins(enough).at(-1), enough.until], [60, 1_020, Infinity]);
}
