import t from "tap";
import { shardOf } from "../../src/actors/shard-hash.ts";
import type { EntityRecord } from "../../src/picture/record.ts";
import { addEntity, NOW, problemOf, testApp } from "./fixture.ts";

interface Collection {
  type: string;
  timeStamp: string;
  features: { id: string; geometry: unknown; properties: Record<string, unknown> }[];
  numberReturned: number;
  links: { rel: string; type: string; href: string }[];
}

async function collection(response: Response | Promise<Response>): Promise<Collection> {
  return (await (await response).json()) as Collection;
}
const ids = (answer: Collection) => answer.features.map(({ id }) => id);

function harbour() {
  const app = testApp();
  addEntity(app.picture, "c", [24.95, 60.16], { kind: "ferry" });
  addEntity(app.picture, "a", [24.9, 60.1], { attributes: { name: "Ä" } });
  app.picture.columns.fences.set(app.picture.find("a"), ["harbour", "quay"]);
  addEntity(app.picture, "b", [25.5, 60.2], { state: "idle" });
  addEntity(app.picture, "d", [-179.9, 10]);
  addEntity(app.picture, "nowhere");
  return app;
}

t.test("[H11] entities are a GeoJSON FeatureCollection in the order of their ids", async (t) => {
  const app = harbour();
  const response = await app.get("/v1/entities?bbox=24,60,25,61");
  t.equal(response.status, 200);
  t.equal(response.headers.get("content-type"), "application/geo+json");
  const answer = await collection(response);
  t.strictSame(ids(answer), ["a", "c"]);
  t.equal(answer.timeStamp, new Date(NOW).toISOString());
  t.equal(answer.numberReturned, 2);
  t.strictSame(answer.links, [
    { rel: "self", type: "application/geo+json", href: "/v1/entities?bbox=24%2C60%2C25%2C61" },
  ]);
  t.strictSame(answer.features[0], {
    type: "Feature",
    id: "a",
    geometry: { type: "Point", coordinates: [24.9, 60.1] },
    properties: {
      kind: "vessel",
      state: "moving",
      liveness: "live",
      t: new Date(NOW - 1_000).toISOString(),
      received: new Date(NOW).toISOString(),
      attributes: { name: "Ä" },
      labels: [],
      fences: ["harbour", "quay"],
      epoch: 1,
      seq: 1,
    },
  });
  t.strictSame(ids(await collection(app.get("/v1/entities?bbox=179,-10,-179,20"))), ["d"], "across 180°");
});

t.test("[F73] an entity that was heard of without a place says when it was there", async (t) => {
  const { get, picture } = harbour();
  const properties = async (id: string) =>
    ((await (await get(`/v1/entities/${id}`)).json()) as Collection["features"][number]).properties;
  t.notOk("placedAt" in (await properties("a")));
  for (const id of ["a", "nowhere"]) picture.columns.t.set(picture.find(id), NOW);
  t.match(await properties("a"), {
    t: new Date(NOW).toISOString(),
    placedAt: new Date(NOW - 1_000).toISOString(),
  });
  const [listed] = (await collection(get("/v1/entities?limit=1"))).features;
  t.strictSame(listed.properties, await properties("a"));
  t.notOk("placedAt" in (await properties("nowhere")), "it was nowhere");
});

t.test("[H12] kind and state are lists of which one must match", async (t) => {
  const app = harbour();
  t.strictSame(ids(await collection(app.get("/v1/entities?bbox=20,50,30,70&kind=ferry,tug"))), ["c"]);
  t.strictSame(
    ids(await collection(app.get("/v1/entities?bbox=20,50,30,70&state=idle,moving&kind=vessel"))),
    ["a", "b"],
  );
});

t.test("[H13] long lists are read page by page, along the links", async (t) => {
  const app = testApp();
  const expected: string[] = [];
  for (let i = 0; i < 1_500; i++) {
    const id = `e/${String(i).padStart(5, "0")}&ä`;
    addEntity(app.picture, id, [10 + (i % 10) / 10, 10], { kind: i % 3 === 0 ? "bus" : "tram" });
    if (i % 3 === 0) expected.push(id);
  }
  const found: string[] = [];
  let path: string | undefined = "/v1/entities?limit=120&kind=bus&bbox=0,0,20,20";
  let pages = 0;
  while (path !== undefined && pages < 10) {
    const answer: Collection = await collection(app.get(path));
    pages++;
    t.equal(answer.numberReturned, answer.features.length);
    found.push(...ids(answer));
    path = answer.links.find(({ rel }) => rel === "next")?.href;
  }
  t.strictSame(found, expected);
  t.equal(pages, 5);
  t.equal((await collection(app.get("/v1/entities"))).numberReturned, 100, "the default limit");
});

