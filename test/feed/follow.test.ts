// What a view follows may be another node's: it comes, changes its owner, and comes back.
import t from "tap";
import { InterestMap, MAX_INTEREST_IDS } from "../../src/cluster/interest.ts";
import { BASE_TICK_MS, MAX_IDS_PER_VIEW, MAX_VIEWS_PER_CONNECTION } from "../../src/limits.ts";
import { coverDifference, coverOf, NOTHING } from "../../src/picture/cover.ts";
import { FOLLOW_WAIT_MS } from "../../src/transport/feed/follow.ts";
import type { Bbox } from "../../src/transport/feed/protocol.ts";
import { A, pair, SHARD } from "../cluster/mirror-pair.ts";
import { add, frames, HERE, harness, start, TestClient, THERE } from "./harness.ts";

const RADIUS = 5_000;
const NOT_FOUND = { op: "error", type: "urn:muster:problem:entity-not-found", status: 404 };

/** A feed of a node of a cluster, with one client. */
function startNode() {
  const interest = new InterestMap();
  const made = start({ interest });
  const pass = (ms: number) => {
    for (let passed = 0; passed < ms; passed += BASE_TICK_MS) {
      made.clock.pass(BASE_TICK_MS);
      made.feed.tick();
    }
  };
  const follow = (view: string, id: string, more: object = {}) =>
    made.client.open(view, { follow: { id, radius: RADIUS }, ...more });
  return { ...made, interest, pass, follow, wanted: () => [...interest.current().ids] };
}

const holds = (interest: InterestMap, box: Bbox) =>
  coverDifference(coverOf(box), interest.current().cover).length === 0;

t.test("[F49] what is followed may come later: then all is as if it had been there", async (t) => {
  const { client, feed, picture, interest, pass, follow, wanted } = startNode();
  add(picture, "near", 10.06);
  const replica = follow("v", "target");
  t.same(wanted(), ["target"], "at once");
  pass(FOLLOW_WAIT_MS - BASE_TICK_MS);
  t.same(client.received, [], "nothing is said");
  t.same(interest.current().cover, NOTHING);
  const target = add(picture, "target");
  pass(BASE_TICK_MS);
  t.same(
    client.received.map(({ op }) => op),
    ["view", "snapshot"],
  );
  t.match(client.received[0], { view: "v", filters: 0 });
  t.match(client.received[1], { n: 1, first: true, last: true });
  t.same([...replica.entities.keys()].sort(), ["near", "target"]);
  t.ok(holds(interest, HERE));
  picture.place(target, 100.01, 10);
  pass(BASE_TICK_MS);
  t.same([...replica.entities.keys()], ["target"]);
  t.ok(holds(interest, THERE));
  pass(2 * FOLLOW_WAIT_MS);
  t.equal(feed.stats.views, 1);
  picture.remove(target, "deleted");
  pass(BASE_TICK_MS);
  t.same(client.last("ended"), { op: "ended", view: "v", reason: "deleted" });
  t.match(interest.current(), { ids: new Set(), cover: NOTHING });
});

t.test("[F49] what does not come is not found, and no longer asked for", async (t) => {
  const { client, feed, picture, pass, follow, wanted } = startNode();
  follow("v", "nobody");
  pass(FOLLOW_WAIT_MS - BASE_TICK_MS);
  t.equal(client.last("error"), undefined);
  pass(BASE_TICK_MS);
  t.match(client.last("error"), { ...NOT_FOUND, view: "v", ended: true });
  t.same(wanted(), []);
  t.equal(feed.stats.views, 0);
  pass(FOLLOW_WAIT_MS);
  t.equal(client.received.filter(({ op }) => op === "error").length, 1);
  add(picture, "target");
  follow("v", "target");
  pass(BASE_TICK_MS);
  t.match(client.last("snapshot"), { view: "v", last: true }, "its name is free");
});

