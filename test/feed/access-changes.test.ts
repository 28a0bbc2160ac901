// What becomes of views when what their principals may see changes.
import t from "tap";
import { PROTOCOL_BINARY, PROTOCOL_JSON } from "../../src/transport/feed/protocol.ts";
import { fleets, ids, key, OWN, TYPE, told, viewer } from "./fleets.ts";
import { add, frames, HERE, TestClient } from "./harness.ts";

t.test("[AC25] changed roles count from the next tick on, a changed key within a second", async (t) => {
  for (const protocol of [PROTOCOL_JSON, PROTOCOL_BINARY])
    for (const privateViews of [0, 4]) {
      const { client, policy, keys, tick } = fleets({ privateViews });
      const north = client("north", protocol);
      const replica = north.subscribe("v", HERE);
      tick(3);
      north.refilter("v", { where: "entity.kind != 'bus'" });
      tick();
      north.received.length = 0;
      policy.take([viewer("entity.kind == 'ship'")]);
      tick();
      t.same(told(north), ["delta", "view", "snapshot"]);
      t.match(north.received[0], { departures: [["north truck", "denied"]], updates: [] });
      t.match(north.last("view"), { view: "v", filters: 1 }, "changes that the client asked for");
      t.match(north.last("snapshot"), { first: true, last: true });
      t.same(ids(replica), ["north ship", "south ship"]);
      policy.take([viewer(undefined)]);
      tick();
      t.equal(replica.entities.size, 4);
      t.same(told(north).slice(3), ["view", "snapshot"], "nothing is denied");
      policy.take([viewer(OWN)]);
      keys.set("north", key("north", "south"));
      tick(10);
      t.same(ids(replica), ["south ship", "south truck"]);
      north.received.length = 0;
      policy.take([viewer(OWN), { ...viewer(undefined), name: "nobody's" }]);
      tick(20);
      t.same(told(north), [], "what permits the same as before changes nothing");
    }
});

t.test("[AC25] of a large view it is told in several frames, and of clusters by none", async (t) => {
  const { client, picture, policy, label, tick } = fleets({ maxDeltaBytes: 2_000 });
  for (let i = 0; i < 200; i++) label(add(picture, `e${i}`), "north");
  const north = client("north");
  const replica = north.subscribe("v", HERE);
  const crowd = north.subscribe("w", HERE, { max: 10 });
  tick(3);
  t.equal(replica.entities.size, 202);
  t.equal(crowd.state, "clusters");
  north.received.length = 0;
  policy.take([viewer("entity.kind == 'truck'")]);
  tick();
  const denied = frames(north).flatMap((frame) => (frame.op === "delta" ? [frame.departures] : []));
  t.ok(denied.length > 1 && denied.every((one) => JSON.stringify(one).length < 2_000));
  t.equal(denied.flat().length, 201);
  t.same(ids(crowd), ["north truck", "south truck"]);
});

/** So many clients of the north, of each of which takes the time of a base tick what is permitted. */
function crowd(count: number) {
  const made = fleets();
  const { policy, clock, keys, client, tick } = made;
  const clients = Array.from({ length: count }, (_, i) => {
    keys.set(`n${i}`, key(`n${i}`, "north"));
    const one = client(`n${i}`);
    one.subscribe("box", HERE);
    one.open("named", { ids: ["north ship", "north truck", "south ship"] });
    one.subscribe("crowd", HERE, { max: 1 });
    one.open("followed", { follow: { id: "north truck", radius: 10_000 } });
    return one;
  });
  tick(12);
  const permits = policy.permits.bind(policy);
  policy.permits = (...of: Parameters<typeof permits>) => {
    clock.pass(20);
    return permits(...of);
  };
  const clear = () => {
    for (const one of clients) one.received.length = 0;
  };
  clear();
  return { ...made, clients, clear };
}

t.test("[AC25, AC91] of very many feeds some wait, and show nothing until their turn", async (t) => {
  const { picture, slots, policy, clients, tick } = crowd(5);
  policy.take([viewer("entity.kind == 'ship'")]);
  for (let turn = 1; turn <= 5; turn++) {
    for (const [i, slot] of [...slots.values()].entries())
      picture.place(slot, 10.05 + turn / 1_000, 50.04 + i / 100);
    tick();
    t.equal(clients.filter(({ received }) => received.length > 0).length, turn);
  }
  tick(12);
  for (const [i, one] of clients.entries()) {
    t.same(ids(one.replicas.get("box")!), ["north ship", "south ship"]);
    t.same(ids(one.replicas.get("named")!), ["north ship", "south ship"]);
    t.same(
      one.replicas.get("crowd")!.clusters.reduce((sum, [, , count]) => sum + count, 0),
      2,
    );
    t.match(one.last("ended"), { view: "followed", reason: "denied" });
    const [first] = one.received.filter((message) => "view" in message && message.view === "box");
    if (i > 0) t.match(first, { op: "snapshot", first: true, last: undefined, entities: [] });
    for (const message of one.received)
      if ("entities" in message) t.notOk(JSON.stringify(message.entities).includes("truck"));
  }
});

