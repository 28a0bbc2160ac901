// What a playback tells of its time, and how what was goes.
import t from "tap";
import { CLUSTER_TICKS } from "../../src/limits.ts";
import { recordThen } from "../../src/tracks/then.ts";
import type { ServerMessage } from "../../src/transport/feed/protocol.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { HERE, type TestClient, THERE } from "./harness.ts";
import { at, HOUR_MS, inMemory, NOW, Rows, segments, setUp, way } from "./played-rows.ts";

const MINUTE_MS = 60_000;
const HALF_AN_HOUR_AGO = at(NOW - HOUR_MS / 2);

/** What came, as words. */
const words = (messages: readonly ServerMessage[]) =>
  messages.map((message) => (message.op === "playback" ? message.state : message.op));
const since = ({ received }: TestClient, count: number) => received.slice(count);

for (const max of [1, 1_000])
  t.test(
    `[PB2] at \`rate\` 1 and with \`max\` ${max} frames come before the word that it stands`,
    async (t) => {
      const east = [0, 1, 2].map((n) =>
        way(`e${n}`, [
          [HOUR_MS, 10, 50.02 + n / 50],
          [0, 90, 50.02 + n / 50],
        ]),
      );
      const { client, run } = setUp(new Rows(east));
      client.open("v", { bbox: [0, 45, 90, 55], at: HALF_AN_HOUR_AGO, speed: 60, rate: 1, max });
      await run(2 * CLUSTER_TICKS + 4);
      const before = client.received.length;
      client.send({ op: "update", view: "v", speed: 0 });
      await run(2 * CLUSTER_TICKS);
      const after = since(client, before);
      t.same(words(after), [max === 1 ? "clusters" : "delta", "paused"]);
      t.equal((after[0] as { t: string }).t.slice(0, 22), (after[1] as { t: string }).t.slice(0, 22));
    },
  );

t.test("[PB2] one that is panned to where nothing was read says so before it shows it", async (t) => {
  const { client, run } = setUp(new Rows(segments(3, 60_000)));
  client.open("v", { bbox: HERE, at: HALF_AN_HOUR_AGO, speed: 0 });
  await run(3);
  const before = client.received.length;
  client.send({ op: "update", view: "v", bbox: THERE });
  await run(3);
  t.same(words(since(client, before)), ["loading", "view", "delta", "paused"]);
});

t.test("[PB4] whoever plays within 2 s of now has reached the present, and stays there", async (t) => {
  for (const back of [1_900, 1_000, 0]) {
    const { client, run } = setUp(new Rows(segments(3, 60_000)));
    client.open("v", { bbox: HERE, at: at(NOW - back), speed: 1 });
    await run(100);
    t.same(
      words(client.received.filter(({ op }) => op === "playback")),
      ["loading", "present"],
      `${back} ms`,
    );
    const before = client.received.length;
    client.send({ op: "update", view: "v", bbox: THERE });
    await run(100);
    t.same(words(since(client, before).filter(({ op }) => op === "playback")), ["loading", "present"]);
    client.send({ op: "update", view: "v", speed: 0 });
    await run(3);
    t.match(client.last("playback"), { state: "paused" }, "it was asked for something else");
  }
});

t.test("[PB14] a refused time is answered as one that is taken, and what is shown told again", async (t) => {
  const { client, run, told } = setUp(new Rows(segments(1, 60_000)));
  client.open("v", { bbox: HERE, at: HALF_AN_HOUR_AGO, speed: 0 });
  await run(3);
  t.match(told().at(-1), { t: HALF_AN_HOUR_AGO, state: "paused", updates: 0 });
  const future = at(NOW + HOUR_MS);
  client.send({ op: "update", view: "v", at: future });
  t.match(client.last("error"), { type: /bad-request$/, view: "v", at: future });
  await run(1);
  t.match(told().at(-1), { t: HALF_AN_HOUR_AGO, state: "paused", speed: 0, updates: 1 });
  client.send({ op: "update", view: "v", where: "entity.", speed: 5 });
  t.match(client.last("error"), { type: /bad-expression$/, at: undefined });
  await run(1);
  t.match(told().at(-1), { t: HALF_AN_HOUR_AGO, state: "paused", speed: 0, updates: 2 });
  const { length } = told();
  client.send({ op: "update", view: "v", where: "entity." });
  await run(1);
  t.equal(told().length, length, "what asks for no time is none of it");
  client.send({ op: "update", view: "v", at: at(NOW - HOUR_MS / 4) });
  await run(1);
  t.match(told().at(-1), { t: at(NOW - HOUR_MS / 4), updates: 3 });
  client.send({ op: "subscribe", view: "w", bbox: HERE, at: future });
  t.match(client.last("error"), { view: "w", at: future });
});

t.test("[PB4] what took long to read is not the present", async (t) => {
  const rows = new Rows(segments(3, 60_000));
  const { client, clock, run } = setUp(rows);
  client.open("v", { bbox: HERE, at: at(NOW - 60_000), speed: 30 });
  rows.wait = async () => clock.pass(15_000);
  await run(100);
  for (const message of client.received) if (message.op === "playback") t.not(message.state, "present");
});

