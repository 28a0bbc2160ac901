import t from "tap";
import { MAX_PRIVATE_VIEWS } from "../../src/limits.ts";
import { FULL } from "../../src/picture/picture.ts";
import type { Bbox } from "../../src/transport/feed/protocol.ts";
import { PROTOCOL_BINARY, PROTOCOL_JSON } from "../../src/transport/feed/protocol.ts";
import { add, frames, HERE, start, TestClient, THERE, WORLD } from "./harness.ts";

const ids = (client: TestClient, view = "v") => [...client.replicas.get(view)!.entities.keys()].sort();

t.test("[F26] what `where` hides is not sent, whatever it reads", async (t) => {
  const { client, feed, picture } = start();
  const { columns } = picture;
  const fast = add(picture, "fast");
  columns.speed.set(fast, 20);
  add(picture, "slow");
  const named = add(picture, "named");
  columns.attributes.set(named, '{"crew":{"size":5}}');
  columns.labels.set(named, ["port"]);
  columns.fences.set(fast, ["harbour", "quay 2"]);
  const wheres: [where: string, seen: string[]][] = [
    ["true", ["fast", "named", "slow"]],
    ["1 == 2", []],
    ["bytes(entity.id).json().a == 1", []],
    ["entity.speed > 10", ["fast"]],
    ["entity.speed != null && entity.speed * 2 >= 40", ["fast"]],
    ["entity.attributes.crew.size == 5", ["named"]],
    ["has(entity.attributes.crew)", ["named"]],
    ["'port' in entity.labels", ["named"]],
    ["'harbour' in entity.fences", ["fast"]],
    ["!('harbour' in entity.fences) && entity.kind == 'ship'", ["named", "slow"]],
    ["entity.fences.exists(name, name.startsWith('quay'))", ["fast"]],
    ["entity.id.startsWith('s') || entity.state == 'x'", ["slow"]],
    ["entity.liveness == 'live' && entity.lon > 10.0", ["fast", "named", "slow"]],
  ];
  for (const [i, [where]] of wheres.entries()) {
    client.subscribe(`v${i}`, WORLD, { where });
    // With a tolerance it has a channel.
    client.subscribe(`c${i}`, WORLD, { where, tolerance: "10m" });
  }
  feed.tick();
  for (const [i, [where, seen]] of wheres.entries())
    for (const view of ["v", "c"]) t.same(ids(client, `${view}${i}`), seen, `${view} ${where}`);
});

t.test("[F25] [F26] a filter that looks at nothing leaves the one on kinds", async (t) => {
  const { client, feed, picture } = start();
  add(picture, "a");
  for (const tolerance of [undefined, "10m"] as const) {
    client.subscribe("v", WORLD, { kinds: ["truck"], where: "true", tolerance });
    feed.tick();
    t.same(ids(client), [], tolerance ?? "by itself");
    client.send({ op: "unsubscribe", view: "v" });
  }
});

t.test("[F26] numbers are those of the record", async (t) => {
  const { client, feed, picture } = start();
  const { columns } = picture;
  const slot = add(picture, "a");
  for (const [name, value] of [
    ["alt", 100.1],
    ["speed", 12.34],
    ["course", 33.33],
    ["heading", 44.44],
  ] as const) {
    columns[name].set(slot, value);
    client.subscribe(name, WORLD, { where: `entity.${name} == ${value} && entity.${name} <= ${value}` });
    client.subscribe(`not ${name}`, WORLD, { where: `entity.${name} > ${value}` });
    feed.tick();
    t.same([ids(client, name), ids(client, `not ${name}`)], [["a"], []], name);
    client.send({ op: "unsubscribe", view: name });
    client.send({ op: "unsubscribe", view: `not ${name}` });
  }
});

t.test(
  "[F26] [F55] what enters a fence, or leaves it, enters a view of it, or departs as `filter`",
  async (t) => {
    for (const protocol of [PROTOCOL_JSON, PROTOCOL_BINARY]) {
      const { feed, picture } = start();
      const client = new TestClient(feed, () => {}, protocol);
      const slot = add(picture, "a");
      const inside = (...fences: string[]) => {
        if (fences.length > 0) picture.columns.fences.set(slot, fences);
        else picture.columns.fences.delete(slot);
        picture.touch(slot, FULL);
        feed.tick();
      };
      client.subscribe("all", HERE);
      client.subscribe("v", HERE, { where: "'harbour' in entity.fences" });
      client.subscribe("held", HERE, { where: "'harbour' in entity.fences", tolerance: "100m" });
      inside("quay");
      t.same(ids(client), []);
      inside("harbour", "quay");
      for (const view of ["all", "v", "held"])
        t.same(
          client.replicas.get(view)!.entities.get("a")?.fences,
          ["harbour", "quay"],
          `${protocol} ${view}`,
        );
      inside("harbour");
      t.same(client.replicas.get("v")!.entities.get("a")!.fences, ["harbour"]);
      inside();
      t.same(client.replicas.get("all")!.entities.get("a")!.fences, []);
      for (const view of ["v", "held"]) t.same(ids(client, view), [], view);
      const departed = client.received.flatMap((message) =>
        message.op === "delta" ? message.departures : [],
      );
      t.same(departed, [
        ["a", "filter"],
        ["a", "filter"],
      ]);
    }
  },
);

