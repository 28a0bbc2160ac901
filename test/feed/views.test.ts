import t from "tap";
import { MAX_CHANNELS, MAX_VIEWS_PER_CONNECTION } from "../../src/limits.ts";
import { FULL } from "../../src/picture/picture.ts";
import type { Bbox, Delta, Snapshot } from "../../src/transport/feed/protocol.ts";
import { add, frames, HERE, start, TestClient, THERE, WORLD } from "./harness.ts";

t.test("[F3] the reply to subscribe and update names the cover, before frames of it", async (t) => {
  const { client, feed } = start();
  client.subscribe("v", HERE);
  t.same(client.received, [], "at the next base tick");
  feed.tick();
  client.update("v", THERE);
  client.update("v", [170, -10, -170, 10]);
  feed.tick();
  t.same(
    client.received.map(({ op }) => op),
    ["view", "snapshot", "view"],
    "moves of one tick are one",
  );
  const covers = client.received.filter((message) => message.op === "view").map(({ cover }) => cover);
  const contains = (cover: Bbox[], lon: number, lat: number) =>
    cover.some(([west, south, east, north]) => lon >= west && lon <= east && lat >= south && lat <= north);
  t.ok(contains(covers[0], 10, 50) && contains(covers[0], 10.1, 50.1));
  t.ok(contains(covers[1], 170, 10) && contains(covers[1], -170, -10) && contains(covers[1], 180, 0));
  t.notOk(contains(covers[1], 0, 0));
});

t.test("[F4] a snapshot starts with `first`, ends with `last`; frames count from 1", async (t) => {
  const { client, feed, picture } = start({ partRecords: 2 });
  for (let i = 0; i < 5; i++) add(picture, `e${i}`, 10.01 + i / 50, 50.05);
  client.subscribe("v", HERE);
  client.subscribe("empty", THERE);
  feed.tick();
  const parts = frames(client).filter(({ view }) => view === "v") as Snapshot[];
  t.same(
    parts.map(({ n, first, last, entities }) => [n, first, last, entities.length]),
    [
      [1, true, undefined, 2],
      [2, undefined, undefined, 2],
      [3, undefined, true, 1],
    ],
  );
  const empty = frames(client).find(({ view }) => view === "empty");
  t.match(empty, { n: 1, first: true, last: true, entities: [] });
});

t.test("[F5] between the parts of a snapshot, deltas tell of what was sent so far", async (t) => {
  const { client, feed, picture } = start({ partRecords: 1 });
  const slots = [0, 1, 2].map((i) => add(picture, `e${i}`, 10.01 + i / 30, 50.05));
  client.subscribe("v", HERE);
  client.socket.pace = "lazy";
  feed.tick();
  const [sent] = (frames(client)[0] as Snapshot).entities;
  for (const slot of slots) picture.touch(slot, FULL);
  feed.tick();
  const delta = frames(client)[1] as Delta;
  t.equal(delta.op, "delta");
  t.same(
    delta.updates.map(({ id }) => id),
    [sent.id],
  );
});

t.test("[F6] a pan tells only what is new and what left", async (t) => {
  const { client, feed, picture } = start();
  add(picture, "west", 10.01, 50.05);
  add(picture, "middle", 10.1, 50.05);
  add(picture, "east", 10.2, 50.05);
  client.subscribe("v", [10, 50, 10.11, 50.1]);
  feed.tick();
  const replica = client.update("v", [10.09, 50, 10.21, 50.1]);
  feed.tick();
  const [, left, added, ...more] = frames(client) as Delta[];
  t.match(left, { op: "delta", departures: [["west", "left"]], updates: [] });
  t.match(added, { op: "delta", departures: [], updates: [{ id: "east", kind: "ship" }] });
  t.equal(added.updates.length, 1);
  t.same(more, []);
  t.same([...replica.entities.keys()].sort(), ["east", "middle"]);
});

