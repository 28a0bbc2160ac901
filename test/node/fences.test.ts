// Fences that are changed over HTTP.
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import t from "tap";
import { MAX_FENCE_POINTS, MAX_FENCES } from "../../src/actors/fences/limits.ts";
import type { JsonObject } from "../../src/actors/messages.ts";
import { MAX_FENCE_BODY_BYTES } from "../../src/limits.ts";
import { type Ask, asking, json, refused } from "../support/asking.ts";
import { testDatabase } from "../support/postgres.ts";
import { serve, serveOnPostgres, temporaryFolder } from "../support/serve.ts";
import { startTwoThatOnlyHear } from "../support/two-nodes.ts";
import { saveUnheard } from "../support/unheard-fence.ts";

t.setTimeout(180_000);

const ring = (lon: number, lat: number) => [
  [lon, lat],
  [lon + 0.1, lat],
  [lon + 0.1, lat + 0.1],
  [lon, lat + 0.1],
  [lon, lat],
];
const square = (lon: number, lat: number, properties: JsonObject | null = null) => ({
  type: "Feature",
  properties,
  geometry: { type: "Polygon", coordinates: [ring(lon, lat)] },
});
const DOCK = square(24.9, 60.1, { title: "Dock", exitBuffer: 50 });

/** The node that most tests ask; each leaves it without fences. */
let ask: Ask;
t.before(async () => {
  ask = asking(await serveOnPostgres(t));
});
t.afterEach(async () => {
  const { features } = (await (await ask("GET", "/v1/fences?limit=10000")).json()) as Page;
  for (const { id } of features) await ask("DELETE", `/v1/fences/${encodeURIComponent(id)}`);
});

interface Page {
  features: { id: string; version: number }[];
  numberReturned: number;
  links: { rel: string; href: string }[];
}