t.test("[F26] what is no filter is refused with position and reason, and changes nothing", async (t) => {
  const { client, feed } = start();
  const bombs = [
    `${"(".repeat(200)}true${")".repeat(200)}`,
    `true${" || true".repeat(2_000)}`,
    `[${"1,".repeat(600)}1].size() > 0`,
    "entity.id.matches('(a+)+$')",
    "entity.labels.all(a, entity.labels.all(b, entity.labels.all(c, a == b || b == c)))",
    "cel.bind(a, entity.id + entity.id, cel.bind(b, a + a, b + b == ''))",
    "entity.attributes.l.all(x, entity.attributes.l.size() > 1)",
    "entity.attributes.l.map(x, entity.attributes.l).size() > 1",
    "entity.attributes.l.exists(x, x + x + x == x)",
    "entity.attributes.l.exists(x, [x, x, x].size() > 1)",
    "[1, 2, 3].all(x, entity.attributes.a == x)",
    "entity.attributes.s.split('').all(x, x != 'b')",
    "entity.attributes.s.split(',').size() > 1",
    "[entity.id].join('0123456789') == ''",
    "bytes(bytes(entity.id).hex()).hex() == ''",
    "bytes(bytes(entity.id).base64()).base64() == ''",
    `entity.attributes.l.all(x, x != 0${" && x != 1".repeat(10)})`,
    `entity.labels.all(x, x != 'a')${" && entity.labels.all(x, x != 'b')".repeat(8)}`,
    `[${"'a', ".repeat(150)}'b'].all(x, x != 'c')`,
    "(entity.attributes.l + entity.attributes.l).all(x, x != 1)",
    "timestamp(int(entity.t) / 1000).getHours('Asia/Tokyo') > 8",
  ];
  const table: [where: string, position: number, detail: RegExp][] = [
    ["entity.kind == ", 15, /EOF/],
    ["entity.knd == 'x'", 7, /knd/],
    ["now > 5", 0, /now/],
    ["true && principal == 'me'", 8, /principal/],
    ["entity.kind", 0, /bool/],
    ["1 + 1", 0, /bool/],
    ["entity.kind == 3", 0, /overload/],
    ["", 0, /./],
  ];
  for (const [where, position, detail] of table) {
    client.send({ op: "subscribe", view: "v", bbox: WORLD, where });
    const error = client.last("error")!;
    t.match(error, { type: "urn:muster:problem:bad-expression", status: 400, view: "v", detail }, where);
    t.equal(error.position, position, where);
  }
  for (const where of bombs) {
    client.send({ op: "subscribe", view: "v", bbox: WORLD, where });
    t.match(client.last("error"), { type: /bad-expression$/, position: Number }, where.slice(0, 40));
  }
  t.equal(feed.stats.views, 0);
  t.equal(client.socket.closedWith, undefined);
});

t.test("[F60] what is compared without a known type is refused, and the views stay", async (t) => {
  const { client, feed, picture } = start();
  add(picture, "ship");
  client.subscribe("v", HERE, { where: "entity.?alt.orValue(0) < 5 || entity.?speed.orValue(0) < 5" });
  feed.tick();
  for (const where of [
    "entity.speed.value() < 5",
    "entity.attributes.?x.value() + 1 == 4",
    "{}.x == [][0]",
    "5 >= optional.none().value()",
  ]) {
    client.send({ op: "update", view: "v", where });
    t.match(client.last("error"), { type: /bad-expression$/, detail: /type is not known/, view: "v" }, where);
  }
  feed.tick();
  t.equal(client.socket.closedWith, undefined);
  t.equal(feed.stats.views, 1);
});

