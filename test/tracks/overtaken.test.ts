// Who reads a way while retention drops it.
import { OpenAPIHono } from "@hono/zod-openapi";
import t, { type Test } from "tap";
import type { Store } from "../../src/store/store.ts";
import { dropOldTracks } from "../../src/store/track/drop-old-tracks.ts";
import { History } from "../../src/tracks/history.ts";
import { tracksRoutes } from "../../src/transport/http/routes/tracks.ts";
import { problemOf } from "../http/fixture.ts";
import { open, rows as rowsOf } from "../store/fixture.ts";
import { madeDataDir } from "../support/data-dir.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { NO_TAILS } from "../support/no-history.ts";
import { permitAll } from "../support/permit-all.ts";
import { testDatabase } from "../support/postgres.ts";
import { temporaryFolder } from "../support/serve.ts";

const DAY_MS = 86_400_000;
/** A page of rows ends within the second day. */
const ROWS_A_DAY = 150;
/** Of an old recording that was played today. */
const RECORDED_DAYS_AGO = 4_000;

const stores: Record<string, (t: Test) => Promise<Store>> = {
  embedded: async (t) => open({ dataDir: await madeDataDir(t) }),
  PostgreSQL: async (t) =>
    open({ dataDir: await temporaryFolder(t), databaseUrl: (await testDatabase(t)).url }),
};

interface Track {
  features: { id: string }[];
  links: { rel: string; href: string }[];
}

async function rig(t: Test, opened: (t: Test) => Promise<Store>) {
  const store = await opened(t);
  t.teardown(() => store.close());
  const dayAgo = (days: number) => new Date(Date.now() - days * DAY_MS).toISOString().slice(0, 10);
  const insert = (id: string, daysAgo: number, recordedDaysAgo: number, count: number) =>
    rowsOf(
      store,
      `INSERT INTO track (first, recorded, hold, entity, t_range, path, kind, state, attributes, labels)
       SELECT first, now() - make_interval(days => $3::int), false, $1, tstzrange(first, first + interval '1 minute'),
         ST_SetSRID(ST_MakeLine(ST_MakePoint(0, 0, 0, extract(epoch FROM first)), ST_MakePoint(1, 1, 0, extract(epoch FROM first) + 60)), 4326),
         'truck', 's', '{}', '{}'
       FROM generate_series(1, $4::int) AS n, LATERAL (SELECT ($2::date + make_interval(mins => n * 5)) AT TIME ZONE 'UTC' AS first) AS row`,
      [id, dayAgo(daysAgo), recordedDaysAgo, count],
    );
  for (const days of [12, 11, 10, 9]) {
    await rowsOf(
      store,
      `CREATE TABLE track_${dayAgo(days).replaceAll("-", "")} PARTITION OF track FOR VALUES FROM ('${dayAgo(days)} 00:00+00') TO ('${dayAgo(days - 1)} 00:00+00')`,
    );
    await insert("a", days, days, ROWS_A_DAY);
  }
  await insert("recording", RECORDED_DAYS_AGO, 0, 2 * ROWS_A_DAY);
  const history = new History(store.history, NO_TAILS);
  const app = new OpenAPIHono();
  app.use(permitAll);
  tracksRoutes(app, new FakeClock(Date.now()), history);
  const get = async (path: string) => app.request(path);
  const page = async (path: string) => {
    const { features, links } = (await (await get(path)).json()) as Track;
    return { features, next: links.find(({ rel }) => rel === "next")?.href };
  };
  /** A day, and the one after it is not over for so long. */
  const drop = async (daysAgo: number) => {
    const { dropped } = await dropOldTracks(store.context, (daysAgo - 2) * DAY_MS);
    t.ok(dropped.includes(`track_${dayAgo(daysAgo).replaceAll("-", "")}`));
  };
  const since = (daysAgo: number) => new RegExp(`^a/${dayAgo(daysAgo)}`);
  return { history, get, page, drop, since, dayAgo };
}

for (const [name, opened] of Object.entries(stores)) {
  t.test(`[TR50] a page that retention has overtaken is refused (${name})`, async (t) => {
    const { get, page, drop, since } = await rig(t, opened);
    const track = "/v1/entities/a/track";
    const first = await page(`${track}?limit=100`);
    const sparse = await page(`${track}?limit=100&every=1`);
    const later = await page(`${track}?limit=200`);
    t.equal((await get(first.next!)).status, 200);
    await drop(12);
    t.same(await problemOf(await get(first.next!)), ["track-gone", 410]);
    t.same(await problemOf(await get(sparse.next!)), ["track-gone", 410]);
    t.match(await (await get(first.next!)).json(), { detail: /older than what is kept, or was erased/ });
    const rest = await page(later.next!.replace("limit=200", "limit=1000"));
    t.equal(rest.features.length, 4 * ROWS_A_DAY - 200, "what follows a row that is kept is whole");
    const anew = await page(`${track}?limit=100`);
    t.match(anew.features[0]!.id, since(11), "without a cursor it begins with what is kept");
    t.equal((await get(anew.next!)).status, 200);
  });

  t.test(`[TR50] lines that retention overtakes are cut (${name})`, async (t) => {
    const { get, drop } = await rig(t, opened);
    const read = async (days: number) => {
      const response = await get("/v1/entities/a/track?f=ndjson");
      const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
      let { value: text = "" } = await reader.read();
      await drop(days);
      for (let part = await reader.read(); !part.done; part = await reader.read()) text += part.value;
      return text.split("\n").length - 1;
    };
    t.equal(await read(12), 4 * ROWS_A_DAY, "what is dropped was read");
    await t.rejects(read(10), { name: "WayGone" });
  });

  t.test(`[TR50] a recording of old days is read to its end (${name})`, async (t) => {
    const { get, page, drop } = await rig(t, opened);
    await drop(12);
    const lines = await (await get("/v1/entities/recording/track?f=ndjson")).text();
    t.equal(lines.trim().split("\n").length, 2 * ROWS_A_DAY);
    for (const query of ["limit=100", "limit=100&every=1"]) {
      let count = 0;
      for (let path: string | undefined = `/v1/entities/recording/track?${query}`; path !== undefined; ) {
        const { features, next } = await page(path);
        count += features.length;
        path = next;
      }
      t.equal(count, 2 * ROWS_A_DAY, query);
    }
  });
}

t.test("[TR50, AC33] who may not see a way is refused as if there were none", async (t) => {
  const { history, dayAgo } = await rig(t, stores.PostgreSQL!);
  const at = Date.parse(`${dayAgo(RECORDED_DAYS_AGO)}T00:05Z`);
  const read = async (id: string, ...permitted: string[]) => {
    const { segments } = await history.of({ id, from: -Infinity, to: Infinity, permitted }, at);
    return (await segments.next()).done;
  };
  t.equal(await read("recording", "entity.state == 's'"), false);
  for (const id of ["recording", "nobody"])
    await t.rejects(read(id, "entity.state == 'other'"), { name: "WayGone" }, id);
});
