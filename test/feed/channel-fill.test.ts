// What views are told while the channel that they come to is being filled.
import t from "tap";
import { CLUSTER_TICKS } from "../../src/limits.ts";
import { Channel, FILL_SLOTS } from "../../src/picture/channel.ts";
import type { ServerMessage } from "../../src/transport/feed/protocol.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { add, HERE, start, TestClient, THERE, WORLD } from "./harness.ts";

const SHIPS = "entity.kind == 'ship'";

/** Of a machine on which each look at the clock is 30 ms after the one before. */
class SlowClock extends FakeClock {
  override monotonic(): number {
    this.pass(30);
    return super.monotonic();
  }
}

t.test("[P25] views of a channel that is not filled wait, others do not", async (t) => {
  const { client, feed, picture } = start({ clock: new SlowClock() });
  const slot = add(picture, "moves");
  for (let i = 1; i < 3 * FILL_SLOTS; i++) add(picture, `e${i}`, THERE[0], THERE[1]);
  client.subscribe("all", HERE);
  for (let tick = 0; tick < 3; tick++) feed.tick();
  t.equal(client.replicas.get("all")!.entities.size, 1);
  client.subscribe("held", WORLD, { where: SHIPS, tolerance: "10m" });
  const framesOf = (view: string) =>
    client.received.filter((message) => "view" in message && "n" in message && message.view === view).length;
  const told: [all: number, held: number][] = [];
  for (let tick = 0; tick < 3; tick++) {
    const before = framesOf("all");
    picture.place(slot, 10.05, 50.06 + tick / 100);
    feed.tick();
    told.push([framesOf("all") - before, framesOf("held")]);
  }
  t.same(
    told.map(([all, held]) => [all, held > 0]),
    [
      [1, false],
      [1, false],
      [1, true],
    ],
  );
  for (let tick = 0; tick < 9; tick++) feed.tick();
  t.equal(client.replicas.get("held")!.entities.size, 3 * FILL_SLOTS);
});

/** Whoever has a filter beside `kinds` or `where` of few gets a channel, which takes three ticks. */
function slowly(options: Parameters<typeof start>[0] = {}) {
  const made = start({ clock: new SlowClock(), privateViews: 0, ...options });
  const { picture } = made;
  const slot = add(picture, "moves");
  for (let i = 1; i < 3 * FILL_SLOTS; i++) add(picture, `e${i}`, THERE[0], THERE[1], "truck");
  let moves = 0;
  const lat = () => (500_500 + moves) / 10_000;
  /** What a client is told in a tick in which `moves` moves. */
  const toldOf = (client: TestClient): ServerMessage[] => {
    const { length } = client.received;
    moves++;
    picture.place(slot, 10.05, lat());
    made.feed.tick();
    return client.received.slice(length);
  };
  return { ...made, toldOf, lat };
}

const ops = (told: readonly ServerMessage[]) => told.map(({ op }) => op);

t.test(
  "[F67] a view whose filter is changed is told of what moves until its new channel is filled",
  async (t) => {
    const { client, feed, toldOf, lat } = slowly();
    const replica = client.subscribe("v", HERE);
    for (let i = 0; i < 3; i++) feed.tick();
    t.equal(client.last("view")!.filters, 0);
    client.refilter("v", { where: "entity.kind == 'truck'" });
    for (let i = 0; i < 2; i++) {
      t.same(ops(toldOf(client)), ["delta"]);
      t.equal(replica.entities.get("moves")!.lat, lat());
      t.equal(client.last("view")!.filters, 0, "the filter before is in force");
    }
    t.same(ops(toldOf(client)), ["view", "snapshot"], "[F44] from its reply on it is the new one");
    t.match(client.last("view"), { filters: 1 });
    t.match(client.last("snapshot"), { first: true, last: true, entities: [] });
    t.equal(replica.entities.size, 0);
    t.same(ops(toldOf(client)), []);
  },
);

t.test("[F67, F44] what is asked for meanwhile counts", async (t) => {
  const { client, feed, picture, toldOf } = slowly();
  const replica = client.subscribe("v", HERE);
  const ids = client.open("ids", { ids: ["moves", "e1"] });
  for (let i = 0; i < 3; i++) feed.tick();
  client.refilter("v", { where: "entity.kind == 'truck'" });
  client.refilter("ids", { where: "entity.kind == 'truck'" });
  toldOf(client);
  client.refilter("v", { where: SHIPS });
  client.refilter("ids", { where: SHIPS });
  client.send({ op: "update", view: "v", where: "entity.nonsense" });
  client.update("v", WORLD);
  add(picture, "new", 20, 20);
  const told = toldOf(client);
  t.match(told[0], { op: "view", view: "v", filters: 0 }, "a pan is answered");
  t.match(told[1], { op: "delta", view: "v" });
  t.equal(replica.entities.size, 3 * FILL_SLOTS + 1, "and brings what the filter before lets pass");
  for (let i = 0; i < 4; i++) toldOf(client);
  const replies = client.received.filter((message) => message.op === "view");
  t.same(
    replies.map(({ view, filters }) => `${view} ${filters}`),
    ["v 0", "ids 0", "v 0", "v 2", "ids 2"],
  );
  t.same([...replica.entities.keys()].sort(), ["moves", "new"]);
  t.same([...ids.entities.keys()], ["moves"]);
  t.equal(feed.stats.channels, 1, "what was asked for in between has no channel any more");
});