t.test("[F27] filters that mean the same share a channel, those that few have need none", async (t) => {
  const { client, feed, picture } = start();
  add(picture, "a");
  const channels = () => {
    feed.tick();
    return feed.stats.channels;
  };
  client.subscribe("all", HERE);
  t.equal(channels(), 1);
  const wheres = [
    "entity.kind=='ship'",
    'entity.kind   ==  "ship"',
    "(entity.kind == 'ship')",
    "entity.kind == 'ship'",
  ];
  for (let i = 0; i < MAX_PRIVATE_VIEWS; i++) client.subscribe(`v${i}`, HERE, { where: wheres[i % 4] });
  t.equal(channels(), 1, "each filters what all are sent");
  client.subscribe("more", HERE, { where: wheres[0] });
  t.equal(channels(), 2);
  client.subscribe("again", HERE, { where: wheres[1] });
  t.equal(channels(), 2);
  client.subscribe("rate", HERE, { where: wheres[1], rate: 1 });
  t.equal(channels(), 3, "another rate");
  client.subscribe("tolerance", HERE, { where: wheres[1], tolerance: "10m" });
  t.equal(channels(), 4, "a tolerance is the channel's");
  client.subscribe("b", HERE, { kinds: ["ship", "truck"], tolerance: "10m" });
  client.subscribe("c", HERE, { kinds: ["truck", "ship", "ship"], tolerance: "10m" });
  t.equal(channels(), 5, "kinds in any order");
  t.same(ids(client, "more"), ["a"]);
  t.same(ids(client, "v0"), ["a"]);
});

t.test("[F27] a filter of one's own that has too much in view gets a channel", async (t) => {
  const { client, feed, picture } = start();
  for (let i = 0; i < 30; i++) add(picture, `e${i}`, 10.01 + i / 1_000);
  client.subscribe("v", HERE, { where: "entity.kind == 'ship'", max: 20 });
  feed.tick();
  feed.tick();
  feed.tick();
  t.equal(client.replicas.get("v")!.state, "clusters", "which alone can count");
  t.match(
    client.replicas.get("v")!.clusters.reduce((sum, [, , count]) => sum + count, 0),
    30,
  );
});

t.test(
  "[F27, F32] a filter of one's own is never sent a crowd, and gets a channel when one comes",
  async (t) => {
    const { client, feed, picture } = start();
    for (let i = 0; i < 300; i++) add(picture, `e${i}`, 10.01 + i / 10_000);
    for (let i = 0; i < 300; i++) add(picture, `t${i}`, 10.01 + i / 10_000, 50.05, "truck");
    client.subscribe("crowd", HERE, { where: "entity.kind == 'ship'", max: 200 });
    const few = client.subscribe("few", THERE, { where: "entity.kind == 'ship'", max: 200 });
    for (let i = 0; i < 3; i++) feed.tick();
    const got = client.received.flatMap((message) =>
      "view" in message && message.view === "crowd" ? [message.op] : [],
    );
    t.notOk(got.includes("snapshot"), `nobody is sent before clusters: ${got}`);
    t.equal(
      client.replicas.get("crowd")!.clusters.reduce((sum, [, , count]) => sum + count, 0),
      300,
    );
    add(picture, "there", 100.05, 10.05);
    feed.tick();
    t.same([...few.entities.keys()], ["there"]);
    for (let i = 0; i < 250; i++) add(picture, `more${i}`, 100.05, 10.05, i < 100 ? "ship" : "truck");
    for (let i = 0; i < 30; i++) feed.tick();
    t.equal(few.entities.size, 101, "it has a channel by now, and what it held is right");
    t.equal(few.state, "complete");
    t.equal(feed.stats.channels, 1, "both have one filter, and nobody sees everything any more");
    picture.columns.kind.set(picture.find("more3"), picture.columns.kinds.number("truck"));
    picture.touch(picture.find("more3"), FULL);
    feed.tick();
    t.match(client.last("delta"), { view: "few", departures: [["more3", "filter"]] });
  },
);

t.test("[F32] a view that was slow is not sent a crowd that came meanwhile", async (t) => {
  const { client, feed, picture } = start();
  add(picture, "a");
  const replica = client.subscribe("v", HERE, { max: 50 });
  feed.tick();
  client.socket.stall();
  feed.tick();
  for (let i = 0; i < 200; i++) add(picture, `e${i}`);
  client.socket.resume();
  feed.tick();
  feed.tick();
  t.equal(replica.state, "clusters");
  t.equal(frames(client).length, 1, "the first snapshot only");
});

