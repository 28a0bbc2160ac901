// Playbacks of who may not see all.
import t from "tap";
import { Policy } from "../../src/access/policy.ts";
import type { Principal, Role } from "../../src/access/ports.ts";
import type { Segment } from "../../src/tracks/segment.ts";
import { NO_TAILS } from "../support/no-history.ts";
import { HERE, TestClient } from "./harness.ts";
import { at, HOUR_MS, NOW, Rows, setUp, way } from "./played-rows.ts";

const NORTH: Principal = { id: "n", name: "n", roles: ["viewer"], attributes: { fleet: "north" } };
const OWN = "principal.attributes.fleet in entity.labels";
const viewer = (where: string): Role[] => [
  { name: "viewer", grants: [{ resource: "entity", actions: ["read"], where }] },
];
const there = (id: string, kind: string, label: string): Segment =>
  way(
    id,
    [
      [HOUR_MS, 10.05, 50.05],
      [0, 10.06, 50.05],
    ],
    { kind, labels: [label] },
  );

/** Half an hour ago there was a ship and a truck of each fleet. @param tails what is asked for labels of now */
function past(where = OWN, tails = NO_TAILS) {
  const policy = new Policy();
  policy.take(viewer(where));
  const rows = new Rows(
    ["north", "south"].flatMap((fleet) =>
      ["ship", "truck"].map((kind) => there(`${fleet} ${kind}`, kind, fleet)),
    ),
  );
  const made = setUp(rows, undefined, tails, { policy });
  const client = new TestClient(made.feed, () => {}, undefined, NORTH);
  const play = (view: string, more: object = {}) =>
    client.open(view, { bbox: HERE, at: at(NOW - HOUR_MS / 2), speed: 0, ...more });
  return { ...made, policy, rows, client, play };
}
const ids = ({ entities }: { entities: ReadonlyMap<string, unknown> }) => [...entities.keys()].sort();

t.test("[AC28] a playback shows what was of what is permitted, and reads no more", async (t) => {
  const { rows, feed, client, play, run } = past();
  const box = play("box");
  const named = play("named", { bbox: undefined, ids: ["north ship", "south ship"] });
  await run(3);
  t.same([box, named].map(ids), [["north ship", "north truck"], ["north ship"]]);
  for (const query of rows.queries) t.match(query, { permitted: ['"north" in entity.labels'] });
  client.refilter("box", { where: "entity.kind == 'truck'" });
  await run(1);
  t.same(ids(box), ["north truck"]);
  rows.queries.length = 0;
  new TestClient(feed).open("v", { bbox: HERE, at: at(NOW - HOUR_MS / 2), speed: 0 });
  await run(3);
  t.equal(rows.queries.length, 1);
  t.notOk("permitted" in rows.queries[0]!, "who may see all asks as before");
});

t.test("[AC28] changed roles count in a playback, which reads again", async (t) => {
  const { rows, client, play, run, policy } = past();
  const box = play("box");
  await run(3);
  rows.queries.length = 0;
  client.received.length = 0;
  policy.take(viewer("entity.kind == 'ship'"));
  await run(1);
  const [denied] = client.received.filter(({ op }) => op === "delta");
  t.match(denied, { departures: [["north truck", "denied"]], updates: [] });
  await run(3);
  t.same(ids(box), ["north ship", "south ship"]);
  t.match(rows.queries, [{ permitted: ["entity.kind == 'ship'"] }]);
  t.match(client.last("playback"), { state: "paused" });
  rows.away = true;
  policy.take(viewer(OWN));
  await run(3);
  t.same(ids(box), [], "what was read for other roles is not shown");
});

t.test("[AC28] what is being read when roles change is not shown", async (t) => {
  const { rows, play, run, policy, clock } = past();
  let release = () => {};
  rows.wait = () => new Promise((resolve) => (release = resolve));
  const box = play("box");
  await run(2);
  policy.take(viewer("entity.kind == 'ship'"));
  await run(1);
  rows.wait = async () => {};
  rows.away = true;
  release();
  await clock.settle();
  await run(3);
  t.same(ids(box), []);
});

