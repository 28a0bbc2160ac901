// What was, over HTTP, from a node whose rows follow within a second.
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import pg from "pg";
import t, { type Test } from "tap";
import { madeDataDir } from "../support/data-dir.ts";
import { testDatabase } from "../support/postgres.ts";
import { type Serving, serve, temporaryFolder } from "../support/serve.ts";

const HURRIED = fileURLToPath(new URL("../support/serve-hurried.ts", import.meta.url));
const MINUTE_MS = 60_000;

interface Feature {
  id: string;
  geometry: { coordinates: number[] & number[][] };
  properties: Record<string, unknown> & { times: string[]; speed: number[] };
}
interface Collection {
  features: Feature[];
  links: { rel: string; href: string }[];
}

t.test("[TR11] [TR12] [TR13] [TR14] what was, on the embedded database", async (t) => {
  await history(t, await serve(t, { dataDir: await madeDataDir(t), program: HURRIED }), async () => {});
});

t.test("[TR11] [TR12] [TR13] [TR14] what was, on PostgreSQL", async (t) => {
  const { url } = await testDatabase(t);
  const env = { DATABASE_URL: url };
  const node = await serve(t, { dataDir: await temporaryFolder(t), program: HURRIED, env });
  const rows = new pg.Client({ connectionString: url });
  await rows.connect();
  t.teardown(() => rows.end());
  await history(t, node, async (wanted) => {
    for (;;) {
      const { rows: found } = await rows.query("SELECT count(*)::int AS n FROM track");
      if (found[0].n >= wanted) return;
      await sleep(50);
    }
  });
});

