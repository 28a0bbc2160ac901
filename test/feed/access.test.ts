// What views show to who may not see all, and what becomes of them when that changes.
import t from "tap";
import { Policy } from "../../src/access/policy.ts";
import type { Principal, Role } from "../../src/access/ports.ts";
import { EXPIRED } from "../../src/actors/messages.ts";
import { InterestMap } from "../../src/cluster/interest.ts";
import { FULL } from "../../src/picture/picture.ts";
import { FOLLOW_WAIT_MS } from "../../src/transport/feed/follow.ts";
import { PROTOCOL_BINARY, PROTOCOL_JSON, type ServerMessage } from "../../src/transport/feed/protocol.ts";
import { add, frames, HERE, harness, TestClient, WORLD } from "./harness.ts";

const key = (id: string, fleet: string): Principal => ({
  ...{ id, name: id, roles: ["viewer"], attributes: { fleet } },
});
const viewer = (...wheres: (string | undefined)[]): Role => ({
  name: "viewer",
  grants: wheres.map((where) => ({ resource: "entity", actions: ["read"], where })),
});
const OWN = "principal.attributes.fleet in entity.labels";
const TYPE = (name: string) => `urn:muster:problem:${name}`;

/** A ship and a truck of each fleet, and those who may see their own. */
function fleets(options: Parameters<typeof harness>[0] = {}) {
  const policy = new Policy();
  policy.take([viewer(OWN)]);
  /** By id, as they are now. */
  const keys = new Map(["north", "south"].map((fleet) => [fleet, key(fleet, fleet)]));
  const current = ({ id }: Principal) => keys.get(id);
  const made = harness({ policy, current, ...options });
  const { picture, feed, clock } = made;
  const label = (slot: number, ...labels: string[]) => {
    picture.columns.labels.set(slot, labels);
    picture.touch(slot, FULL);
  };
  const slots = new Map<string, number>();
  for (const [i, fleet] of ["north", "south"].entries())
    for (const kind of ["ship", "truck"]) {
      const slot = add(picture, `${fleet} ${kind}`, 10.05 + i / 100, 50.05, kind);
      label(slot, fleet);
      slots.set(`${fleet} ${kind}`, slot);
    }
  const client = (id: string, protocol: string = PROTOCOL_JSON) =>
    new TestClient(feed, () => {}, protocol, keys.get(id) ?? key(id, id));
  const tick = (times = 1) => {
    for (let i = 0; i < times; i++) {
      clock.pass(100);
      feed.tick();
    }
  };
  return { ...made, policy, keys, label, slots, client, tick };
}

const ids = ({ entities }: { entities: ReadonlyMap<string, unknown> }) => [...entities.keys()].sort();
const told = ({ received }: TestClient) =>
  received.filter(({ op }) => op !== "heartbeat").map(({ op }) => op as ServerMessage["op"]);

t.test("[AC20] views of boxes, ids and what is followed, and clusters, show what is permitted", async (t) => {
  for (const privateViews of [0, 4]) {
    const { client, tick, slots } = fleets({ privateViews });
    const north = client("north");
    const box = north.subscribe("box", HERE);
    const trucks = north.subscribe("trucks", HERE, { where: "entity.kind == 'truck'" });
    const named = north.open("named", { ids: [...slots.keys()] });
    const followed = north.open("followed", { follow: { id: "north ship", radius: 10_000 } });
    const crowd = north.subscribe("crowd", WORLD, { max: 1 });
    tick(12);
    const own = ["north ship", "north truck"];
    t.same([box, trucks, named, followed].map(ids), [own, ["north truck"], own, own]);
    t.equal(crowd.state, "clusters");
    t.equal(
      crowd.clusters.reduce((sum, [, , count]) => sum + count, 0),
      2,
    );
  }
});

t.test("[AC21] those who may see the same share what is made for them, and nobody else's", async (t) => {
  const { feed, keys, client, tick } = fleets({ privateViews: 0 });
  for (const [id, fleet] of [
    ["n1", "north"],
    ["n2", "north"],
  ] as const)
    keys.set(id, key(id, fleet));
  const channels = () => feed.stats.channels;
  client("n1").subscribe("v", HERE);
  client("n2").subscribe("v", HERE);
  client("n2").subscribe("w", WORLD);
  tick();
  t.equal(channels(), 1);
  client("n1").subscribe("w", HERE, { where: "entity.kind == 'ship'" });
  client("n2").subscribe("w", HERE, { where: `entity.kind == "ship"` });
  tick();
  t.equal(channels(), 2);
  client("south").subscribe("v", HERE);
  tick();
  t.equal(channels(), 3);
  const admin = new TestClient(feed);
  admin.subscribe("v", HERE, { where: `"north" in entity.labels` });
  tick();
  t.equal(channels(), 4, "what a filter hides has another reason");
});