t.test("[AC26, AC28] a playback for which nothing is permitted is refused, or ends", async (t) => {
  const { rows, client, play, run, policy, feed } = past();
  const shown = play("shown");
  await run(3);
  rows.wait = () => new Promise(() => {});
  play("loading");
  policy.take([]);
  await run(1);
  t.same(ids(shown), []);
  const ends = client.received.flatMap((message) => (message.op === "error" ? [message] : []));
  t.same(ends.map(({ view }) => view).sort(), ["loading", "shown"]);
  for (const end of ends) t.match(end, { type: /forbidden$/, ended: true });
  t.equal(feed.stats.playbacks, 0);
  play("v");
  t.match(client.last("error"), { type: /forbidden$/, view: "v", ended: undefined });
});

t.test("[AC72] what labels take away leaves a playback within two seconds, and stays away", async (t) => {
  const labels = new Map([["north ship", ["north"]]]);
  let isAway = false;
  const asked: number[] = [];
  const tails = {
    ...NO_TAILS,
    labels: async (of: readonly string[]) => {
      asked.push(of.length);
      if (isAway) throw new Error("nobody is there");
      return { labels: new Map([...labels].filter(([id]) => of.includes(id))), missing: [] };
    },
  };
  const { client, play, run, policy, rows } = past(OWN, tails);
  const paused = play("paused");
  const playing = play("playing", { speed: 1 });
  await run(30);
  t.same([paused, playing].map(ids), Array(2).fill(["north ship", "north truck"]));
  client.received.length = asked.length = rows.queries.length = 0;
  labels.set("north ship", ["south"]);
  await run(20);
  t.same([paused, playing].map(ids), Array(2).fill(["north truck"]), "what is gone is judged as it was then");
  const denied = client.received.flatMap((message) => ("departures" in message ? message.departures : []));
  t.same(denied, Array(2).fill(["north ship", "denied"]));
  await run(30);
  t.same([paused, playing].map(ids), Array(2).fill(["north truck"]));
  t.equal(rows.queries.length, 0, "history is not asked for it");
  t.ok(asked.length <= 6, "once a second for both");
  isAway = true;
  await run(20);
  isAway = false;
  labels.set("north truck", []);
  await run(20);
  t.same([paused, playing].map(ids), [[], []], "also after labels could not be asked for");
  policy.take(viewer("entity.kind == 'ship'"));
  await run(10);
  asked.length = 0;
  await run(30);
  t.same([paused, playing].map(ids), Array(2).fill(["north ship", "south ship"]));
  t.same(asked, [], "labels are asked for where they matter");
});

t.test("[AC72] of what depends on the place too, the place that is read first is judged", async (t) => {
  const labels = new Map([["north ship", ["south"]]]);
  const tails = { ...NO_TAILS, labels: async () => ({ labels, missing: [] }) };
  const where = (lon: number) => `'north' in entity.labels || entity.lon < ${lon}`;
  const { play, run, policy } = past(where(10.056), tails);
  const box = play("box");
  await run(20);
  t.same(ids(box), ["north ship", "north truck", "south ship", "south truck"]);
  policy.take(viewer(where(10.054)));
  await run(20);
  t.same(ids(box), ["north truck"]);
});

t.test("[AC72] a way that leaves and returns stays if no label takes it away", async (t) => {
  const labels = new Map<string, string[]>();
  const tails = { ...NO_TAILS, labels: async () => ({ labels, missing: [] }) };
  const { client, play, run, rows } = past("entity.lon < 10.055 && !('secret' in entity.labels)", tails);
  const leaves = way("leaves", [
    [HOUR_MS, 10.05, 50.05],
    [HOUR_MS / 2, 10.06, 50.05],
    [HOUR_MS / 2 - 4_000, 10.05, 50.05],
    [0, 10.05, 50.05],
  ]);
  rows.segments.splice(0, Infinity, leaves);
  const box = play("v");
  await run(3);
  labels.set("leaves", ["other"]);
  await run(20);
  t.same(ids(box), []);
  const move = async (ms: number) => {
    client.send({ op: "update", view: "v", at: at(NOW - HOUR_MS / 2 + ms) });
    await run(1);
  };
  await move(5_000);
  t.same(ids(box), ["leaves"]);
  t.equal(rows.queries.length, 1, "it was not read again");
  await run(20);
  t.same(ids(box), ["leaves"]);
  await move(0);
  t.same(ids(box), [], "where it was outside it is hidden");
  labels.set("leaves", ["secret"]);
  await run(20);
  await move(5_000);
  t.same(ids(box), [], "a label that hides it takes it away");
  t.equal(rows.queries.length, 1);
});
