import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import t, { type Test } from "tap";
import { WebSocket } from "ws";
import { connect } from "../../client/connection.ts";
import { ProblemError } from "../../client/errors.ts";
import type { EventStream } from "../../client/event-stream.ts";
import type { CloudEvent } from "../../src/events/cloud-event.ts";
import { MAX_EVENT_WINDOW, MAX_EVENTS_PER_CONNECTION, SLOW_SOCKET_BYTES } from "../../src/limits.ts";
import { TOKEN } from "../support/serve.ts";
import { type Rig, rig } from "./rig.ts";

for (const protocol of ["json", "binary"] as const) {
  t.test(`[EV10] a feed tells events in order from a cursor on, filtered (${protocol})`, async (t) => {
    const made = await rig(t);
    const { writer } = made;
    await writer.write(["a", "b"]);
    const connection = connected(t, made, { protocol });
    const all = connection.events({ after: "start" });
    t.same(await take(all, 2), [1, 2]);
    const fresh = connection.events();
    await live(fresh);
    const narrow = connection.events({ types: ["other"], where: "event.subject == 'b'", after: "start" });
    await writer.write(["a", "b"]);
    await writer.write(["a", "b"], "other");
    t.same(await take(fresh, 4), [3, 4, 5, 6], "from now on");
    t.same(await take(narrow, 1), [6]);
    const later: unknown[] = [];
    connection.events({ after: fresh.cursor }, (event) => later.push(event.data.n));
    await writer.write(["a"]);
    while (later.length === 0) await sleep(10);
    t.same(later, [7], "a listener gets what comes after the cursor");
    fresh.close();
    t.same(await fresh.next(), { done: true, value: undefined });
  });
}

t.test("[EV11] over lost connections nothing is missing and nothing comes twice", async (t) => {
  const made = await rig(t);
  const connection = connected(t, made);
  const stream = connection.events({ after: "start" });
  const writing = (async () => {
    for (let i = 0; i < 40; i++) {
      await made.writer.write(["a", "b", "c"]);
      if (i % 8 === 4) for (const socket of made.sockets()) socket.close(1012, "a test");
    }
  })();
  const numbers = await take(stream, 120);
  await writing;
  t.same(
    numbers,
    Array.from({ length: 120 }, (_, i) => i + 1),
  );
});

t.test("[EV12] who reads slowly gets all from the table, and others do not wait", async (t) => {
  const made = await rig(t);
  const text = "x".repeat(4_000);
  const total = MAX_EVENT_WINDOW + 1_000;
  const slow = new WebSocket(`${made.url.replace("http", "ws")}/v1/feed?token=${TOKEN}`, ["muster.v1.json"]);
  t.teardown(() => slow.terminate());
  await once(slow, "open");
  const got: number[] = [];
  slow.on("message", (data) => {
    const message = JSON.parse(String(data));
    if (message.op === "event") got.push(message.event.data.n);
  });
  slow.send(JSON.stringify({ op: "subscribe", events: "e", after: "start" }));
  slow.pause();
  const quick = connected(t, made).events({ after: "start" });
  const { pool } = made.store.context;
  await pool.query(
    `INSERT INTO event (era, shard, type, subject, time, data)
     SELECT era, 1, 't', 's', now(), jsonb_build_object('n', n, 'text', $1::text) FROM cluster, generate_series(1, ${total}) AS n`,
    [text],
  );
  t.equal((await take(quick, total)).at(-1), total);
  const unsent = Math.max(...made.sockets().map(({ buffered }) => buffered));
  t.ok(unsent > 0 && unsent < 2 * SLOW_SOCKET_BYTES, `${unsent} bytes wait for the slow one`);
  slow.resume();
  while (got.length < total) await sleep(20);
  t.ok(got.every((n, i) => n === i + 1));
});

