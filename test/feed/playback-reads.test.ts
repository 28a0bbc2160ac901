// How playbacks share the database, the memory and the time of a node.
import t from "tap";
import { MAX_PLAYBACK_BYTES, MAX_PLAYBACKS } from "../../src/limits.ts";
import { PlayedWindow } from "../../src/transport/feed/played-window.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { HERE, TestClient, THERE } from "./harness.ts";
import { at, HOUR_MS, NOW, Rows, Slowness, segments, setUp, way } from "./played-rows.ts";

const HALF_AN_HOUR_AGO = at(NOW - HOUR_MS / 2);

/** Reads that take a while. */
function slow(rows: Rows, ms: number) {
  const clock = new FakeClock(NOW);
  const slowness = new Slowness(clock);
  rows.wait = () => slowness.wait(ms);
  const made = setUp(rows, clock);
  return { ...made, slowness, run: (ticks: number) => made.run(ticks, () => slowness.release()) };
}

const states = ({ received }: TestClient, view: string) =>
  received.flatMap((message) => (message.op === "playback" && message.view === view ? message.state : []));

t.test("[PB12] where many play near now, all have their turn to read", async (t) => {
  const { feed, client, run } = slow(new Rows(segments(1, 60_000)), 300);
  const clients = [client, ...[1, 2, 3].map(() => new TestClient(feed))];
  const views = ["a", "b", "c", "d"];
  for (const one of clients)
    for (const view of views) one.open(view, { bbox: HERE, at: at(NOW - 5_000), speed: 1 });
  await run(300);
  for (const one of clients) for (const view of views) t.same(states(one, view), ["loading", "playing"]);
});

t.test("[PB12] who seeks again and again reads once at a time", async (t) => {
  const rows = new Rows(segments(1, 60_000));
  const { feed, client, run } = slow(rows, 1_000);
  const others = [1, 2, 3].map(() => new TestClient(feed));
  client.open("v", { bbox: HERE, at: HALF_AN_HOUR_AGO, speed: 0 });
  await run(1);
  for (const other of others) other.open("v", { ids: ["e00000"], at: HALF_AN_HOUR_AGO, speed: 0 });
  for (let i = 0; i < 40; i++) {
    client.send({ op: "update", view: "v", at: at(NOW - HOUR_MS / 2 - i * 120_000) });
    await run(1);
  }
  for (const other of others) t.equal(states(other, "v").at(-1), "paused");
});

t.test("[PB12] what others hold makes no playback crowded", async (t) => {
  const rows = new Rows(segments(6_000, HOUR_MS / 4));
  const { feed, client, run } = setUp(rows);
  for (let i = 0; i < MAX_PLAYBACKS - 1; i += 3) {
    const other = new TestClient(feed);
    for (const view of ["a", "b", "c"]) other.open(view, { ids: ["nobody"], at: HALF_AN_HOUR_AGO, speed: 0 });
  }
  client.open("v", { bbox: HERE, at: HALF_AN_HOUR_AGO, speed: 0, max: 20_000 });
  await run(60);
  t.equal(feed.stats.playbacks, MAX_PLAYBACKS);
  t.same(states(client, "v"), ["loading", "paused"]);
});

t.test("[PB12] what does not fit for others is told apart from what never fits", async (t) => {
  const { history, clock } = setUp(new Rows(segments(30, 1_000)));
  const read = (bytes: number, to: number) =>
    PlayedWindow.read(history, { from: NOW - HOUR_MS / 2, to, bytes }, clock, () => true);
  t.equal(await read(10_000, NOW), "full");
  const window = await read(100_000, NOW);
  if (!(window instanceof PlayedWindow)) return t.fail("less of it fits");
  t.ok(window.isCut && window.to >= NOW - HOUR_MS / 2 + 1_000);
  t.ok(window.bytes > 30 * 400 && window.bytes <= 100_000, `${window.bytes} bytes`);
  t.match(await read(MAX_PLAYBACK_BYTES, NOW), { isCut: false });
});

t.test("[PB12] one that takes the time of others is left out as long", async (t) => {
  const { client, feed, clock, run } = setUp(new Rows(segments(3, 1_000)));
  const other = new TestClient(feed);
  client.open("v", { bbox: HERE, at: HALF_AN_HOUR_AGO, speed: 1 });
  other.open("v", { bbox: HERE, at: HALF_AN_HOUR_AGO, speed: 1 });
  await run(5);
  const { socket } = client;
  const send = socket.send.bind(socket);
  socket.send = (data, binary) => {
    clock.pass(55);
    return send(data, binary);
  };
  const deltas = ({ received }: TestClient) => received.filter(({ op }) => op === "delta").length;
  const before = [deltas(client), deltas(other)];
  await run(30);
  const [own, others] = [deltas(client) - before[0], deltas(other) - before[1]];
  t.ok(own >= 8 && own <= 11, `${own} of 30 ticks`);
  t.ok(others >= 19, `${others} of 30 ticks`);
});