t.test("[F7] a view gets a frame when something changed, at most `rate` times a second", async (t) => {
  const { client, feed, picture } = start();
  const slot = add(picture, "a");
  client.subscribe("fast", HERE);
  client.subscribe("slow", HERE, { rate: 1 });
  feed.tick();
  for (let i = 0; i < 30; i++) {
    picture.place(slot, 10.05, 50.05 + (i % 2) * 1e-6);
    feed.tick();
  }
  for (let i = 0; i < 30; i++) feed.tick();
  const deltas = frames(client).filter(({ op }) => op === "delta");
  t.equal(deltas.filter(({ view }) => view === "fast").length, 30);
  t.equal(deltas.filter(({ view }) => view === "slow").length, 3);
  client.update("slow", THERE);
  feed.tick();
  const moved = frames(client).at(-1);
  t.match(
    moved,
    { op: "delta", view: "slow", departures: [["a", "left"]] },
    "a move does not wait for the rate",
  );
});

t.test("[F8] a slow socket is left out, and starts afresh when it has drained", async (t) => {
  const { client, feed, picture } = start();
  const slot = add(picture, "a");
  add(picture, "b");
  const replica = client.subscribe("v", HERE);
  feed.tick();
  client.socket.stall();
  picture.touch(slot, FULL);
  feed.tick();
  client.socket.buffered = 1;
  picture.remove(slot, "deleted");
  feed.tick();
  t.equal(feed.stats.skipped, 2);
  client.socket.resume();
  t.equal(frames(client).length, 1, "nothing was sent meanwhile");
  feed.tick();
  t.match(frames(client)[1], { op: "snapshot", n: 2, first: true, last: true });
  t.same([...replica.entities.keys()], ["b"]);
});

t.test("[F21] distinct filters are limited per node, and free again without views", async (t) => {
  const { feed } = start({ privateViews: 0 });
  const clients: TestClient[] = [];
  for (let i = 0; i <= MAX_CHANNELS; i++) {
    if (i % MAX_VIEWS_PER_CONNECTION === 0) clients.push(new TestClient(feed));
    clients.at(-1)!.subscribe(`v${i}`, HERE, { kinds: [`kind ${i}`] });
  }
  const last = clients.at(-1)!;
  t.match(last.last("error"), { type: /unavailable$/, view: `v${MAX_CHANNELS}` });
  t.equal(feed.stats.views, MAX_CHANNELS);
  clients[0].disconnect();
  feed.tick();
  last.subscribe("again", HERE, { kinds: ["one more"] });
  t.equal(feed.stats.views, MAX_CHANNELS - MAX_VIEWS_PER_CONNECTION + 1);
});

t.test("[F23] an id that is removed and comes back is a departure, then a full record", async (t) => {
  const { client, feed, picture } = start();
  const slot = add(picture, "a");
  const replica = client.subscribe("v", WORLD);
  feed.tick();
  picture.remove(slot, "deleted");
  add(picture, "a", -70, -20, "truck");
  feed.tick();
  t.match(client.last("delta"), { departures: [["a", "deleted"]], updates: [{ id: "a", kind: "truck" }] });
  t.match(replica.entities.get("a"), { kind: "truck", lon: -70 });
});

t.test("[F24] an entity that leaves the filter or the box, or expires, departs and says why", async (t) => {
  const { client, feed, picture } = start();
  const { columns } = picture;
  const [changed, expired, crossing] = ["changed", "expired", "crossing"].map((id) => add(picture, id));
  client.subscribe("v", HERE, { kinds: ["ship"] });
  feed.tick();
  columns.kind.set(changed, columns.kinds.number("truck"));
  columns.liveness.set(expired, 3);
  picture.touch(changed, FULL);
  picture.touch(expired, FULL);
  picture.place(crossing, 100, 10);
  feed.tick();
  t.same(client.last("delta")!.departures.toSorted(), [
    ["changed", "filter"],
    ["crossing", "left"],
    ["expired", "expired"],
  ]);
});