t.test("[F67, F45] a filter for which there is no room changes nothing", async (t) => {
  const { client, feed, toldOf } = slowly({ maxChannels: 1 });
  client.subscribe("taken", THERE, { kinds: ["bus"] });
  const replica = client.subscribe("v", HERE, { kinds: ["ship"] });
  for (let i = 0; i < 4; i++) feed.tick();
  t.match(client.last("error"), { view: "v", type: /unavailable$/ });
  t.equal(replica.n, 0);
  const all = client.subscribe("all", HERE);
  for (let i = 0; i < 3; i++) feed.tick();
  client.send({ op: "update", view: "all", kinds: ["ship"] });
  t.match(client.last("error"), { view: "all", type: /unavailable$/ });
  t.same(ops(toldOf(client)), ["delta"], "and nothing is sent again");
  t.equal(all.entities.size, 1);
});

t.test(
  "[F67] a view whose own filter comes to need a channel is told of what moves until that is filled",
  async (t) => {
    const { client, feed, picture, toldOf, lat } = slowly({ privateViews: 4 });
    const replica = client.subscribe("v", HERE, { where: SHIPS, max: 20 });
    for (let i = 0; i < 3; i++) feed.tick();
    t.equal(replica.state, "complete");
    for (let i = 0; i < 25; i++) add(picture, `t${i}`, 10.05, 50.05, "truck");
    for (let i = 0; i < CLUSTER_TICKS && feed.stats.channels === 1; i++) toldOf(client);
    t.equal(feed.stats.channels, 2, "its channel was begun");
    for (let i = 0; i < 2; i++) {
      t.same(ops(toldOf(client)), ["delta"]);
      t.equal(replica.entities.get("moves")!.lat, lat());
    }
    t.same(ops(toldOf(client)), ["snapshot"], "from its channel");
    t.match(client.last("snapshot"), { first: true, last: true });
    t.equal(replica.state, "complete");
  },
);

t.test(
  "[F67] what a view lacks when its own filter comes to need a channel does not wait either",
  async (t) => {
    const { client, feed, picture, toldOf } = slowly({ privateViews: 4, partRecords: 1_000 });
    const replica = client.subscribe("v", HERE, { where: SHIPS, max: 20 });
    for (let i = 0; i < 3; i++) feed.tick();
    add(picture, "far", 20, 20);
    client.update("v", WORLD);
    t.same(ops(toldOf(client)), ["view", "delta"]);
    t.notOk(replica.entities.has("far"), "a channel may be filled by the next tick");
    toldOf(client);
    t.ok(replica.entities.has("far"));
  },
);

t.test("[F27] who asks for the filter that it has needs no channel", async (t) => {
  const { client, feed, picture } = start({ privateViews: 2 });
  add(picture, "a");
  for (let i = 0; i < 2; i++) {
    client.subscribe("gone", HERE, { where: SHIPS });
    client.unsubscribe("gone");
  }
  client.subscribe("v", HERE, { where: SHIPS });
  client.subscribe("w", HERE, { where: SHIPS });
  feed.tick();
  for (let i = 0; i < 3; i++) client.refilter("v", { where: SHIPS });
  for (let i = 0; i < 2; i++) feed.tick();
  t.equal(feed.stats.channels, 1);
  t.equal(client.last("view")!.filters, 3);
  client.unsubscribe("w");
  client.subscribe("x", HERE, { where: SHIPS });
  feed.tick();
  t.equal(feed.stats.channels, 1, "each counts once");
  client.subscribe("y", HERE, { where: SHIPS });
  feed.tick();
  t.equal(feed.stats.channels, 2);
});

t.test(
  "[F19] a channel that fails while it is filled closes who waits for it, and nobody else",
  async (t) => {
    const { client, feed, toldOf, errors } = slowly();
    const replica = client.subscribe("v", HERE);
    const other = new TestClient(feed);
    other.subscribe("v", HERE);
    for (let i = 0; i < 3; i++) feed.tick();
    other.refilter("v", { where: SHIPS });
    toldOf(client);
    const { fill } = Channel.prototype;
    t.teardown(() => {
      Channel.prototype.fill = fill;
    });
    Channel.prototype.fill = function (...turn) {
      if (!this.isFilled) throw new Error("for the test");
      return fill.apply(this, turn);
    };
    t.same(ops(toldOf(client)), ["delta"]);
    t.equal(errors.length, 1);
    t.equal(other.socket.closedWith, 1011);
    t.equal(client.socket.closedWith, undefined);
    other.disconnect();
    toldOf(client);
    t.match(feed.stats, { views: 1, channels: 1 });
    t.equal(replica.entities.size, 1);
  },
);

t.test(
  "[P25] [F1] who is deleted and reported again while a channel is filled is there when it is, and stays",
  async (t) => {
    for (const rate of [10, 1] as const) {
      const { client, feed, picture } = start({ clock: new SlowClock() });
      const slot = add(picture, "a");
      for (let i = 1; i < 3 * FILL_SLOTS; i++) add(picture, `e${i}`, THERE[0], THERE[1]);
      const replica = client.subscribe("v", HERE, { tolerance: "10m", rate });
      feed.tick();
      picture.remove(slot, "deleted");
      const again = add(picture, "a");
      t.not(again, slot, "in another slot, which was not looked at");
      for (let i = 0; i < 3 + CLUSTER_TICKS; i++) feed.tick();
      t.same([...replica.entities.keys()], ["a"]);
    }
  },
);
