// What views show to who may not see all.
import t from "tap";
import { EXPIRED } from "../../src/actors/messages.ts";
import { InterestMap } from "../../src/cluster/interest.ts";
import { FULL } from "../../src/picture/picture.ts";
import { FOLLOW_WAIT_MS } from "../../src/transport/feed/follow.ts";
import { fleets, ids, key, OWN, TYPE, told, viewer } from "./fleets.ts";
import { frames, HERE, TestClient, WORLD } from "./harness.ts";

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