t.test(
  "[H14] a list of many slices is whole, in pieces, and leaves out what was removed meanwhile",
  async (t) => {
    const app = testApp();
    for (let i = 0; i < 2_000; i++) addEntity(app.picture, `e${String(i).padStart(5, "0")}`, [10, 10]);
    const whole = await collection(app.get("/v1/entities?limit=10000"));
    t.equal(whole.numberReturned, 2_000);
    t.equal(whole.features.length, 2_000);

    const response = await app.get("/v1/entities?limit=10000");
    const reader = response.body!.getReader();
    const parts = [(await reader.read()).value];
    app.picture.remove(app.picture.find("e01999"), "deleted");
    for (let part = await reader.read(); !part.done; part = await reader.read()) parts.push(part.value);
    t.ok(parts.length > 4, `${parts.length} pieces`);
    const answer = JSON.parse(Buffer.concat(parts as Uint8Array[]).toString()) as Collection;
    t.equal(answer.numberReturned, 1_999);
    t.equal(answer.features.length, 1_999);
  },
);

t.test("[H15] near gives the nearest first, with their distance", async (t) => {
  const app = harbour();
  const answer = await collection(app.get("/v1/entities?near=24.95,60.16&radius=50000"));
  t.strictSame(ids(answer), ["c", "a", "b"]);
  t.equal(answer.features[0].properties.distance, 0);
  const distance = answer.features[1].properties.distance as number;
  t.ok(distance > 7_000 && distance < 7_500, `${distance} m`);
  t.strictSame(ids(await collection(app.get("/v1/entities?near=24.95,60.16&k=1"))), ["c"]);
  t.strictSame(ids(await collection(app.get("/v1/entities?near=24.95,60.16&limit=2"))), ["c", "a"]);
  t.strictSame(ids(await collection(app.get("/v1/entities?near=24.95,60.16&radius=50000&kind=vessel&k=1"))), [
    "a",
  ]);
});

t.test("[H16] every wrong parameter is named, unknown ones too", async (t) => {
  const app = testApp();
  const response = await app.get("/v1/entities?bbox=1,2,3&limit=0&state=,&colour=blue&k=5");
  t.equal(response.status, 400);
  const { errors, detail } = (await response.json()) as { errors: { field: string }[]; detail: string };
  for (const field of ["bbox", "limit", "state.0", "colour"]) {
    t.ok(
      errors.some((one) => one.field === field),
      field,
    );
    t.ok(detail.includes(field), field);
  }
  for (const query of [
    "bbox=a,b,c,d",
    "bbox=1,2,3,4,5,6",
    "bbox=0,10,10,0",
    "bbox=-181,0,0,0",
    "bbox=0,0,0,91",
    "bbox=NaN,0,0,0",
    "bbox=",
    "bbox=1,2,3,4&bbox=1,2,3,4",
    "near=1",
    "near=1,91",
    "near=1,1&radius=-1",
    "near=1,1&radius=x",
    "near=1,1&k=0",
    "near=1,1&bbox=1,2,3,4",
    "near=1,1&after=x",
    "radius=5",
    "k=5",
    "limit=10001",
    "limit=1.5",
    "limit=",
    "after=",
    `after=${"x".repeat(10_000)}`,
    `kind=${"x".repeat(65)}`,
    `kind=${Array(65).fill("x").join(",")}`,
  ])
    t.strictSame(
      await problemOf(await app.get(`/v1/entities?${query}`)),
      ["bad-request", 400],
      query.slice(0, 60),
    );
});

