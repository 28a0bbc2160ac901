// The way of an entity, whose shard nobody answers for.
import { OpenAPIHono } from "@hono/zod-openapi";
import t from "tap";
import { shardOf } from "../../src/actors/shard-hash.ts";
import { History } from "../../src/tracks/history.ts";
import type { TrackStore } from "../../src/tracks/ports.ts";
import type { Segment } from "../../src/tracks/segment.ts";
import { tracksRoutes } from "../../src/transport/http/routes/tracks.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { NO_ROWS, NO_TAILS } from "../support/no-history.ts";
import { permitAll } from "../support/permit-all.ts";

const rows: Segment[] = [0, 1_000].map((first) => ({
  ...{ id: "a", kind: "ship", state: "moving", attributes: "", labels: [], fences: [], recorded: first },
  hold: false,
  points: [0, 500].map((t) => ({ t: first + t, lon: t, lat: 0, alt: NaN, speed: NaN, course: NaN })),
}));

t.test(
  "[TR30] a way of which a part may be missing is refused in every format and on every page",
  async (t) => {
    let read = 0;
    const store: TrackStore = {
      ...NO_ROWS,
      of: async ({ after }) => {
        read += 1;
        return rows.filter(({ points }) => points[0].t > after);
      },
    };
    const tails = { ...NO_TAILS, of: async () => ({ segments: [], missing: [shardOf("a")] }) };
    const app = new OpenAPIHono();
    app.use(permitAll);
    tracksRoutes(app, new FakeClock(), new History(store, tails));
    const ask = (query: string) => app.request(`/v1/entities/a/track?${query}`);
    for (const query of [
      "f=geojson",
      "f=mf-json",
      "f=ndjson",
      "f=ndjson&every=1",
      "limit=1",
      "limit=1&after=0",
    ]) {
      const refused = await ask(query);
      t.equal(refused.status, 503, query);
      t.match(await refused.json(), { type: /unavailable/ });
      t.ok(refused.headers.has("retry-after"));
    }
    t.equal(read, 0, "and no row is read for it");
    for (const query of ["", "f=mf-json", "limit=1", "limit=1&after=0"]) {
      const told = await ask(`partial=true&${query}`);
      t.equal(told.status, 200, query);
      t.match(await told.json(), { missingShards: 1 }, `${query}: told on every page`);
    }
    const lines = await (await ask("partial=true&f=ndjson")).text();
    t.equal(lines.trim().split("\n").length, rows.length);
  },
);