t.test("[PB12] a snapshot grows by one part in a turn that has no time left", async (t) => {
  const ways = segments(3_000, HOUR_MS / 4);
  // In some cells: what is in one is told at once.
  for (const [i, { points }] of ways.entries())
    for (const point of points) point.lon = 10.01 + (i % 40) / 500;
  const { client, clock, run } = setUp(new Rows(ways));
  const { socket } = client;
  const send = socket.send.bind(socket);
  const at: number[] = [];
  socket.send = (data, binary) => {
    if (String(data).includes('"op":"snapshot"')) at.push(clock.monotonic());
    clock.pass(30);
    return send(data, binary);
  };
  const replica = client.open("v", { bbox: HERE, at: HALF_AN_HOUR_AGO, speed: 0, max: 5_000 });
  await run(40);
  t.equal(replica.entities.size, 3_000);
  t.ok(at.length > 1, `${at.length} parts`);
  t.ok(
    at.every((time, i) => i === 0 || time - at[i - 1] >= 100),
    at.join(" "),
  );
});

t.test("[PB7] texts count, but equal ones once", async (t) => {
  const text = ["a", "b"].map((letter) => JSON.stringify({ n: letter.repeat(16_000) }));
  /** Ways of a millisecond each, of one entity. */
  const ways = (textOf: (n: number) => string, fencesOf: (n: number) => string[] = () => []) =>
    Array.from({ length: 2_500 }, (_, n) => {
      const before = HOUR_MS / 2 - n;
      return way(
        "e",
        [
          [before, 10.05, 50.05],
          [before - 1, 10.05, 50.05],
        ],
        { attributes: textOf(n), fences: fencesOf(n) },
      );
    });
  const state = async (rows: Rows) => {
    rows.during = async ({ after, limit }) => {
      const all = rows.segments;
      const from = after === undefined ? 0 : all.findIndex(({ points }) => points[0].t === after.first) + 1;
      return all.slice(from, from + limit);
    };
    const { client, run } = setUp(rows);
    client.open("v", { bbox: HERE, at: HALF_AN_HOUR_AGO, speed: 0 });
    await run(5);
    return states(client, "v").at(-1);
  };
  t.equal(
    await state(new Rows(ways((n) => text[n % 2]))),
    "crowded",
    "no two that follow each other are equal",
  );
  t.equal(await state(new Rows(ways(() => text[0]))), "paused");
  const fences = (n: number) => ["harbour", ...text.slice(0, n % 2)];
  t.equal(await state(new Rows(ways(() => "", fences))), "crowded", "names of fences too");
});

t.test("[PB6] what is too much for the database is asked for in shorter pieces", async (t) => {
  const rows = new Rows(segments(3, 60_000));
  rows.longest = 20_000;
  const { client, run } = setUp(rows);
  client.open("v", { bbox: HERE, at: HALF_AN_HOUR_AGO, speed: 1 });
  await run(100);
  t.equal(states(client, "v").at(-1), "playing");
  const spans = rows.queries.map(({ from, to }) => to - from);
  t.ok(
    spans.every((span) => span <= 60_000),
    "the first ones are short",
  );
});

t.test("[PB6] one that is only panned a little while history is read waits for that read", async (t) => {
  const rows = new Rows(segments(3, 60_000));
  const { client, run } = slow(rows, 400);
  client.open("v", { bbox: HERE, at: HALF_AN_HOUR_AGO, speed: 0 });
  for (let i = 1; i < 15; i++) {
    client.send({ op: "update", view: "v", bbox: [10, 50, 10.1 + i * 1e-4, 50.1] });
    await run(2);
  }
  t.equal(states(client, "v").at(-1), "paused");
  t.equal(rows.queries.length, 1);
});

t.test("[PB7] a crowd beside a view is not in it", async (t) => {
  const crowd = Array.from({ length: 20_001 }, (_, i) =>
    way(`x${String(i).padStart(5, "0")}`, [
      [HOUR_MS, 10.12, 50.05],
      [0, 10.12, 50.05],
    ]),
  );
  const { client, run } = setUp(new Rows([...segments(3, 60_000), ...crowd]));
  const replica = client.open("v", { bbox: [10, 50, 10.08, 50.08], at: HALF_AN_HOUR_AGO, speed: 0 });
  await run(8);
  t.same(states(client, "v"), ["loading", "paused"]);
  t.equal(replica.entities.size, 3);
});

t.test("[PB9] an error of a read that is not wanted any more has no effect", async (t) => {
  const rows = new Rows(segments(1, 60_000));
  const { client, run, errors } = setUp(rows);
  let fail = () => {};
  rows.wait = () =>
    new Promise((_, reject) => {
      fail = () => reject(new Error("no text"));
    });
  client.open("v", { bbox: HERE, at: HALF_AN_HOUR_AGO });
  await run(1);
  client.send({ op: "update", view: "v", bbox: THERE });
  fail();
  await run(1);
  t.equal(client.socket.closedWith, undefined);
  t.equal(errors.length, 0);
});

t.test("[PB9] nothing is read of a connection that was closed in its turn", async (t) => {
  const rows = new Rows(segments(1, 60_000));
  const { client, run } = setUp(rows);
  client.open("v", { bbox: HERE, at: HALF_AN_HOUR_AGO, speed: 0 });
  await run(3);
  const read = rows.queries.length;
  client.send({ op: "update", view: "v", at: at(NOW - HOUR_MS) });
  client.socket.send = () => {
    throw new Error("broken");
  };
  client.open("w", { bbox: HERE, at: HALF_AN_HOUR_AGO });
  await run(3);
  t.ok(client.socket.closedWith !== undefined);
  t.equal(rows.queries.length, read);
});
