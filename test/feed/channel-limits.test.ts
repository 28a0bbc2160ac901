// How many channels there may be, and what happens when there are no more.
import t from "tap";
import { CLUSTER_TICKS } from "../../src/limits.ts";
import { add, HERE, start, THERE } from "./harness.ts";

const SHIPS = "entity.kind == 'ship'";

t.test("[F45] a view whose filter needs a channel that is not to be had is ended alone", async (t) => {
  const { client, feed, picture } = start({ maxChannels: 2 });
  const target = add(picture, "e0");
  const quiet = client.subscribe("quiet", THERE);
  const taken = client.subscribe("taken", THERE, { kinds: ["ship"], tolerance: "10m" });
  client.subscribe("box", HERE, { where: SHIPS, max: 20 });
  client.open("follow", { follow: { id: "e0", radius: 5_000 }, where: SHIPS, max: 20 });
  feed.tick();
  t.equal(feed.stats.channels, 2);
  t.equal(client.replicas.get("box")!.state, "complete", "few entities need no channel");
  for (let i = 1; i <= 30; i++) add(picture, `e${i}`, 10.05 + i / 10_000);
  for (let i = 0; i < CLUSTER_TICKS; i++) feed.tick();
  const problems = client.received.filter((message) => message.op === "error");
  const problem = { type: "urn:muster:problem:unavailable", status: 503, ended: true };
  t.match(
    problems.toSorted((a, b) => (a.view! < b.view! ? -1 : 1)),
    [
      { ...problem, view: "box" },
      { ...problem, view: "follow" },
    ],
  );
  t.equal(client.socket.closedWith, undefined);
  t.match(feed.stats, { views: 2, channels: 2 });

  const { length } = client.received;
  picture.place(target, 10.06, 50.06);
  feed.tick();
  t.equal(client.received.length, length, "nothing more comes of them");
  add(picture, "there", 100.05, 10.05);
  feed.tick();
  t.same(
    [quiet, taken].map(({ entities }) => [...entities.keys()]),
    [["there"], ["there"]],
  );
  client.unsubscribe("taken");
  feed.tick();
  client.subscribe("box", HERE, { where: SHIPS, max: 20 });
  for (let i = 0; i < 3; i++) feed.tick();
  t.equal(client.replicas.get("box")!.state, "clusters", "its name is free, and so is a channel");
});
