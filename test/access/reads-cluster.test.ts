// Questions of who may see only some, over several nodes.
import t from "tap";
import { MAX_GRANTS, MAX_KEY_ROLES } from "../../src/access/limits.ts";
import { shardOf } from "../../src/actors/shard-hash.ts";
import { readQueryMessage } from "../../src/cluster/query-message.ts";
import {
  MAX_BOUND_LENGTH,
  MAX_BUS_MESSAGE_BYTES,
  MAX_LABEL_IDS,
  MAX_PERMITTED_TEXTS,
  SHARDS,
} from "../../src/limits.ts";
import { cluster } from "../cluster/query-cluster.ts";
import { appFor } from "./rig.ts";

const PLACES = Array.from({ length: 60 }, (_, i) => ({
  ...{ id: `e${String(i).padStart(2, "0")}`, lon: 25 + i / 1_000, lat: 60, weight: 0 },
  kind: i % 3 === 0 ? "ferry" : "vessel",
}));
const FERRIES = PLACES.filter(({ kind }) => kind === "ferry").map(({ id }) => id);
const permitted = ["entity.kind == 'ferry'"];
const ids = ({ records }: { records: { id: string }[] }) => records.map(({ id }) => id);

t.test("[AC32] each node answers with what may be seen of what it owns", async (t) => {
  const { scatters, settled } = cluster(3, PLACES);
  const [scatter] = scatters;
  t.same(ids(await settled(scatter!.list({ limit: 100, permitted }))), FERRIES);
  const page = await settled(scatter!.list({ limit: 5, after: FERRIES[2], permitted }));
  t.same([ids(page), page.more], [FERRIES.slice(3, 8), true]);
  t.same(ids(await settled(scatter!.near({ lon: 25, lat: 60, k: 4, permitted }))), FERRIES.slice(0, 4));
  for (const { id, kind } of PLACES) {
    const { records, missing } = await settled(scatter!.one(id, permitted));
    t.same([records.length, missing], [kind === "ferry" ? 1 : 0, []], id);
  }
  t.equal(ids(await settled(scatter!.list({ limit: 100 }))).length, PLACES.length, "an admin sees all");
  t.same(ids(await settled(scatter!.list({ limit: 100, permitted: [] }))), []);
});

t.test("[AC32] over HTTP, too", async (t) => {
  const { scatters, clock } = cluster(3, PLACES);
  const { get } = appFor(["entity.kind == 'ferry'"], { cluster: scatters[0]! });
  const read = async (path: string) => {
    const asked = get(path);
    await clock.advance(10);
    return asked;
  };
  const features = async (path: string) =>
    ((await (await read(path)).json()) as { features: { id: string }[] }).features.map(({ id }) => id);
  t.same(await features("/v1/entities?limit=100"), FERRIES);
  t.same(await features("/v1/entities?near=25,60&k=3"), FERRIES.slice(0, 3));
  t.equal((await read("/v1/entities/e00")).status, 200);
  t.equal((await read("/v1/entities/e01")).status, 404);
});

t.test("[AC32] the shards of a node that tells everything all the same are missing", async (t) => {
  const { scatters, settled, before } = withOlder();
  const found = await settled(scatters[0]!.list({ limit: 100, permitted }));
  t.same(
    found.missing,
    Array.from({ length: SHARDS }, (_, shard) => shard).filter((shard) => shard % 2 === 1),
  );
  t.same(
    ids(found),
    FERRIES.filter((id) => shardOf(id) % 2 === 0),
  );
  t.ok(before.told > 0, "it told what it has");
  t.equal((await settled(scatters[0]!.list({ limit: 100 }))).missing.length, 0, "an admin is answered");
});

t.test("[AC101] it is told over HTTP what they may be, to whoever may not see all", async (t) => {
  const { scatters, clock } = withOlder();
  const { get } = appFor(permitted, { cluster: scatters[0]! });
  const older = FERRIES.find((id) => shardOf(id) % 2 === 1)!;
  for (const [path, count] of [
    ["/v1/entities", 128],
    ["/v1/entities?near=25,60", 128],
    [`/v1/entities/${older}`, 1],
  ] as const) {
    const asked = get(path);
    await clock.advance(5_000);
    t.match(await (await asked).json(), {
      status: 503,
      detail: `${count} of the cluster's shards cannot be reached now: their nodes do not answer, or are of a version that does not know keys, or they are on their way to another.`,
    });
  }
});