t.test("[F49] a node that is alone knows at once", async (t) => {
  const { client, feed } = start();
  client.open("v", { follow: { id: "nobody", radius: RADIUS } });
  t.match(client.last("error"), { ...NOT_FOUND, view: "v", ended: undefined });
  feed.tick();
  t.equal(client.received.length, 1);
});

t.test("[F49] a view that waits is one of its connection's, under its name", async (t) => {
  const { client, pass, follow, wanted } = startNode();
  for (let i = 0; i < MAX_VIEWS_PER_CONNECTION; i++) follow(`v${i}`, `nobody ${i % 2}`);
  t.same(wanted(), ["nobody 0", "nobody 1"]);
  client.send({ op: "subscribe", view: "more", bbox: HERE });
  t.match(client.last("error"), { type: /too-many-views$/ });
  client.send({ op: "subscribe", view: "v0", bbox: HERE });
  t.match(client.last("error"), { type: /view-exists$/ });
  for (let i = 0; i < MAX_VIEWS_PER_CONNECTION; i += 2) client.unsubscribe(`v${i}`);
  t.same(wanted(), ["nobody 1"], "who unsubscribes wants nothing");
  client.subscribe("v0", HERE);
  pass(BASE_TICK_MS);
  t.match(client.last("view"), { view: "v0" });
  client.disconnect();
  t.same(wanted(), [], "nor does who is gone");
  pass(FOLLOW_WAIT_MS);
});

t.test("[F49] a view that waits takes other filters", async (t) => {
  const { client, picture, pass, follow, wanted, errors } = startNode();
  add(picture, "near", 10.06, 50.05, "truck");
  const replica = follow("v", "target", { kinds: ["truck"] });
  follow("w", "target", { kinds: ["truck"] });
  pass(BASE_TICK_MS);
  client.refilter("v", { kinds: null });
  client.send({ op: "update", view: "v", where: "nonsense" });
  t.match(client.last("error"), { type: /bad-expression$/, view: "v" });
  client.send({ op: "update", view: "v", bbox: HERE });
  t.match(client.last("error"), { type: /bad-request$/, view: "v" });
  pass(BASE_TICK_MS);
  client.refilter("v", { where: "entity.id != 'near'" });
  pass(BASE_TICK_MS);
  t.equal(client.last("view"), undefined);
  add(picture, "target");
  pass(BASE_TICK_MS);
  t.match(client.last("view"), { view: "v", filters: 2 });
  t.same([...replica.entities.keys()], ["target"]);
  t.same(client.last("ended"), { op: "ended", view: "w", reason: "filter" });
  client.unsubscribe("v");
  t.same(wanted(), []);
  t.same(errors, []);
});

t.test("[F49] a view that waits needs a channel, and a peer that reads", async (t) => {
  const interest = new InterestMap();
  const { feed, picture } = harness({ interest, maxChannels: 0, privateViews: 0 });
  const client = new TestClient(feed);
  client.open("v", { follow: { id: "target", radius: RADIUS }, kinds: ["ship"] });
  t.match(client.last("error"), { type: /unavailable$/, view: "v" });
  t.equal(interest.current().ids.size, 0);
  client.open("v", { follow: { id: "target", radius: RADIUS } });
  client.socket.stall();
  feed.tick();
  add(picture, "target");
  feed.tick();
  client.socket.resume();
  feed.tick();
  t.match(frames(client), [{ op: "snapshot", n: 1, first: true, last: true, entities: [{ id: "target" }] }]);
});

