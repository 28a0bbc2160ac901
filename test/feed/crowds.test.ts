import t from "tap";
import { CLUSTER_TICKS, DEFAULT_VIEW_ENTITIES } from "../../src/limits.ts";
import type { Picture } from "../../src/picture/picture.ts";
import { type Bbox, PROTOCOL_BINARY } from "../../src/transport/feed/protocol.ts";
import { add, start, TestClient, THERE, WORLD } from "./harness.ts";

/** Adds entities beside each other, more than a view may have. */
function crowd(picture: Picture, count: number): number[] {
  return Array.from({ length: count }, (_, i) => add(picture, `e${i}`, -170 + (i % 340), -80 + (i % 160)));
}

t.test("[F32] a crowd is clusters from the start, and entities again when it is small", async (t) => {
  const { client, feed, picture } = start();
  const slots = crowd(picture, DEFAULT_VIEW_ENTITIES + 1);
  const replica = client.subscribe("v", WORLD);
  const second = (ticks = 10) => {
    for (let i = 0; i < ticks; i++) feed.tick();
  };
  second(1);
  t.same(
    client.received.map(({ op }) => op),
    ["view", "clusters"],
    "nobody was sent",
  );
  const total = () => replica.clusters.reduce((sum, [, , count]) => sum + count, 0);
  t.equal(total(), DEFAULT_VIEW_ENTITIES + 1);
  for (const slot of slots.slice(0, 500)) picture.remove(slot, "deleted");
  second(20);
  t.equal(replica.state, "clusters", "above 0.8 × max");
  t.equal(total(), DEFAULT_VIEW_ENTITIES - 499);
  for (const slot of slots.slice(500, 1_100)) picture.remove(slot, "deleted");
  second(20);
  t.equal(replica.state, "complete");
  t.equal(replica.entities.size, DEFAULT_VIEW_ENTITIES - 1_099);
  for (let i = 0; i < 1_100; i++) add(picture, `new${i}`);
  second(2);
  t.equal(replica.state, "clusters");
  client.update("v", THERE);
  second(20);
  t.equal(replica.state, "complete", "a view that looks elsewhere has entities");
});

t.test("[F32] a view of clusters that is moved to where a crowd came since is not sent it", async (t) => {
  const { client, feed, picture } = start();
  const slots = crowd(picture, 3);
  client.subscribe("v", WORLD, { max: 2 });
  feed.tick();
  // From here on clusters are counted in 1 s again, and not before.
  for (let i = 0; i < 10; i++) feed.tick();
  for (const slot of slots) picture.place(slot, 100.05, 10.05);
  client.update("v", THERE);
  feed.tick();
  t.same(
    client.received.filter(({ op }) => op === "snapshot" || op === "delta"),
    [],
  );
  for (const slot of slots.slice(1)) picture.remove(slot, "deleted");
  for (let i = 0; i < 20; i++) feed.tick();
  t.equal(client.replicas.get("v")!.state, "complete");
});

t.test("[F33] clusters of a narrow box are no more, in either protocol", async (t) => {
  const { client, feed, picture } = start();
  const binary = new TestClient(feed, () => {}, PROTOCOL_BINARY);
  for (let i = 0; i < 30_000; i++) add(picture, `e${i}`, -180 + (i % 3_600) / 10, 0.3 + (i % 7) / 10);
  for (let i = 0; i < 30_000; i++) add(picture, `n${i}`, 60 + (i % 540) / 10, 78.5 + (i % 40) / 100);
  const narrow: Bbox[] = [
    [-180, 0.5, 180, 0.6],
    [60.8, 78.66, 112.9, 78.81],
    [-0.05, -89, 0.05, 89],
  ];
  for (const who of [client, binary])
    for (const [i, bbox] of narrow.entries()) who.subscribe(`v${i}`, bbox, { max: 10 });
  feed.tick();
  for (const who of [client, binary]) {
    t.equal(who.socket.closedWith, undefined);
    for (const message of who.received)
      if (message.op === "clusters") {
        t.ok(message.cells.length > 0 && message.cells.length <= 300, `${message.cells.length} cells`);
        t.ok(JSON.stringify(message).length < 10_000);
      }
    t.equal(who.received.filter(({ op }) => op === "clusters").length, 3);
  }
});

t.test("[F33] clusters are few, small, and told only when they changed", async (t) => {
  const { client, feed, picture, clock } = start();
  const slots = crowd(picture, 20_000);
  client.subscribe("v", WORLD);
  client.subscribe("w", [-20, -10, 20, 10], { max: 10 });
  const told = () => client.received.filter(({ op }) => op === "clusters");
  feed.tick();
  t.equal(told().length, 2);
  for (const message of told()) {
    t.ok(JSON.stringify(message).length < 10_000);
    t.ok(message.op === "clusters" && message.cells.length > 10 && message.cells.length <= 300);
  }
  for (let i = 0; i < 30; i++) feed.tick();
  t.equal(told().length, 2, "nothing changed");
  for (let i = 0; i < 50; i++) {
    clock.pass(100);
    picture.place(slots[i], 50, 50);
    feed.tick();
  }
  const count = told().filter((message) => message.op === "clusters" && message.view === "v").length;
  t.ok(count >= 5 && count <= 6, `${count} in five seconds`);
});

t.test("[F33] clusters that changed are told, whatever their numbers add up to", async (t) => {
  const { client, feed, picture } = start();
  const column = 360 / 65_536;
  const row = 180 / 65_536;
  const [lon, lat] = [2_000.5 * column, 2_000.5 * row];
  const slots = [add(picture, "a", lon, lat), add(picture, "b", lon, lat)];
  const replica = client.subscribe("v", WORLD, { max: 1 });
  for (let i = 0; i < 2 * CLUSTER_TICKS; i++) feed.tick();
  t.same(replica.clusters, [[10.9891, 5.4945, 2]]);
  // The mean goes by 5,356 and −2,884 parts of 10⁻⁴°, of which 7 and 13 times are 0.
  picture.place(slots[0], lon + 195 * column, lat - 210 * row);
  for (let i = 0; i < 2 * CLUSTER_TICKS; i++) feed.tick();
  t.same(replica.clusters, [[11.5247, 5.2061, 2]]);
});