t.test("[AC91] … also if nothing is left for them, or as much as before", async (t) => {
  const { policy, clients, clear, tick } = crowd(3);
  policy.take([viewer(` ${OWN}`)]);
  tick(1);
  t.same(
    clients.map(({ received }) => received.length > 0),
    [true, false, false],
  );
  tick(20);
  for (const one of clients) t.same(ids(one.replicas.get("box")!), ["north ship", "north truck"]);
  clear();
  policy.take([]);
  tick(20);
  for (const { received, replicas } of clients) {
    t.equal(replicas.size, 0);
    t.equal(received.filter(({ op }) => op === "error").length, 4);
    t.same(
      received.filter((message) => "entities" in message && message.entities.length > 0),
      [],
    );
  }
});

t.test("[AC25] roles that were others only for a moment count too", async (t) => {
  const { client, policy, tick } = fleets();
  policy.take([]);
  tick();
  policy.take([viewer(OWN)]);
  const north = client("north");
  north.subscribe("v", HERE);
  policy.take([]);
  tick();
  t.same(told(north), ["error"]);
});

t.test("[AC91] feeds of who has none of what changed notice nothing", async (t) => {
  const { policy, clients, tick, slots, picture } = crowd(3);
  policy.take([viewer(OWN), { ...viewer("entity.kind == 'ship'"), name: "other" }]);
  picture.place(slots.get("north ship")!, 10.051, 50.051);
  tick();
  for (const one of clients)
    t.same(
      frames(one).map(({ op }) => op),
      ["delta", "delta", "delta"],
    );
  const event = { resource: "event" as const, actions: ["read" as const] };
  policy.take([{ ...viewer(OWN), grants: [...viewer(OWN).grants, event] }]);
  picture.place(slots.get("north ship")!, 10.052, 50.052);
  tick();
  for (const one of clients) t.equal(frames(one).length, 6, "also of another grant of the role");
});

t.test("[AC26] when nothing is permitted any more, views are emptied and end", async (t) => {
  for (const privateViews of [0, 4]) {
    const { client, feed, policy, tick } = fleets({ privateViews });
    const north = client("north");
    const replicas = [
      north.subscribe("box", HERE),
      north.open("named", { ids: ["north ship"] }),
      north.open("followed", { follow: { id: "north ship", radius: 10_000 } }),
      north.subscribe("crowd", HERE, { max: 1 }),
    ];
    tick(3);
    north.received.length = 0;
    policy.take([]);
    tick();
    t.same(
      replicas.map(({ entities, clusters }) => entities.size + clusters.length),
      [0, 0, 0, 0],
    );
    const ends = north.received.filter(({ op }) => op === "error");
    t.equal(ends.length, 4);
    for (const end of ends) t.match(end, { type: TYPE("forbidden"), status: 403, ended: true });
    t.match(feed.stats, { views: 0, channels: 0, connections: 1 });
    t.equal(north.socket.closedWith, undefined);
    policy.take([viewer(OWN)]);
    const again = north.subscribe("box", HERE);
    tick();
    t.equal(again.entities.size, 2, "its name is free");
  }
});

t.test("[AC26] a view that finds no channel for what is permitted now ends too", async (t) => {
  const { client, policy, tick } = fleets({ privateViews: 0, maxChannels: 1 });
  const [north, south] = [client("north"), client("north")];
  const replica = north.subscribe("v", HERE);
  tick();
  policy.take([viewer("entity.kind == 'ship'", OWN)]);
  south.subscribe("v", HERE);
  t.match(south.last("error"), { type: TYPE("unavailable") });
  tick();
  t.match(north.last("error"), { type: TYPE("unavailable"), view: "v", ended: true });
  t.same(ids(replica), ["north ship", "north truck"], "these may be seen still");
});

t.test("[AC27] the feed of who is none any more is closed within a second", async (t) => {
  const { client, keys, feed, tick } = fleets();
  const [north, south] = [client("north"), client("south")];
  const admin = new TestClient(feed);
  for (const one of [north, south, admin]) one.subscribe("v", HERE);
  tick(3);
  keys.delete("north");
  north.received.length = 0;
  north.subscribe("w", HERE);
  t.match(north.last("error"), { type: TYPE("forbidden") }, "nothing is opened meanwhile");
  tick(10);
  t.equal(north.socket.closedWith, 4401);
  t.equal(north.socket.closedBecause, "the token is not valid any more");
  t.equal(south.socket.closedWith, undefined);
  t.equal(admin.socket.closedWith, undefined);
});