t.test("[F50] a mirror that left and comes back is followed on", async (t) => {
  const { client, picture, pass, follow, wanted } = startNode();
  const target = add(picture, "target");
  const replica = follow("v", "target");
  pass(BASE_TICK_MS);
  picture.remove(target, "left");
  pass(BASE_TICK_MS);
  t.same([...replica.entities.keys()], []);
  pass(FOLLOW_WAIT_MS - 2 * BASE_TICK_MS);
  const back = add(picture, "target", 100.05, 10.05);
  pass(BASE_TICK_MS);
  t.same([...replica.entities.keys()], ["target"]);
  // Gone and back between two base ticks.
  picture.remove(back, "left");
  const again = add(picture, "target");
  pass(2 * BASE_TICK_MS);
  t.same([...replica.entities.keys()], ["target"]);
  t.same(wanted(), ["target"]);
  picture.remove(again, "left");
  pass(FOLLOW_WAIT_MS);
  t.equal(client.last("ended"), undefined);
  pass(BASE_TICK_MS);
  t.same(client.last("ended"), { op: "ended", view: "v", reason: "left" });
  t.same(wanted(), []);
});

t.test("[F50] a view follows through the death of an owner, and the next one's reports", async (t) => {
  const { cluster, viewer } = await pair();
  viewer.look(undefined);
  await cluster.pass(200);
  t.equal(viewer.entity(A), undefined, "nobody here looks at it");
  cluster.join("heir");
  cluster.commit(SHARD);
  const { picture, interest } = viewer;
  const { feed } = harness({ picture, interest, clock: cluster.clock });
  const client = new TestClient(feed);
  const pass = async (ms: number) => {
    for (let passed = 0; passed < ms; passed += BASE_TICK_MS) {
      await cluster.pass(BASE_TICK_MS);
      feed.tick();
    }
  };
  client.open("v", { follow: { id: A, radius: RADIUS } });
  await pass(300);
  const lon = () => {
    const [west, , east] = client.last("view")!.bbox!;
    return Math.round((west + east) * 5_000) / 10_000;
  };
  t.equal(lon(), 10.05);
  cluster.die("owner");
  await pass(2 * FOLLOW_WAIT_MS);
  t.ok(viewer.entity(A), "the mirror stays");
  await cluster.claim("heir", SHARD);
  cluster.report(cluster.node("heir"), A, [10.07, 50.05]);
  await pass(300);
  t.equal(lon(), 10.07);
  t.equal(client.last("ended"), undefined);
  // This node opens the shard itself.
  cluster.commit(SHARD);
  cluster.die("heir");
  await cluster.claim("viewer", SHARD);
  await pass(300);
  cluster.report(viewer, A, [10.09, 50.05]);
  await pass(300);
  t.equal(lon(), 10.09);
  t.equal(client.last("ended"), undefined);
  client.disconnect();
});

t.test("[F51] more entities than a node can ask for are refused, whole", async (t) => {
  const { client, feed, follow, wanted, pass } = startNode();
  const others = new TestClient(feed);
  const ids = (from: number, n: number) => Array.from({ length: n }, (_, i) => `e${from + i}`);
  for (let n = 0; n < MAX_INTEREST_IDS - 1; n += MAX_IDS_PER_VIEW)
    others.open(`${n}`, { ids: ids(n, Math.min(MAX_IDS_PER_VIEW, MAX_INTEREST_IDS - 1 - n)) });
  t.equal(others.last("error"), undefined);
  const refused = (view: string) => {
    t.match(client.last("error"), {
      type: "urn:muster:problem:unavailable",
      status: 503,
      detail: /as many entities, or as long ids, as it can ask/,
      view,
    });
    client.received.length = 0;
  };
  client.open("v", { ids: ["more", "and more"] });
  refused("v");
  t.equal(wanted().length, MAX_INTEREST_IDS - 1);
  follow("v", "the last");
  client.open("w", { ids: ["e0", "e1", "e1", "the last"] });
  t.equal(client.last("error"), undefined, "what others name takes no room");
  follow("x", "more");
  refused("x");
  client.subscribe("x", HERE);
  pass(BASE_TICK_MS);
  t.match(client.last("view"), { view: "x" }, "boxes name nothing");
  client.unsubscribe("v");
  client.unsubscribe("w");
  follow("v", "more");
  t.equal(client.last("error"), undefined);
  t.equal(feed.stats.views, MAX_INTEREST_IDS / MAX_IDS_PER_VIEW + 2);
});
