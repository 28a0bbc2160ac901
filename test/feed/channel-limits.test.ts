// How many channels there may be, and what happens when there are no more.
import t from "tap";
import { CLUSTER_TICKS } from "../../src/limits.ts";
import { Channel } from "../../src/picture/channel.ts";
import { channelBytes } from "../../src/picture/channels.ts";
import { everything } from "../../src/picture/lens.ts";
import { Picture } from "../../src/picture/picture.ts";
import type { Subscribe } from "../../src/transport/feed/protocol.ts";
import { add, HERE, start, THERE } from "./harness.ts";

const SHIPS = "entity.kind == 'ship'";

t.test("[F45] a view whose filter needs a channel that is not to be had is ended alone", async (t) => {
  const { client, feed, picture } = start({ maxChannels: 1 });
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
  picture.remove(target, "deleted");
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

/** Slots of a picture that was just made. */
const CAPACITY = 1_024;

t.test("[F46] channels take no more bytes than they may, but everything is always served", async (t) => {
  const three = { maxChannelsBytes: (2 * 10 + 2 * 10 + 50) * CAPACITY, privateViews: 0 };
  const { client, feed, picture } = start(three);
  add(picture, "a");
  t.equal(picture.columns.capacity, CAPACITY);
  const open = (view: string, options: Partial<Subscribe>): string | undefined => {
    const problems = client.received.length;
    client.subscribe(view, HERE, options);
    const [answer] = client.received.slice(problems);
    return answer?.op === "error" ? answer.type : undefined;
  };
  const full = "urn:muster:problem:unavailable";
  t.equal(open("tolerant", { tolerance: "10m" }), undefined);
  t.equal(open("a", { kinds: ["a"] }), undefined);
  t.equal(open("too large", { kinds: ["b"], tolerance: "10m" }), full, "a tolerance costs more");
  t.equal(open("b", { kinds: ["b"] }), undefined);
  t.equal(open("one more", { kinds: ["c"] }), full);
  t.equal(open("shared", { kinds: ["b"] }), undefined, "what is there costs nothing");
  t.equal(open("all", {}), undefined);
  t.equal(open("all at 1 Hz", { rate: 1 }), undefined);
  feed.tick();
  t.equal(feed.stats.channels, 5);

  picture.columns.grow(CAPACITY + 1);
  add(picture, "later", 10.05, 50.05, "b");
  feed.tick();
  t.equal(feed.stats.channels, 5, "what grows keeps what it has");
  t.same([...client.replicas.get("b")!.entities.keys()], ["later"]);
  client.unsubscribe("a");
  client.unsubscribe("all");
  feed.tick();
  t.equal(open("a", { kinds: ["a"] }), full, "and gives nothing new");
  t.equal(open("all", {}), undefined);
  client.unsubscribe("tolerant");
  t.equal(open("a", { kinds: ["a"] }), undefined, "the room of a view that has ended is free at once");
});

t.test("[F46] everything is served where there is room for no channel at all", async (t) => {
  const { client, feed, picture } = start({ maxChannels: 0, maxChannelsBytes: 0 });
  add(picture, "a");
  const all = client.subscribe("all", HERE);
  const slow = client.subscribe("slow", HERE, { rate: 1 });
  const filtered = client.subscribe("filtered", HERE, { where: SHIPS });
  client.subscribe("tolerant", HERE, { tolerance: "10m" });
  feed.tick();
  t.same(
    [all, slow, filtered].map(({ entities }) => entities.size),
    [1, 1, 1],
  );
  t.match(client.last("error"), { type: /unavailable$/, view: "tolerant" });
});

/** Bytes of the arrays that are made meanwhile. What the process says of its memory comes and goes in its own time. */
function bytesMade(make: () => unknown): number {
  let bytes = 0;
  const mend = (["Uint8Array", "Uint32Array", "Float32Array", "Float64Array"] as const).map((name) => {
    const original = globalThis[name];
    const counting = new Proxy(original, {
      construct(target, args) {
        const made = Reflect.construct(target, args);
        bytes += made.byteLength;
        return made;
      },
    });
    Object.defineProperty(globalThis, name, { value: counting });
    return () => Object.defineProperty(globalThis, name, { value: original });
  });
  make();
  for (const one of mend) one();
  return bytes;
}

t.test("[F46] a channel takes the bytes that it is counted with", async (t) => {
  const picture = new Picture();
  const capacity = 2 ** 20;
  picture.columns.grow(capacity);
  for (const tolerance of [undefined, { name: "10m", metres: 10, maxAgeMs: 10_000 }]) {
    const bytes = bytesMade(() => new Channel(picture, everything, 10, tolerance, 0, 0));
    const counted = channelBytes({ tolerance }, capacity);
    t.ok(Math.abs(bytes / counted - 1) < 0.01, `${bytes} bytes are made, ${counted} counted`);
  }
});