t.test("[F19] when records cannot be encoded, nobody is given half of them", async (t) => {
  const { client, feed, picture, errors } = start();
  const slots = ["a", "b", "c"].map((id) => add(picture, id));
  const others = [1, 2].map(() => new TestClient(feed));
  for (const who of [client, ...others]) who.subscribe("v", HERE);
  feed.tick();
  for (const slot of slots) picture.touch(slot, FULL);
  const { columns } = picture;
  const name = columns.kinds.name;
  columns.kinds.name = () => {
    throw new Error("for the test");
  };
  columns.kind.set(slots[1], 3_000);
  feed.tick();
  columns.kinds.name = name;
  columns.kind.set(slots[1], columns.kind.of(slots[0]));
  for (const who of [client, ...others]) t.equal(who.socket.closedWith, 1011);
  t.equal(errors.length, 3, "and all of it is logged");
});

t.test("[F30] another filter is a new snapshot, a refused one changes nothing", async (t) => {
  const { client, feed, picture } = start();
  add(picture, "ship");
  add(picture, "truck", 10.05, 50.05, "truck");
  client.subscribe("v", HERE, { kinds: ["ship"] });
  feed.tick();
  t.same(ids(client), ["ship"]);
  client.refilter("v", { kinds: null });
  feed.tick();
  t.same(ids(client), ["ship", "truck"]);
  t.match(frames(client).at(-1), { op: "snapshot", first: true, last: true, n: 2 });
  client.refilter("v", { where: "entity.kind == 'truck'" });
  feed.tick();
  t.same(ids(client), ["truck"]);
  client.send({ op: "update", view: "v", bbox: THERE, where: "entity.nonsense" });
  t.match(client.last("error"), { type: /bad-expression$/, position: 7, view: "v" });
  feed.tick();
  t.same(ids(client), ["truck"], "nor is it moved");
  client.refilter("v", { where: null });
  client.update("v", THERE);
  feed.tick();
  t.same(ids(client), []);
});

t.test("[F34] each frame says as of when it is, and how late its tick was", async (t) => {
  const { client, feed, picture, clock } = start();
  add(picture, "a");
  client.subscribe("v", HERE);
  clock.pass(1_234);
  feed.tick(7.4);
  t.match(frames(client)[0], { op: "snapshot", t: new Date(clock.now()).toISOString(), lag: 7 });
  clock.pass(100);
  picture.place(picture.find("a"), 10.051, 50.05);
  feed.tick();
  t.match(frames(client)[1], { op: "delta", t: new Date(clock.now()).toISOString(), lag: 0 });
});

t.test("[F38] a socket that has too much unsent is left out within a tick, too", async (t) => {
  const { client, feed, picture } = start();
  const slots = Array.from({ length: 1_000 }, (_, i) => add(picture, `e${i}`, 10 + i / 10_000));
  for (let i = 0; i < 8; i++) client.subscribe(`v${i}`, HERE);
  feed.tick();
  client.socket.pace = "stalled";
  for (const slot of slots) picture.columns.attributes.set(slot, `{"text":"${"x".repeat(3_000)}"}`);
  for (const slot of slots) picture.touch(slot, FULL);
  const before = frames(client).length;
  feed.tick();
  t.ok(client.socket.buffered < 13 * 2 ** 20, `${client.socket.buffered} bytes wait`);
  client.socket.resume();
  feed.tick();
  feed.tick();
  t.ok(frames(client).length > before + 8);
  for (let i = 0; i < 8; i++)
    t.equal(client.replicas.get(`v${i}`)!.entities.size, 1_000, `v${i} starts afresh`);
});

t.test("[F39] any box is a box: the world, a point, across 180°, over a pole", async (t) => {
  const places: [number, number][] = [
    [0, 0],
    [180, 0],
    [-180, 10],
    [179.999, 5],
    [10, 90],
    [-100, -90],
  ];
  const { client, feed, picture } = start();
  for (const [i, [lon, lat]] of places.entries()) add(picture, `e${i}`, lon, lat);
  const table: [Bbox, string[]][] = [
    [WORLD, ["e0", "e1", "e2", "e3", "e4", "e5"]],
    [[0, 0, 0, 0], ["e0"]],
    [
      [179, -1, -179, 11],
      ["e1", "e2", "e3"],
    ],
    [[-180, 89, 180, 90], ["e4"]],
    [[-180, -90, 180, -90], ["e5"]],
    [[170, 50, -170, 50], []],
  ];
  for (const [i, [bbox]] of table.entries()) client.subscribe(`v${i}`, bbox);
  feed.tick();
  for (const [i, [bbox, seen]] of table.entries()) t.same(ids(client, `v${i}`), seen, String(bbox));
});