const goes = [
  way("goes", [
    [40 * MINUTE_MS, 10.05, 50.05],
    [27 * MINUTE_MS, 10.06, 50.05],
    [26 * MINUTE_MS, 11.5, 50.05],
  ]),
  way("goes", [
    [26 * MINUTE_MS, 11.5, 50.05],
    [0, 40, 50.05],
  ]),
];
const ends = [
  way("ends", [
    [40 * MINUTE_MS, 10.05, 50.05],
    [25 * MINUTE_MS, 10.06, 50.05],
  ]),
  way(
    "ends",
    [
      [25 * MINUTE_MS, 10.06, 50.05],
      [20 * MINUTE_MS, 10.06, 50.05],
    ],
    { hold: true },
  ),
];

for (const [where, rows, tails] of [
  ["rows", ends, []],
  ["rows and memory", [ends[0]], [ends[1]]],
] as const)
  t.test(
    `[PB3] [PB30] what goes on elsewhere has left, what was not heard of any more has expired: by ${where}`,
    async (t) => {
      const { client, run } = setUp(new Rows([...rows, ...goes]), new FakeClock(NOW), inMemory(tails));
      client.open("v", { bbox: HERE, at: at(NOW - 36 * MINUTE_MS), speed: 3_600 });
      await run(12);
      const departures = client.received.flatMap((message) => {
        if (message.op !== "delta") return [];
        const here = new Set(message.updates.map(({ id }) => id));
        return message.departures.filter(([id]) => !here.has(id));
      });
      t.same(departures.sort(), [
        ["ends", "expired"],
        ["goes", "left"],
      ]);
    },
  );

t.test("[PB1] [PB3] it is inside of the fences of then, for filters too", async (t) => {
  const minute = 60_000;
  const at30 = [
    [40 * minute, 10.05, 50.05],
    [30 * minute, 10.06, 50.05],
  ] as [number, number, number][];
  const rows = new Rows([
    way("a", at30, { fences: ["harbour", "quay"] }),
    way("a", [at30[1], [20 * minute, 10.06, 50.05]], { fences: ["quay"] }),
    way("a", [
      [20 * minute, 10.06, 50.05],
      [0, 10.07, 50.05],
    ]),
  ]);
  const { client, run } = setUp(rows);
  const all = client.open("all", { bbox: HERE, at: at(NOW - 35 * minute), speed: 0 });
  const inside = client.open("inside", {
    ...{ bbox: HERE, at: at(NOW - 35 * minute), speed: 0 },
    where: "'harbour' in entity.fences",
  });
  const shows = async (before: number) => {
    for (const view of ["all", "inside"]) client.send({ op: "update", view, at: at(NOW - before) });
    await run(5);
    return [all.entities.get("a")?.fences, inside.entities.get("a")?.fences];
  };
  await run(5);
  t.same(await shows(36 * minute), [
    ["harbour", "quay"],
    ["harbour", "quay"],
  ]);
  t.same(await shows(25 * minute), [["quay"], undefined]);
  t.same(client.last("delta")!.departures, [["a", "filter"]]);
  t.same(await shows(5 * minute), [[], undefined]);
  for (const segment of rows.segments) {
    const then = recordThen(segment, { t: segment.points[0].t, limit: 1 }, { epoch: 0, seq: 0 });
    t.same(then!.fences, segment.fences, "as REST tells");
  }
});

t.test("[PB1] what is as high as a satellite is as high as REST tells", async (t) => {
  const high = way("high", [
    [HOUR_MS, 10.05, 50.05],
    [0, 10.06, 50.05],
  ]);
  const points = high.points.map((point, i) => ({ ...point, alt: 35_786_001.3 + i * 77.7 }));
  const { client, run } = setUp(new Rows([{ ...high, points }]));
  const replica = client.open("v", { bbox: HERE, at: HALF_AN_HOUR_AGO, speed: 0 });
  await run(3);
  const then = recordThen({ ...high, points }, { t: NOW - HOUR_MS / 2, limit: 1 }, { epoch: 0, seq: 0 });
  t.equal(replica.entities.get("high")!.alt, then!.alt);
});

t.test("[PB13] an entity that is erased is not shown from memory, at rest and on its way", async (t) => {
  for (const speed of [0, 1]) {
    const rows = new Rows(segments(3, 1_000));
    const { client, feed, run } = setUp(rows);
    const replica = client.open("v", { bbox: HERE, at: HALF_AN_HOUR_AGO, speed });
    await run(3);
    t.equal(replica.entities.size, 3);
    const before = client.received.length;
    rows.segments.shift();
    feed.forget("e00000");
    feed.forget("nobody");
    await run(3);
    t.same([...replica.entities.keys()].sort(), ["e00001", "e00002"]);
    const deltas = since(client, before).flatMap((message) =>
      message.op === "delta" ? message.departures : [],
    );
    t.same(deltas, [["e00000", "deleted"]]);
    await run(30);
    t.equal(replica.entities.size, 2);
  }
});

t.test("[PB13] what was being read when an entity was erased is read again", async (t) => {
  const rows = new Rows(segments(3, 60_000));
  const { client, feed, run } = setUp(rows);
  let release = () => {};
  rows.during = new Proxy(rows.during, {
    async apply(target, _, given: Parameters<Rows["during"]>) {
      const found = await Reflect.apply(target, rows, given);
      if (rows.queries.length === 1) await new Promise<void>((resolve) => (release = resolve));
      return found;
    },
  });
  const replica = client.open("v", { bbox: HERE, at: HALF_AN_HOUR_AGO, speed: 0 });
  await run(2);
  rows.segments.shift();
  feed.forget("e00000");
  release();
  await run(4);
  t.same([...replica.entities.keys()].sort(), ["e00001", "e00002"]);
});