/** Two nodes, of which one is of before: it does not know what `permitted` is. */
function withOlder() {
  const made = cluster(2, PLACES);
  const before = { told: 0 };
  const older = made.scatters[1]!;
  const heard = older.heard.bind(older);
  older.heard = (from, body) => {
    const { query } = body as { query?: { permitted?: unknown } };
    if (query !== undefined) {
      delete query.permitted;
      before.told += 1;
    }
    heard(from, body);
  };
  return { ...made, before };
}

t.test("[AC32] so are those of a node for which an expression has no meaning", async (t) => {
  const { scatters, settled, logged } = cluster(2, PLACES);
  const heard = scatters[1]!.heard.bind(scatters[1]);
  scatters[1]!.heard = (from, body) => {
    const { query } = body as { query?: { permitted?: unknown } };
    if (query?.permitted !== undefined) query.permitted = ["entity.ofTomorrow == 1"];
    heard(from, body);
  };
  for (const ask of [
    () => scatters[0]!.list({ limit: 100, permitted }),
    () => scatters[0]!.near({ lon: 25, lat: 60, k: 5, permitted }),
  ]) {
    const { records, missing } = await settled(ask());
    t.ok(records.every(({ kind, id }) => kind === "ferry" && shardOf(id) % 2 === 0));
    t.equal(missing.length, SHARDS / 2);
  }
  const { missing } = await settled(scatters[0]!.at({ t: 0, limit: 10, permitted }));
  t.equal(missing.length, SHARDS / 2);
  t.ok(logged.length > 0, "and its log says so");
});

t.test("[AC35] labels of now are told by the owners", async (t) => {
  const { scatters, settled, closed, asked, pictures } = cluster(3, PLACES);
  for (const [node, picture] of pictures.entries())
    for (const { id } of PLACES)
      picture.columns.labels.set(picture.find(id), shardOf(id) % 3 === node ? [`of ${id}`] : ["of before"]);
  const wanted = [...PLACES.slice(0, 20).map(({ id }) => id), "nobody"];
  const { labels, missing } = await settled(scatters[0]!.labels(wanted));
  t.same(missing, []);
  t.same(
    [...labels].sort(),
    wanted.slice(0, -1).map((id) => [id, [`of ${id}`]]),
  );
  const shards = new Set(wanted.map(shardOf));
  t.ok(asked.length > 0);
  closed.add(shardOf("e00"));
  const partly = await settled(scatters[0]!.labels(wanted));
  t.same(partly.missing, [shardOf("e00")]);
  t.notOk(partly.labels.has("e00"));
  t.ok(shards.has(shardOf("e00")));
});

t.test("[AC39] what is no bounded list of bounded texts is no question", async (t) => {
  const isQuestion = (query: object) => readQueryMessage({ is: "query", n: 1, query }) !== undefined;
  const long = "x".repeat(MAX_BOUND_LENGTH);
  const list = { is: "list", limit: 10 };
  for (const query of [
    list,
    { is: "near", lon: 1, lat: 2, k: 3 },
    { is: "one", id: "a" },
    { is: "then", t: 1, limit: 10 },
    { is: "during", from: 0, to: 1, limit: 10 },
  ]) {
    for (const good of [[], ["true"], [long], Array.from({ length: MAX_PERMITTED_TEXTS }, () => "")])
      t.ok(isQuestion({ ...query, permitted: good }));
    const many = Array.from({ length: MAX_PERMITTED_TEXTS + 1 }, () => "");
    for (const bad of ["true", "all", null, {}, [1], [null], [`${long}x`], many])
      t.notOk(isQuestion({ ...query, permitted: bad }), JSON.stringify(bad).slice(0, 20));
  }
  t.ok(MAX_KEY_ROLES * MAX_GRANTS <= MAX_PERMITTED_TEXTS, "whatever a key may, it can ask for");
  t.ok(MAX_KEY_ROLES * MAX_GRANTS * MAX_BOUND_LENGTH < MAX_BUS_MESSAGE_BYTES, "in one message");
  const many = Array.from({ length: MAX_LABEL_IDS }, (_, i) => `${i}`);
  t.ok(isQuestion({ is: "labels", ids: many }));
  for (const bad of [[...many, "more"], [1], "a", undefined]) t.notOk(isQuestion({ is: "labels", ids: bad }));
  const isAnswer = (labels: unknown) =>
    readQueryMessage({ is: "answer", n: 1, answer: { records: [], more: false, shards: [], labels } }) !==
    undefined;
  t.ok(isAnswer([["a", ["x"]]]));
  for (const bad of [[["a"]], [["a", "x"]], [[1, []]], "a", [["a", [1]]]]) t.notOk(isAnswer(bad));
});