/** @param written waits until there are so many rows; what is asked before is answered from memory. */
async function history(t: Test, node: Serving, written: (rows: number) => Promise<void>): Promise<void> {
  const start = Math.floor(Date.now() / 1_000) * 1_000 - 60 * MINUTE_MS;
  const at = (seconds: number) => new Date(start + seconds * 1_000).toISOString();
  const post = async (reports: object[]) => {
    const body = JSON.stringify(reports);
    const response = await fetch(`${node.url}/v1/reports`, { method: "POST", headers: node.headers, body });
    t.match(await response.json(), { accepted: reports.length });
  };
  const get = (path: string, headers: object = {}) =>
    fetch(`${node.url}${path}`, { headers: { ...node.headers, ...headers } });
  const list = async (path: string) => {
    const response = await get(path);
    t.equal(response.status, 200, path);
    return (await response.json()) as Collection;
  };
  const places = ({ features }: Collection) =>
    Object.fromEntries(features.map(({ id, geometry }) => [id, geometry.coordinates]));

  // Across 180°, along a street, and still.
  const reports = Array.from({ length: 121 }, (_, i) => [
    {
      id: "ship/ü",
      t: at(i * 10),
      kind: "vessel",
      lon: i < 60 ? 179.94 + i / 1_000 : -180 + (i - 60) / 1_000,
      lat: 10,
    },
    { id: "truck", t: at(i * 10), kind: "truck", lon: 25 + i / 1_000, lat: 60, speed: 5 + i, course: 90 },
  ]).flat();
  await post([...reports, { id: "depot", t: at(0), kind: "place", lon: 25.05, lat: 60 }]);
  await post([{ id: "truck", t: at(1_201), lon: 25.13, lat: 60, attributes: { load: "sand" } }]);

  const check = async (when: string) => {
    t.match(
      places(await list(`/v1/entities?datetime=${at(605)}`)),
      {
        "ship/ü": [-179.9995, 10],
        truck: [25.0605, 60],
      },
      `${when}: between two reports`,
    );
    t.same(Object.keys(places(await list(`/v1/entities?datetime=${at(200)}&bbox=25,59,25.1,61`))), [
      "depot",
      "truck",
    ]);
    t.same(
      places(await list(`/v1/entities?datetime=${at(200)}&bbox=25,59,25.019,61`)),
      {},
      "as of then, not as of the way",
    );
    t.same(Object.keys(places(await list(`/v1/entities?datetime=${at(605)}&bbox=179.95,0,-179.95,20`))), [
      "ship/ü",
    ]);
    t.same(Object.keys(places(await list(`/v1/entities?datetime=${at(605)}&kind=truck`))), ["truck"]);
    t.same(places(await list(`/v1/entities?datetime=${at(-1)}`)), {}, "before everything");
    const first = await list(`/v1/entities?datetime=${at(100)}&limit=2`);
    t.same(Object.keys(places(first)), ["depot", "ship/ü"]);
    const next = await list(first.links.find(({ rel }) => rel === "next")!.href);
    t.same(Object.keys(places(next)), ["truck"], "page by page");
    t.match((await list(`/v1/entities?datetime=${at(1_200)}&kind=truck`)).features, [
      { properties: { attributes: {}, state: /^online/ } },
    ]);
    t.match((await list(`/v1/entities?datetime=${at(1_201)}&kind=truck`)).features, [
      { properties: { attributes: { load: "sand" }, liveness: "live", t: at(1_201) } },
    ]);
    t.same(
      places(await list(`/v1/entities?datetime=${at(100)}&known=${at(200)}`)),
      {},
      "nothing was known then: it all came now",
    );

    for (const [id, seconds] of [
      ["ship/ü", 605],
      ["truck", 900],
      ["truck", 1_200],
      ["truck", 1_201],
    ] as const) {
      const { features } = await list(`/v1/entities?datetime=${at(seconds)}`);
      const one = await get(`/v1/entities/${encodeURIComponent(id)}?datetime=${at(seconds)}`);
      t.equal(one.headers.get("content-type"), "application/geo+json");
      t.same(
        await one.json(),
        features.find((feature) => feature.id === id),
        `${when}: one as the list has it`,
      );
    }
    for (const path of [
      `truck?datetime=${at(-1)}`,
      `truck?datetime=${at(100)}&known=${at(200)}`,
      `x?datetime=${at(1)}`,
    ])
      t.match(
        await (await get(`/v1/entities/${path}`)).json(),
        { type: /entity-not-found$/, status: 404 },
        path,
      );

    const track = await list("/v1/entities/truck/track");
    const times = track.features.flatMap(({ properties }) => properties.times);
    t.equal(new Set(times).size, 123, `${when}: the whole way, and until when it was held`);
    t.same([...times].sort(), times, "in order");
    const part = await list(`/v1/entities/truck/track?datetime=${at(95)}/${at(125)}`);
    t.same(
      part.features.flatMap(({ properties }) => properties.times),
      [95, 100, 110, 120, 125].map(at),
    );
    t.match(part.features[0].geometry.coordinates, [
      [25.0095, 60],
      [25.01, 60],
    ]);
    t.match(part.features[0].properties.speed, [14, 15]);
    const thin = await list(`/v1/entities/truck/track?datetime=${at(0)}/${at(300)}&every=100`);
    t.ok(thin.features.flatMap(({ properties }) => properties.times).length < 10);
    const straight = await list(`/v1/entities/truck/track?datetime=${at(0)}/${at(300)}&simplify=5`);
    for (const { geometry } of straight.features) t.equal(geometry.coordinates.length, 2);
    const pieces: string[] = [];
    for (let path: string | undefined = "/v1/entities/ship%2F%C3%BC/track?limit=1"; path !== undefined; ) {
      const page: Collection = await list(path);
      t.ok(page.features.length <= 1);
      pieces.push(...page.features.flatMap(({ properties }) => properties.times));
      path = page.links.find(({ rel }) => rel === "next")?.href;
    }
    t.equal(new Set(pieces).size, 122, "by links");
    const lines = await get("/v1/entities/truck/track", { accept: "application/x-ndjson" });
    t.equal(lines.headers.get("content-type"), "application/x-ndjson");
    const features = (await lines.text())
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Feature);
    t.same(features, track.features);
    const moving = (await (await get("/v1/entities/truck/track?f=mf-json")).json()) as {
      features: [Record<string, never>];
    };
    t.match(moving.features[0], {
      type: "Feature",
      id: "truck",
      temporalGeometry: { type: "MovingPoint", interpolation: "Linear" },
    });
    const movingPage = await list("/v1/entities/ship%2F%C3%BC/track?f=mf-json&limit=1");
    t.match(movingPage.links, [
      { rel: "self", type: "application/mf+json" },
      { rel: "next", type: "application/mf+json" },
    ]);
    const touched = await list(`/v1/entities/truck/track?f=mf-json&datetime=../${at(0)}`);
    t.match(touched.features, [{ temporalGeometry: { datetimes: [at(0)], coordinates: [[25, 60]] } }]);
    const { datetimes, coordinates } = moving.features[0].temporalGeometry as unknown as {
      datetimes: string[];
      coordinates: number[][];
    };
    t.equal(datetimes.length, coordinates.length);
    t.same(datetimes, [...new Set(times)]);
  };
  await check("from memory");
  await written(2);
  await check("from memory and rows");

  // Late: the ship was elsewhere in between, and there is something before everything.
  await post([
    { id: "ship/ü", t: at(605), lon: -179.5, lat: 11 },
    { id: "truck", t: at(-600), lon: 24, lat: 60 },
  ]);
  for (let found = {}; !("truck" in found); await sleep(50))
    found = places(await list(`/v1/entities?datetime=${at(-500)}`));
  for (let place: number[] = []; place[1] !== 11; await sleep(50))
    place = places(await list(`/v1/entities?datetime=${at(605)}&kind=vessel`))["ship/ü"]!;
  t.same(
    Object.keys(places(await list(`/v1/entities?datetime=${at(605)}&bbox=179.95,0,-179.95,20`))),
    [],
    "not by its older version",
  );
  t.equal((await list("/v1/entities/truck/track")).features[0].properties.times[0], at(-600));

  // What was known when, of an entity of which more becomes known by and by.
  const now = Date.now();
  const ago = (seconds: number) => new Date(now - seconds * 1_000).toISOString();
  await post([{ id: "known", t: ago(0), lon: 0, lat: 0 }]);
  const known: string[] = [];
  for (const [seconds, lon] of [
    [60, 1],
    [30, 2],
  ]) {
    known.push(new Date().toISOString());
    await sleep(2);
    await post([{ id: "known", t: ago(seconds), lon, lat: 0 }]);
    for (let place: number[] = []; place[0] !== lon; await sleep(50))
      place = places(await list(`/v1/entities?datetime=${ago(29)}`)).known ?? [];
  }
  const asKnown = async (seconds: number, then: string) =>
    places(await list(`/v1/entities?datetime=${ago(seconds)}&known=${then}`)).known?.[0];
  t.same(
    await Promise.all(known.map((then) => asKnown(29, then))),
    [undefined, 1],
    "before each late report it was not known",
  );
  t.equal(await asKnown(29, new Date().toISOString()), 2);
  t.match(await list(`/v1/entities/known/track?known=${known[1]}`), {
    features: [{ geometry: { coordinates: [[1], [1]] }, properties: { hold: true } }],
  });

  for (const [path, field] of [
    ["/v1/entities?datetime=yesterday", "datetime"],
    [`/v1/entities?datetime=${at(1e6)}`, "datetime"],
    [`/v1/entities?known=${at(0)}`, "known"],
    ["/v1/entities/truck?datetime=yesterday", "datetime"],
    [`/v1/entities/truck?datetime=${at(1e6)}`, "datetime"],
    [`/v1/entities/truck?known=${at(0)}`, "known"],
    [`/v1/entities/truck?limit=1`, "limit"],
    [`/v1/entities/%00?datetime=${at(0)}`, "the id"],
    [`/v1/entities?datetime=${at(0)}&near=1,2`, "datetime"],
    [`/v1/entities/truck/track?datetime=${at(0)}`, "datetime"],
    [`/v1/entities/truck/track?datetime=${at(9)}/${at(0)}`, "datetime"],
    ["/v1/entities/truck/track?every=x", "every"],
    ["/v1/entities/truck/track?f=xml", "f"],
    ["/v1/entities/truck/track?limit=0", "limit"],
  ]) {
    const response = await get(path);
    t.equal(response.status, 400, path);
    const { detail } = (await response.json()) as { detail: string };
    t.match(detail, field);
  }
  t.same((await list("/v1/entities/nobody/track")).features, []);
  t.equal(await node.end("SIGTERM"), 0);
}
