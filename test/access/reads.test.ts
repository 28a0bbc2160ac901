// What REST answers of entities as they are now to who may see only some.
import t from "tap";
import { addEntity, problemOf, testApp } from "../http/fixture.ts";
import { appFor, OWN_LABEL } from "./rig.ts";

interface Answer {
  features: { id: string }[];
  links: { rel: string; href: string }[];
}

function harbour(where: readonly string[], app = appFor(where)) {
  const { picture, get } = app;
  for (const [i, id] of ["a", "b", "c", "d", "e"].entries()) {
    const slot = addEntity(picture, id, [25 + i / 100, 60], { kind: i === 4 ? "ferry" : "vessel" });
    picture.columns.labels.set(slot, [i % 2 === 0 ? "north" : "south"]);
  }
  const read = async (path: string) => (await (await get(path)).json()) as Answer;
  const ids = async (path: string) => (await read(path)).features.map(({ id }) => id);
  return { ...app, read, ids };
}

t.test("[AC30] lists, the nearest and one have what may be seen, and an admin sees all", async (t) => {
  const { ids, get, read } = harbour([OWN_LABEL]);
  t.same(await ids("/v1/entities"), ["a", "c", "e"]);
  t.same(await ids("/v1/entities?bbox=25,59,25.025,61"), ["a", "c"]);
  t.same(await ids("/v1/entities?kind=ferry"), ["e"]);
  t.same(await ids("/v1/entities?near=25.029,60&k=2"), ["c", "e"]);
  t.equal((await get("/v1/entities/c")).status, 200);
  const { links } = await read("/v1/entities?limit=2");
  t.match(links[1], { rel: "next", href: /after=c/ });
  t.same(await ids(links[1]!.href), ["e"]);
  t.same((await read("/v1/entities?limit=3")).links.length, 1, "no page for what may not be seen");
  t.same(await harbour(["entity.kind == 'ferry'", "entity.lon < 25.005"]).ids("/v1/entities"), ["a", "e"]);
  t.same(await harbour([], testApp()).ids("/v1/entities"), ["a", "b", "c", "d", "e"]);
});

t.test("[AC30] what may not be seen any more when its part of a list is sent is left out", async (t) => {
  const { picture, get } = appFor([OWN_LABEL]);
  for (let i = 0; i < 600; i++)
    picture.columns.labels.set(addEntity(picture, `e${String(i).padStart(3, "0")}`, [25, 60]), ["north"]);
  const response = await get("/v1/entities?limit=1000");
  picture.columns.labels.set(picture.find("e599"), ["south"]);
  const { features } = (await response.json()) as Answer;
  t.equal(features.length, 599);
});

t.test("[AC31] what may not be seen is answered as what is not there", async (t) => {
  const { get, ids } = harbour([OWN_LABEL]);
  const answers = await Promise.all(
    ["b", "z"].map(async (id) => {
      const response = await get(`/v1/entities/${id}`);
      const text = await response.text();
      return [response.status, text.replaceAll(`\\"${id}\\"`, "?"), [...response.headers]];
    }),
  );
  t.same(answers[0], answers[1]);
  t.equal(answers[0]![0], 404);
  t.same(await ids("/v1/entities?after=b"), ["c", "e"], "an id that may not be seen is a place as any");
});

t.test("[AC38] who may read no entities is refused, and what is not for reading is", async (t) => {
  const none = harbour([]);
  for (const path of ["/v1/entities", "/v1/entities/a", "/v1/entities/zz", "/v1/entities/a/track"])
    t.same(await problemOf(await none.get(path)), ["forbidden", 403], path);
  const { get } = harbour([OWN_LABEL]);
  t.equal((await get("/v1/entities", { method: "HEAD" })).status, 200);
  t.same(await problemOf(await get("/v1/entities/a", { method: "DELETE" })), ["forbidden", 403]);
  t.same(await problemOf(await get("/v1/cluster")), ["forbidden", 403]);
  t.equal((await get("/v1/entities/a/track")).status, 503, "this node keeps no history");
});