t.test("[EV13] what a feed refuses about events says so, and the connection goes on", async (t) => {
  const made = await rig(t);
  const socket = new WebSocket(`${made.url.replace("http", "ws")}/v1/feed?token=${TOKEN}`, [
    "muster.v1.json",
  ]);
  t.teardown(() => socket.terminate());
  await once(socket, "open");
  const messages: { op: string; type?: string; events?: string; position?: number }[] = [];
  socket.on("message", (data) => void messages.push(JSON.parse(String(data))));
  const refused = async (message: object): Promise<object> => {
    messages.length = 0;
    socket.send(JSON.stringify(message));
    for (;;) {
      const error = messages.find(({ op }) => op === "error");
      if (error !== undefined) return { ...error, type: error.type!.replace("urn:muster:problem:", "") };
      await sleep(5);
    }
  };
  const subscribe = { op: "subscribe", events: "e" };
  t.match(await refused({ ...subscribe, where: "event.x" }), {
    type: "bad-expression",
    events: "e",
    position: Number,
  });
  t.match(await refused({ ...subscribe, after: "x" }), { type: "bad-cursor", events: "e", ended: true });
  t.match(await refused({ ...subscribe, bbox: [0, 0, 1, 1] }), { type: "bad-request", events: "e" });
  t.match(await refused({ ...subscribe, after: 5 }), { type: "bad-request" });
  t.match(await refused({ op: "subscribe", events: "" }), { type: "bad-request" });
  t.match(await refused({ op: "unsubscribe", events: "e" }), { type: "unknown-subscription", events: "e" });
  socket.send(JSON.stringify(subscribe));
  t.match(await refused(subscribe), { type: "subscription-exists" });
  for (let i = 1; i < MAX_EVENTS_PER_CONNECTION; i++)
    socket.send(JSON.stringify({ op: "subscribe", events: `e${i}` }));
  t.match(await refused({ op: "subscribe", events: "f" }), { type: "too-many-subscriptions" });
  messages.length = 0;
  socket.send(JSON.stringify({ op: "unsubscribe", events: "e" }));
  socket.send(JSON.stringify(subscribe));
  while (!messages.some(({ op, events }) => op === "events" && events === "e")) await sleep(5);
  t.pass("its name is free again");

  const failing = connected(t, made).events({ where: "event.x" });
  await t.rejects(failing.next(), ProblemError);
  t.equal(failing.state, "failed");
});

t.test("[EV41] a stream of the SDK that has got nothing from start goes on from start", async (t) => {
  const made = await rig(t);
  const connection = connected(t, made);
  const stream = connection.events({ after: "start" });
  await live(stream);
  await made.store.context.pool.query("UPDATE event_floor SET era = 1, xid = '1', id = 9");
  t.equal(stream.cursor, "start");
  await made.writer.write(["a"]);
  t.same(await take(connection.events({ after: stream.cursor }), 1), [1]);
});

t.test("[EV9] a subscription that nothing passes tells how far it has come", async (t) => {
  const made = await rig(t);
  const stream = connected(t, made).events({ types: ["none"] });
  await live(stream);
  const before = stream.cursor;
  await made.writer.write(["a"]);
  while (stream.cursor === before) await sleep(50);
  t.pass("the cursor moved on");
});

t.test(
  "[EV14] an iterator that does not take is not sent more than it holds, and then gets the rest",
  async (t) => {
    const made = await rig(t);
    const stream = connected(t, made).events({ after: "start" });
    const { pool } = made.store.context;
    await pool.query(
      `INSERT INTO event (era, shard, type, subject, time, data)
     SELECT era, 1, 't', 's', now(), jsonb_build_object('n', n) FROM cluster, generate_series(1, 2500) AS n`,
    );
    t.same(await take(stream, 1), [1]);
    while (made.feed.stats.events > 0) await sleep(10);
    t.pass("it has given its subscription up");
    const rest = await take(stream, 2_499);
    t.ok(rest.every((n, i) => n === i + 2));
  },
);

function connected(t: Test, { url }: Rig, options: Parameters<typeof connect>[1] = {}) {
  const connection = connect(url, { token: TOKEN, reconnect: { minMs: 10, maxMs: 50 }, ...options });
  t.teardown(() => connection.close());
  return connection;
}

async function take(stream: EventStream, count: number): Promise<unknown[]> {
  const events: CloudEvent[] = [];
  while (events.length < count) {
    const { value, done } = await stream.next();
    if (done) throw new Error("the stream is over");
    events.push(value);
  }
  return events.map(({ data }) => data.n);
}

async function live(stream: EventStream): Promise<void> {
  while (stream.state !== "live") await sleep(5);
}
