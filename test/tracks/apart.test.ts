// A way by fewer points, over HTTP and by itself.
import assert from "node:assert/strict";
import { OpenAPIHono } from "@hono/zod-openapi";
import t from "tap";
import { Apart } from "../../src/tracks/apart.ts";
import { History } from "../../src/tracks/history.ts";
import type { TrackStore } from "../../src/tracks/ports.ts";
import type { Segment } from "../../src/tracks/segment.ts";
import { tracksRoutes } from "../../src/transport/http/routes/tracks.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { NO_ROWS, NO_TAILS } from "../support/no-history.ts";
import { permitAll } from "../support/permit-all.ts";
import { fc } from "../support/seeded.ts";

const START = Date.UTC(2026, 0, 1);

/** A segment with points at these seconds. */
const segment = (seconds: readonly number[], n: number, hold = false): Segment => ({
  ...{ id: "a", kind: "truck", state: "s", attributes: `{"n":${n}}`, labels: [], fences: [] },
  ...{ recorded: START + 1_000 * n, hold },
  points: seconds.map((second) => ({
    ...{ t: START + 1_000 * second, lon: second / 100, lat: 0, alt: NaN, speed: 1, course: NaN },
  })),
});
const secondOf = (time: number | string) => (new Date(time).getTime() - START) / 1_000;

interface Collection {
  features: {
    geometry: { coordinates: number[][] };
    properties: { times: string[]; attributes: { n: number } };
  }[];
  links: { rel: string; href: string }[];
}

function serve(rows: readonly Segment[]) {
  const store: TrackStore = {
    ...NO_ROWS,
    of: async ({ from, to, after, limit }) =>
      rows
        .filter(({ points }) => points[0].t > after && points[0].t <= to && points.at(-1)!.t >= from)
        .slice(0, limit),
  };
  const app = new OpenAPIHono();
  app.use(permitAll);
  tracksRoutes(app, new FakeClock(), new History(store, NO_TAILS));
  const read = async (path: string) => (await app.request(path)).json() as Promise<Collection>;
  /** Lines as their seconds, by links from page to page. */
  const all = async (query: string) => {
    const lines: number[][] = [];
    for (let path: string | undefined = `/v1/entities/a/track?${query}`; path !== undefined; ) {
      const { features, links }: Collection = await read(path);
      assert.ok(features.length <= Number(new URLSearchParams(query).get("limit") ?? 1_000));
      lines.push(...features.map(({ properties }) => properties.times.map(secondOf)));
      path = links.find(({ rel }) => rel === "next")?.href;
    }
    return lines;
  };
  return { read, all, app };
}

t.test("[TR19] every=30 leaves points 30 s apart, however often what the entity is changes", async (t) => {
  const { read, all, app } = serve(Array.from({ length: 100 }, (_, n) => segment([n, n + 1], n)));
  const lines = [
    [0, 30],
    [30, 60],
    [60, 90],
  ];
  const { features } = await read("/v1/entities/a/track?every=30");
  t.same(
    features.map(({ properties: { times, attributes } }) => [times.map(secondOf), attributes.n]),
    lines.map((line) => [line, line[0]]),
    "each tells what the entity was at its begin",
  );
  t.same(await all("every=30&limit=1"), lines, "from page to page");
  const within = `datetime=${new Date(START + 10_500).toISOString()}/${new Date(START + 60_000).toISOString()}`;
  t.same(await all(`every=30&${within}`), [[10.5, 41]]);
  const moving = await (await app.request("/v1/entities/a/track?every=30&f=mf-json")).json();
  t.same(moving.features[0].temporalGeometry.datetimes.map(secondOf), [0, 30, 60, 90]);
  const text = await (await app.request("/v1/entities/a/track?every=30&f=ndjson")).text();
  t.equal(text.trim().split("\n").length, 3);
});

t.test("[TR19] before a gap a line ends, and has a point twice if that is all", async (t) => {
  const { all, app } = serve([segment([0, 1, 6], 0, true), segment([100, 150, 155], 1, true)]);
  t.same(await all("every=30"), [
    [0, 0],
    [100, 150],
  ]);
  t.same(await all("every=120"), [
    [0, 0],
    [150, 150],
  ]);
  t.same(await all("every=120&limit=1"), await all("every=120"));
  const moving = await (await app.request("/v1/entities/a/track?every=120&f=mf-json")).json();
  t.same(
    moving.features[0].temporalGeometry.prisms.map(
      ({ datetimes }: { datetimes: string[] }) => datetimes.length,
    ),
    [1, 1],
  );
});

t.test("[TR19] simplify keeps both ends of each segment, or of each line that every leaves", async (t) => {
  const rows = Array.from({ length: 3 }, (_, n) => segment([10 * n, 10 * n + 3, 10 * n + 6, 10 * n + 10], n));
  const { all } = serve(rows);
  t.same(await all("simplify=5"), [
    [0, 10],
    [10, 20],
    [20, 30],
  ]);
  t.same(await all("simplify=5&every=4"), [
    [0, 10],
    [10, 20],
    [20, 30],
  ]);
  t.same(await all("simplify=5&every=15"), [[0, 16]]);
});

const way = fc
  .array(
    fc.record({
      gap: fc.constantFrom(0, 0, 0, 1, 50),
      steps: fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 5 }),
    }),
    { minLength: 1, maxLength: 25 },
  )
  .map((pieces) => {
    let now = 0;
    return pieces.map(({ gap, steps }, n) => {
      now += gap;
      const seconds = [now, ...steps.map((step) => (now += step))];
      return segment(seconds, n);
    });
  });

t.test("[TR19] whatever the way, all points are so far apart, and none more could be", async () => {
  await fc.assert(
    fc.asyncProperty(
      way,
      fc.integer({ min: 0, max: 70 }),
      fc.integer({ min: 1, max: 4 }),
      async (rows, every, limit) => {
        const apart = new Apart(every * 1_000);
        const lines = [...rows.flatMap((row) => apart.take(row)), ...apart.end()];
        const expected: number[] = [];
        for (const { t } of rows.flatMap(({ points }) => points)) {
          const kept = expected.at(-1) ?? -Infinity;
          if (t > kept && t - kept >= every * 1_000) expected.push(t);
        }
        assert.deepEqual([...new Set(lines.flatMap(({ points }) => points.map(({ t }) => t)))], expected);
        for (const [i, { attributes, points }] of lines.entries()) {
          const [begin, end] = [points[0].t, points.at(-1)!.t];
          const of = rows.findLast((row) => row.points[0].t <= begin)!;
          assert.equal(attributes, of.attributes);
          const next = lines[i + 1]?.points[0].t;
          const isGap = (from: number, to: number) =>
            rows.some(({ points }, k) => {
              const last = points.at(-1)!.t;
              const following = rows[k + 1]?.points[0].t;
              return last >= from && following !== undefined && following > last && following <= to;
            });
          assert.ok(!isGap(begin, end), "no line over a gap");
          assert.ok(next === undefined || next === end || isGap(end, next), "lines go on");
        }
        const seconds = lines.map(({ points }) => points.map(({ t }) => secondOf(t)));
        assert.deepEqual(await serve(rows).all(`every=${every}&limit=${limit}`), seconds);
      },
    ),
    { numRuns: 200 },
  );
});