t.test("[H17] one entity is a Feature; any id can be asked for, percent-encoded", async (t) => {
  const app = testApp();
  for (const id of ["mmsi:1", "a/b", "ä 🚢", "100%", "%2F", "a?b#c&d=e", "a+b", "..."]) {
    addEntity(app.picture, id, [1, 2]);
    const response = await app.get(`/v1/entities/${encodeURIComponent(id)}`);
    t.equal(response.headers.get("content-type"), "application/geo+json");
    t.match(await response.json(), { type: "Feature", id, geometry: { coordinates: [1, 2] } });
  }
  addEntity(app.picture, "nowhere");
  t.match(await (await app.get("/v1/entities/nowhere")).json(), { geometry: null });
  t.strictSame(await problemOf(await app.get("/v1/entities/nobody")), ["entity-not-found", 404]);
  t.strictSame(await problemOf(await app.get("/v1/entities/%ff")), ["bad-request", 400]);
  t.strictSame(await problemOf(await app.get(`/v1/entities/${"x".repeat(10_000)}`)), [
    "entity-not-found",
    404,
  ]);
});

t.test("[Q5] shards that are missing are no silent gap", async (t) => {
  let missing: number[] = [];
  const record = {
    id: "a",
    kind: "truck",
    lon: 25,
    lat: 60,
    attributes: {},
    epoch: 1,
    seq: 1,
  } as EntityRecord;
  const answer = async (records: EntityRecord[]) => ({ records, more: false, missing });
  const app = testApp({
    cluster: {
      list: () => answer([record]),
      near: async () => ({ ...(await answer([record])), distances: [12.34] }),
      one: (id) => answer(id === "a" ? [record] : []),
    },
  });
  t.strictSame(ids(await collection(app.get("/v1/entities"))), ["a"]);
  const near = await collection(app.get("/v1/entities?near=25,60"));
  t.equal(near.features[0].properties.distance, 12.3);
  t.strictSame(await problemOf(await app.get("/v1/entities/b")), ["entity-not-found", 404]);

  missing = [shardOf("b"), 255];
  const refused = await app.get("/v1/entities?limit=5");
  t.equal(refused.headers.get("retry-after"), "1");
  t.notMatch((await refused.clone().json()).detail, "keys", "who may see all is answered by all versions");
  t.strictSame(await problemOf(refused), ["unavailable", 503]);
  const partial = (await (await app.get("/v1/entities?partial=true")).json()) as { missingShards: number };
  t.equal(partial.missingShards, 2);
  t.equal((await app.get("/v1/entities/a")).status, 200);
  t.strictSame(await problemOf(await app.get("/v1/entities/b")), ["unavailable", 503]);
});

t.test("[TR14] a wrong datetime of a track is no problem of known", async (t) => {
  for (const datetime of ["2026-01-02", "2026-01-02T00:00:00Z/2026-01-03"])
    for (const known of ["", "&known=2026-01-02T00:00:00Z"]) {
      const path = `/v1/entities/a/track?datetime=${datetime}${known}`;
      const { errors } = (await (await harbour().get(path)).json()) as { errors: { field: string }[] };
      t.match(errors, [{ field: "datetime" }], path);
      t.equal(errors.length, 1, path);
    }
});

t.test("[TR23] what was not yet was not known: known is not before datetime", async (t) => {
  const app = harbour();
  const told = async (path: string) =>
    (await (await app.get(path)).json()) as { status: number; detail: string };
  const known = "known=2026-01-02T00:00:00Z";
  for (const [path, detail] of [
    ["/v1/entities?datetime=2026-01-02T00:00:00.001Z", "known: must be datetime or later"],
    ["/v1/entities/a?datetime=2026-01-02T00:00:00.001Z", "known: must be datetime or later"],
    [
      "/v1/entities/a/track?datetime=2026-01-02T00:00:00.001Z/..",
      "known: must be the begin of datetime or later",
    ],
  ]) {
    const problem = await told(`${path}&${known}`);
    t.equal(problem.status, 400, path);
    t.equal(problem.detail, `${detail}, not "2026-01-02T00:00:00Z"`);
  }
  // This node keeps no history, and says so only to what it would answer.
  for (const path of [
    "/v1/entities?datetime=2026-01-02T00:00:00Z",
    "/v1/entities/a?datetime=2026-01-02T00:00:00Z",
    "/v1/entities/a/track?datetime=2026-01-01T00:00:00Z/..",
    "/v1/entities/a/track?datetime=../2026-01-03T00:00:00Z",
  ])
    t.match(await told(`${path}&${known}`), { detail: "This node keeps no history." }, path);
  t.match(await told(`/v1/entities/a/track?${known}`), {
    detail: "This node keeps no history.",
  });
});