t.test("[AC22] who may see nothing is refused each view, and may go on", async (t) => {
  const { client, policy, tick } = fleets();
  policy.take([]);
  const north = client("north");
  for (const place of [
    { bbox: HERE },
    { ids: ["north ship"] },
    { follow: { id: "north ship", radius: 1 } },
  ]) {
    north.open("v", place);
    t.match(north.last("error"), { type: TYPE("forbidden"), status: 403, view: "v", ended: undefined });
  }
  policy.take([viewer(OWN)]);
  const replica = north.subscribe("v", HERE);
  tick();
  t.same(ids(replica), ["north ship", "north truck"]);
});

t.test("[AC23] what may not be seen is followed as what is not there", async (t) => {
  const { client, tick } = fleets();
  const north = client("north");
  for (const id of ["south ship", "nobody"]) {
    north.received.length = 0;
    north.open("v", { follow: { id, radius: 1_000 } });
    tick();
    t.equal(north.received.length, 1, "at once");
    t.match(north.last("error"), { type: TYPE("entity-not-found"), view: "v", ended: undefined });
  }
});

t.test("[AC23] … in a cluster too, where it may come", async (t) => {
  const { client, tick, label, slots } = fleets({ interest: new InterestMap() });
  const [north, other] = [client("north"), client("north")];
  north.open("v", { follow: { id: "south ship", radius: 1_000 } });
  other.open("v", { follow: { id: "nobody", radius: 1_000 } });
  tick(FOLLOW_WAIT_MS / 100 - 1);
  t.same([told(north), told(other)], [[], []]);
  tick();
  t.same(told(north), ["error"]);
  t.same(north.received, other.received);
  const replica = north.open("v", { follow: { id: "south ship", radius: 1_000 } });
  tick();
  label(slots.get("south ship")!, "north", "south");
  tick();
  t.ok(replica.entities.has("south ship"));
});

t.test("[AC24] what may not be seen any more is denied, whatever the filter", async (t) => {
  for (const privateViews of [0, 4]) {
    const { client, tick, label, slots } = fleets({ privateViews });
    const north = client("north");
    north.subscribe("box", HERE, { where: "entity.kind == 'ship'" });
    north.open("named", { ids: ["north ship"] });
    north.open("followed", { follow: { id: "north ship", radius: 10_000 } });
    tick();
    north.received.length = 0;
    label(slots.get("north ship")!, "south");
    tick();
    t.match(frames(north), [
      { view: "box", departures: [["north ship", "denied"]], updates: [] },
      { view: "named", departures: [["north ship", "denied"]], updates: [] },
    ]);
    t.same(north.last("ended"), { op: "ended", view: "followed", reason: "denied" });
  }
});

t.test("[AC24] … and whatever becomes of it before the next frame", async (t) => {
  for (const privateViews of [0, 4])
    for (const [end, reason] of [
      ["deleted", "denied"],
      ["expired", "denied"],
      ["permitted and deleted", "deleted"],
    ] as const) {
      const { client, tick, label, slots, picture } = fleets({ privateViews });
      const north = client("north");
      const slow = { rate: 1 } as const;
      north.subscribe("box", HERE, slow);
      north.open("named", { ids: ["north ship"], ...slow });
      north.subscribe("tolerant", HERE, { tolerance: "100m", ...slow });
      tick(11);
      north.received.length = 0;
      const slot = slots.get("north ship")!;
      label(slot, "south");
      tick();
      if (end === "permitted and deleted") {
        label(slot, "north");
        tick();
      }
      if (end === "expired") {
        picture.columns.liveness.set(slot, EXPIRED);
        picture.touch(slot, FULL);
      } else {
        // As the table of entities does.
        picture.columns.labels.delete(slot);
        picture.remove(slot, "deleted");
      }
      tick(11);
      const told = frames(north).flatMap((frame) => (frame.op === "delta" ? frame.departures : []));
      t.same(told, Array(3).fill(["north ship", reason]), `${end}, ${privateViews} private views`);
    }
});

t.test("[AC24] … and what the filter hides is not", async (t) => {
  const { client, tick, slots, picture } = fleets();
  const north = client("north");
  north.subscribe("box", HERE, { where: "entity.kind == 'ship'" });
  tick();
  const slot = slots.get("north ship")!;
  picture.columns.kind.set(slot, picture.columns.kinds.number("barge"));
  picture.touch(slot, FULL);
  tick();
  t.same(north.last("delta")!.departures, [["north ship", "filter"]]);
});

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