t.test("[H36] fences are made, listed, changed and removed", async (t) => {
  t.match(await json(ask("GET", "/v1/fences")), { type: "FeatureCollection", features: [] });
  const made = await ask("PUT", "/v1/fences/dock", DOCK);
  t.equal(made.status, 201);
  t.equal(made.headers.get("etag"), '"1"');
  t.equal(made.headers.get("content-type"), "application/geo+json");
  const got = await ask("GET", "/v1/fences/dock");
  t.equal(got.headers.get("etag"), '"1"');
  const feature = await json(got);
  t.match(feature, { type: "Feature", id: "dock", version: 1, changedAt: /Z$/ });
  t.same({ geometry: feature.geometry, properties: feature.properties, type: "Feature" }, DOCK);
  t.same(await json(made), feature);

  const again = await ask("PUT", "/v1/fences/dock", feature, { "content-type": "application/geo+json" });
  t.equal(again.status, 200, "what was got can be put, and is no change");
  t.match(await again.json(), { version: 1 });
  const moved = await ask("PUT", "/v1/fences/dock", square(25, 60), { "if-match": '"1"' });
  t.equal(moved.status, 200);
  t.match(await moved.json(), { version: 2, properties: null });
  t.equal((await ask("PUT", "/v1/fences/caf%C3%A9%2F1", DOCK)).status, 201);
  const circle = {
    type: "Feature",
    properties: { radius: 500 },
    geometry: { type: "Point", coordinates: [24, 60] },
  };
  t.match(await json(ask("PUT", "/v1/fences/circle", circle)), { properties: { radius: 500 } });

  const names = async (query: string) => {
    const response = await ask("GET", `/v1/fences?${query}`);
    const { features, numberReturned, links } = (await response.json()) as Page;
    t.equal(numberReturned, features.length);
    return { names: features.map(({ id }) => id), next: links.find(({ rel }) => rel === "next")?.href };
  };
  t.same(await names(""), { names: ["café/1", "circle", "dock"], next: undefined });
  const first = await names("limit=2");
  t.same(first, { names: ["café/1", "circle"], next: "/v1/fences?limit=2&after=circle" });
  t.same(await names(first.next!.split("?")[1]!), { names: ["dock"], next: undefined });
  t.same(await names("after=zzz"), { names: [], next: undefined });
  t.same(await names("after=circlf&limit=1"), { names: ["dock"], next: undefined });

  const etag = (await ask("GET", "/v1/fences")).headers.get("etag")!;
  const known = async (tag: string, path = "/v1/fences") => {
    const response = await ask("GET", path, undefined, { "if-none-match": tag });
    return [response.status, response.headers.get("etag"), (await response.text()) === ""];
  };
  t.same(await known(etag), [304, etag, true]);
  t.same(await known('"other"'), [200, etag, false]);
  t.match(await known(etag, "/v1/fences?limit=2"), [200, String, false]);
  t.equal((await ask("DELETE", "/v1/fences/dock", undefined, { "if-match": '"2"' })).status, 204);
  t.match(await known(etag), [200, /^W\/"/, false]);
  t.equal((await ask("GET", "/v1/fences/dock")).status, 404);
  t.same((await names("")).names, ["café/1", "circle"]);
  const { type, geometry } = DOCK;
  const plain = { type, geometry };
  t.match(await json(ask("PUT", "/v1/fences/plain", plain)), { ...plain, properties: null });
  t.equal((await ask("DELETE", "/v1/fences/plain")).status, 204);
  const fourth = await ask("PUT", "/v1/fences/dock", DOCK);
  t.equal(fourth.status, 201);
  t.match(await fourth.json(), { version: 4 });

  const { paths } = (await json(ask("GET", "/openapi.json"))) as { paths: Record<string, object> };
  t.same(Object.keys(paths["/v1/fences/{name}"]!).sort(), ["delete", "get", "put"]);
});

t.test("[H37] what is no fence is refused with what, where and why; nothing changes", async (t) => {
  const at = "/v1/fences/gate";
  const invalid = async (fence: unknown) => {
    const { code, path } = await refused(400, "invalid-fence", ask("PUT", at, fence));
    return { code, path };
  };
  const open = { ...DOCK, geometry: { type: "Polygon", coordinates: [ring(1, 1).slice(1)] } };
  t.same(await invalid(open), { code: "bad-ring", path: "/geometry/coordinates/0/3" });
  t.same(await invalid(square(1, 1, { exit_buffer: 5 })), {
    ...{ code: "unknown-member", path: "/properties/exit_buffer" },
  });
  t.same(await invalid({ ...DOCK, id: "dock" }), { code: "bad-name", path: "/id" });
  const nested = `{"type":"Feature","geometry":${"[".repeat(20_000)}${"]".repeat(20_000)}}`;
  t.same(await invalid(nested), { code: "wrong-type", path: "/geometry" });
  for (const fence of [null, [], "1", {}, [DOCK]]) t.match(await invalid(fence), { code: "wrong-type" });
  await refused(400, "malformed-json", ask("PUT", at, "{"));
  await refused(400, "bad-request", ask("PUT", `/v1/fences/${"x".repeat(65)}`, DOCK));
  await refused(400, "bad-request", ask("PUT", "/v1/fences/a%07", DOCK));
  await refused(400, "bad-request", ask("PUT", at, DOCK, { "if-match": "1" }));
  for (const query of ["limit=0", "limit=10001", "after=", "kind=x", "limit=1&limit=2", "bbox=1,2,3"])
    await refused(400, "bad-request", ask("GET", `/v1/fences?${query}`));
  const large = { ...DOCK, properties: { title: "x".repeat(MAX_FENCE_BODY_BYTES) } };
  await refused(413, "body-too-large", ask("PUT", at, large));
  await refused(404, "fence-not-found", ask("GET", at));
  await refused(404, "fence-not-found", ask("DELETE", at));
  await refused(404, "fence-not-found", ask("DELETE", "/v1/fences/%00"));
  t.match(await json(ask("GET", "/v1/fences")), { features: { length: 0 } });

  t.equal((await ask("PUT", at, DOCK)).status, 201);
  const other = await refused(412, "fence-version", ask("PUT", at, square(1, 1), { "if-match": '"2"' }));
  t.equal(other.version, 1);
  await refused(412, "fence-version", ask("DELETE", at, undefined, { "if-match": '"7"' }));
  t.match(await json(ask("GET", at)), { version: 1 });
});

t.test("[H52] a fence that is to be made is made by one, and never changed", async (t) => {
  const at = "/v1/fences/only";
  const make = (lon: number, tag = "*") => ask("PUT", at, square(lon, 1), { "if-none-match": tag });
  const made = await Promise.all([1, 2, 3, 4].map((lon) => make(lon)));
  t.same(made.map(({ status }) => status).sort(), [201, 412, 412, 412]);
  const there = await json(ask("GET", at));
  t.match(await refused(412, "fence-version", make(5)), { version: 1, detail: "only has version 1 now." });
  await refused(412, "fence-version", ask("PUT", at, there, { "if-none-match": "*" }));
  for (const tag of ['"1"', 'W/"1"', "*, *", ""]) await refused(400, "bad-request", make(5, tag));
  await refused(400, "bad-request", ask("PUT", at, DOCK, { "if-none-match": "*", "if-match": '"1"' }));
  await refused(400, "bad-request", ask("DELETE", at, undefined, { "if-none-match": "*" }));
  t.same(await json(ask("GET", at)), there);
  t.equal((await ask("DELETE", at)).status, 204);
  t.equal((await make(6)).status, 201, "one that was removed is none");

  const { paths } = (await json(ask("GET", "/openapi.json"))) as {
    paths: Record<string, Record<string, { parameters: { name: string }[] }>>;
  };
  const names = (method: string) => paths["/v1/fences/{name}"]![method]!.parameters.map(({ name }) => name);
  t.same(names("put"), ["name", "if-match", "if-none-match"]);
  t.same(names("delete"), ["name", "if-match"]);
});

t.test("[H52] a fence that must be there is changed whatever its version, and not made", async (t) => {
  const at = "/v1/fences/there";
  const any = { "if-match": "*" };
  for (const absent of [any, { "if-match": '"1"' }]) {
    const { detail } = await refused(412, "fence-version", ask("PUT", at, DOCK, absent));
    t.match(detail, /no fence "there"/);
    await refused(404, "fence-not-found", ask("DELETE", at, undefined, absent));
  }
  await refused(404, "fence-not-found", ask("GET", at));
  t.equal((await ask("PUT", at, DOCK)).status, 201);
  t.match(await json(ask("PUT", at, square(1, 1), any)), { version: 2 });
  t.match(await json(ask("PUT", at, square(1, 1), any)), { version: 2 }, "it is so already");
  for (const tag of ['"1", "2"', 'W/"2"', "*, *", "2", ""]) {
    const { detail } = await refused(400, "bad-request", ask("PUT", at, DOCK, { "if-match": tag }));
    t.equal(detail, 'If-Match is one version in quotes, e.g. "3", or * for any.', tag);
  }
  t.equal((await ask("DELETE", at, undefined, any)).status, 204);
  for (const gone of ["*", '"2"', '"3"'])
    await refused(412, "fence-version", ask("PUT", at, DOCK, { "if-match": gone }));
});

t.test("[H36] fences in a box are listed, in pages too, across 180° and around poles", async (t) => {
  const shaped = (geometry: object, radius?: number) => ({
    ...{ type: "Feature", geometry },
    properties: radius === undefined ? null : { radius },
  });
  const islands = [[ring(-180, -17)], [ring(179.9, -17)]];
  const fences: Record<string, object> = {
    fiji: shaped({ type: "MultiPolygon", coordinates: islands }),
    dock: square(24.9, 60.1),
    apart: shaped({ type: "Polygon", coordinates: [ring(50, 0), ring(51, 0)] }),
    date: shaped({ type: "Point", coordinates: [179.99, 10] }, 5_000),
    pole: shaped({ type: "Point", coordinates: [0, 89.99] }, 5_000),
    road: shaped(
      {
        type: "LineString",
        coordinates: [
          [24, 60],
          [25, 61],
        ],
      },
      1_000,
    ),
  };
  for (const [name, fence] of Object.entries(fences))
    t.equal((await ask("PUT", `/v1/fences/${name}`, fence)).status, 201);
  const within = async (query: string) => {
    const { features, links } = (await (await ask("GET", `/v1/fences?bbox=${query}`)).json()) as Page;
    return [...features.map(({ id }) => id), ...(links.some(({ rel }) => rel === "next") ? ["next"] : [])];
  };
  t.same(await within("51.05,0.05,51.06,0.06"), ["apart"], "all rings of a polygon count");
  t.same(await within("-180,-90,180,90"), ["apart", "date", "dock", "fiji", "pole", "road"]);
  t.same(await within("24.95,60.15,24.96,60.16"), ["dock", "road"]);
  t.same(await within("24.95,60.15,24.96,60.16&limit=1"), ["dock", "next"]);
  t.same(await within("24.95,60.15,24.96,60.16&limit=1&after=dock"), ["road"]);
  t.same(await within("23.983,60,23.99,60.1"), ["road"], "1 km is 0.018° there");
  t.same(await within("23,60,23.98,60.1"), []);
  t.same(await within("0,-20,1,20"), [], "not all around the globe");
  t.same(await within("179.5,-20,-179.5,20"), ["date", "fiji"]);
  t.same(await within("-180,-20,-179.975,20"), ["date", "fiji"], "5 km reach over 180°");
  t.same(await within("-179.96,-20,-179.95,20"), ["fiji"]);
  t.same(await within("120,89.98,121,90"), ["pole"]);
});

t.test("[H36] the largest fence is taken, and given back, however it is written", async (t) => {
  const points = Array.from({ length: MAX_FENCE_POINTS - 1 }, (_, i) => {
    const angle = (2 * Math.PI * i) / (MAX_FENCE_POINTS - 1);
    return [-120 + Math.cos(angle) / 3, -60 + Math.sin(angle) / 3];
  });
  const fence = {
    ...DOCK,
    geometry: { type: "MultiPolygon", coordinates: [[[...points, points[0]]]] },
  };
  const written = JSON.stringify(fence, null, 4);
  t.ok(written.length > MAX_FENCE_BODY_BYTES / 2, `${written.length} bytes`);
  for (const name of ["a", "b", "c"]) t.equal((await ask("PUT", `/v1/fences/${name}`, written)).status, 201);
  t.same((await json(ask("GET", "/v1/fences/a"))).geometry, fence.geometry);
  const list = (await (await ask("GET", "/v1/fences")).json()) as Page;
  t.equal(list.numberReturned, 3);
  t.match(list.features, [{ id: "a", ...fence }, { id: "b" }, { id: "c", ...fence }]);
  const more = structuredClone(fence);
  more.geometry.coordinates[0]![0]!.splice(1, 0, [-120, -60]);
  t.match(await refused(400, "invalid-fence", ask("PUT", "/v1/fences/d", more)), { code: "too-many-points" });
});

t.test("[N1] [H37] fences are there after kill -9, and not more than there may be: PostgreSQL", async (t) => {
  const { url } = await testDatabase(t);
  const dataDir = await temporaryFolder(t);
  const env = { DATABASE_URL: url };
  let node = await serve(t, { dataDir, env });
  let ask = asking(node);
  for (let i = 0; i < 20; i++) t.equal((await ask("PUT", `/v1/fences/f${i}`, square(i, i))).status, 201);
  t.equal((await ask("PUT", "/v1/fences/f3", DOCK)).status, 200);
  t.equal((await ask("DELETE", "/v1/fences/f4")).status, 204);
  const before = (await json(ask("GET", "/v1/fences"))).features as object[];
  t.equal(before.length, 19);
  await node.end("SIGKILL");
  node = await serve(t, { dataDir, env });
  ask = asking(node);
  t.same((await json(ask("GET", "/v1/fences"))).features, before);
  t.match(await (await ask("GET", "/metrics")).text(), /^muster_fences 19$/m);
  t.match(await json(ask("PUT", "/v1/fences/f4", DOCK)), { version: 3 });

  const client = new pg.Client({ connectionString: url });
  await client.connect();
  t.teardown(() => client.end());
  await client.query("UPDATE fence_count SET fences = $1", [MAX_FENCES]);
  await refused(409, "too-many-fences", ask("PUT", "/v1/fences/more", DOCK));
  t.equal((await ask("PUT", "/v1/fences/f4", square(4, 4))).status, 200);
});

t.test("[X19] [X20] another node takes a change over when it hears of it, and need not look", async (t) => {
  const { url, nodes } = await startTwoThatOnlyHear(t, "heard");
  const [one, other] = nodes;
  const door = { kinds: ["door"], definition: { initial: "shut", states: { shut: {} } } };
  for (const [path, made] of [
    ["/v1/fences/dock", DOCK],
    ["/v1/machines/door", door],
  ] as const) {
    for (const [{ ask }, { ask: to }] of [
      [one, other],
      [other, one],
    ] as const) {
      t.equal((await ask("PUT", path, made)).status, 201);
      while ((await to("GET", path)).status !== 200) await sleep(10);
      t.equal((await ask("DELETE", path)).status, 204);
      while ((await to("GET", path)).status !== 404) await sleep(10);
    }
  }

  // Nobody tells this one; a claim of shards looks.
  await saveUnheard(t, url, { name: "dock", definition: DOCK, points: 5 });
  t.equal((await other.ask("GET", "/v1/fences/dock")).status, 404);
  t.equal(await one.stop(), true);
  while ((await other.ask("GET", "/v1/fences/dock")).status !== 200) await sleep(10);
});
