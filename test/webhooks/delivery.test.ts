import { createHmac } from "node:crypto";
import t from "tap";
import { MAX_WEBHOOK_WAITING } from "../../src/webhooks/limits.ts";
import { signedHeaders } from "../../src/webhooks/sign.ts";
import { openEmbedded, openOnPostgres } from "../events/rig.ts";
import { hurriedClock } from "../support/hurried-clock.ts";
import { type Answer, Receiver } from "./receiver.ts";
import { deliveryRig, until } from "./rig.ts";

const HOUR_MS = 3_600_000;

t.test("[EV20] each message is signed as Standard Webhooks says", async (t) => {
  // The example of its specification.
  const secret = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
  const body = '{"test": 2432232314}';
  const headers = signedHeaders("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330_123, body, [secret]);
  t.same(headers, {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
  });
  const two = signedHeaders("a", 0, body, [secret, "AAAA"])["webhook-signature"]!.split(" ");
  t.match(two, [/^v1,/, /^v1,/]);
  t.not(two[0], two[1]);

  const receiver = await Receiver.start(t);
  const rig = await deliveryRig(t);
  const id = await rig.hook(receiver.url);
  rig.node();
  const [held] = await rig.store.webhooks.statuses(id);
  await rig.writer.write(["a"]);
  await until(() => receiver.taken.length === 1);
  const { headers: got, body: text, event } = receiver.received[0]!;
  t.match(event, { specversion: "1.0", source: "urn:muster:test", subject: "a", data: { n: 1 } });
  t.equal(got["content-type"], "application/cloudevents+json");
  t.equal(got["webhook-id"], event.id);
  const key = Buffer.from(held!.webhook.secrets[0]!, "base64");
  const signed = createHmac("sha256", key)
    .update(`${event.id}.${got["webhook-timestamp"]}.${text}`)
    .digest("base64");
  t.equal(got["webhook-signature"], `v1,${signed}`);

  await rig.store.webhooks.rotate(id, "AAAAAAAA", Date.now() + HOUR_MS);
  await until(async () => {
    await rig.writer.write(["b"]);
    return receiver.received.at(-1)!.headers["webhook-signature"]!.includes(" ");
  });
  t.pass("after a rotation both secrets sign");
});

t.test(
  "[EV21] events come from the creation on, filtered, those of a subject in order; counts tell",
  async (t) => {
    const receiver = await Receiver.start(t);
    const rig = await deliveryRig(t);
    await rig.writer.write(["early"]);
    const id = await rig.hook(receiver.url, { where: "event.subject != 'c'" });
    // Nobody delivers yet.
    await rig.writer.write(["a", "b", "c"]);
    rig.node();
    for (let i = 0; i < 5; i++) await rig.writer.write(["a", "b", "c"]);
    await until(() => receiver.taken.length === 12);
    t.same(receiver.attempts, { a: [2, 5, 8, 11, 14, 17], b: [3, 6, 9, 12, 15, 18] });
    await until(async () => (await rig.status(id)).delivered === 12);
    t.match(await rig.status(id), { failures: 0, waiting: 0, dead: 0, gaps: 0 });
  },
);

t.test("[EV62] a webhook goes on with a filter that would be refused now", async (t) => {
  const receiver = await Receiver.start(t);
  const rig = await deliveryRig(t);
  const inTokyo = "timestamp(int(event.time) / 1000).getFullYear('Asia/Tokyo') > 2000";
  const id = await rig.hook(receiver.url, { where: inTokyo });
  rig.node();
  await rig.writer.write(["a", "b"]);
  await until(() => receiver.taken.length === 2);
  await rig.store.webhooks.change(id, { where: `${inTokyo} && event.subject != 'a'` });
  await until(async () => {
    await rig.writer.write(["a", "c"]);
    return receiver.received.at(-1)!.event.subject === "c";
  });
});

t.test(
  "[EV22] while an event of a subject fails its later ones wait, others go on, and all come in order",
  async (t) => {
    const receiver = await Receiver.start(t);
    const rig = await deliveryRig(t);
    const id = await rig.hook(receiver.url);
    let broken = true;
    receiver.answer = ({ event }): Answer => ({ status: broken && event.subject === "a" ? 500 : 200 });
    rig.node({ clock: hurriedClock(50) });
    for (let i = 0; i < 4; i++) await rig.writer.write(["a", "b"]);
    await until(() => receiver.taken.length === 4);
    t.same(receiver.taken, [2, 4, 6, 8]);
    await until(async () => (await rig.status(id)).waiting === 4);
    t.ok(
      receiver.attempts.a!.every((n) => n === 1),
      "only the oldest is tried",
    );
    broken = false;
    await until(() => receiver.taken.length === 8);
    t.same(receiver.taken.slice(4), [1, 3, 5, 7]);
    await until(async () => (await rig.status(id)).waiting === 0);
    t.match(await rig.status(id), { delivered: 8, lastError: /500/ });
  },
);

t.test(
  "[EV23] an endpoint that is down is left alone but for one request at a time, and nothing is lost",
  async (t) => {
    const receiver = await Receiver.start(t);
    const rig = await deliveryRig(t);
    const id = await rig.hook(receiver.url);
    let under = 0;
    let most = 0;
    let down = true;
    receiver.answer = async (): Promise<Answer> => {
      most = Math.max(most, ++under);
      await new Promise((resolve) => setTimeout(resolve, 5));
      under--;
      return { status: down ? 503 : 200 };
    };
    rig.node({ clock: hurriedClock(2_000) });
    const subjects = Array.from({ length: 100 }, (_, i) => `s${i}`);
    await rig.writer.write(subjects);
    await until(async () => (await rig.status(id)).waiting === 100);
    // Those which were sent before the first failed have come back.
    await until(async () => typeof (await rig.status(id)).pausedUntil === "number" && under === 0);
    most = 0;
    const before = receiver.received.length;
    t.ok(before < 30, `${before} requests, not one for each subject`);
    await until(() => receiver.received.length > before + 3);
    t.equal(most, 1);
    t.type((await rig.status(id)).pausedUntil, "number");
    down = false;
    await until(() => receiver.taken.length === 100);
    t.same(new Set(receiver.taken).size, 100);
  },
);

t.test("[EV24] Retry-After is honoured, and 410 disables", async (t) => {
  const receiver = await Receiver.start(t);
  const rig = await deliveryRig(t);
  const id = await rig.hook(receiver.url);
  const clock = hurriedClock(1_000);
  const times: number[] = [];
  receiver.answer = (): Answer => {
    times.push(clock.now());
    return times.length === 1 ? { status: 429, headers: { "retry-after": "300" } } : { status: 200 };
  };
  rig.node({ clock });
  await rig.writer.write(["a"]);
  // Before the answer has come back, nobody knows of a pause.
  await until(async () => (await rig.status(id)).waiting === 1);
  await rig.writer.write(["b"]);
  await until(() => receiver.taken.length === 2);
  t.ok(
    times.slice(1).every((time) => time >= times[0]! + 299_000),
    "after 300 s, other subjects too",
  );

  receiver.answer = () => ({ status: 410 });
  await rig.writer.write(["a"]);
  await until(async () => !(await rig.status(id)).webhook.enabled);
  t.match((await rig.status(id)).webhook.disabledReason, /410/);
  const count = receiver.received.length;
  await rig.writer.write(["b"]);
  receiver.answer = () => ({ status: 200 });
  await rig.store.webhooks.change(id, { enabled: true });
  await until(() => receiver.taken.length === 4);
  t.same(receiver.taken.slice(2).sort(), [3, 4], "enabled again it goes on where it was");
  t.equal(receiver.received.length, count + 2);
});

t.test("[EV23] [EV24] a Retry-After that is over at once shortens no pause", async (t) => {
  const receiver = await Receiver.start(t);
  const rig = await deliveryRig(t);
  const id = await rig.hook(receiver.url);
  const headers = { "retry-after": "0" };
  receiver.answer = (): Answer => ({ status: 503, headers });
  rig.node();
  await rig.writer.write(Array.from({ length: 100 }, (_, i) => `s${i}`));
  await until(async () => (await rig.status(id)).waiting === 100);
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  const { length } = receiver.received;
  t.ok(length < 30, `${length} requests, not one for each subject`);
  t.type((await rig.status(id)).pausedUntil, "number");
});

const STORES = {
  PostgreSQL: openOnPostgres,
  "the embedded database": openEmbedded,
};
for (const [name, openStore] of Object.entries(STORES)) {
  t.test(
    `[EV25] what fails for 24 h is a dead letter; its subject goes on, and it can be delivered again: ${name}`,
    async (t) => {
      const receiver = await Receiver.start(t);
      const rig = await deliveryRig(t, await openStore(t));
      const id = await rig.hook(receiver.url);
      receiver.answer = ({ event }): Answer => ({ status: event.data.n === 1 ? 400 : 200 });
      const clock = hurriedClock(50_000);
      const begun = clock.now();
      rig.node({ clock });
      await rig.writer.write(["a"]);
      await rig.writer.write(["a"]);
      await until(() => receiver.taken.length === 1);
      t.same(receiver.taken, [2]);
      t.ok(clock.now() - begun >= 24 * HOUR_MS);
      const attempts = receiver.received.length - 1;
      t.ok(attempts > 8 && attempts < 20, `${attempts} attempts in 24 h`);
      t.equal(
        new Set(receiver.received.slice(0, -1).map(({ headers }) => headers["webhook-id"])).size,
        1,
        "one id",
      );
      // That it was taken is noted when the answer has come.
      await until(async () => (await rig.status(id)).waiting === 0);
      t.match(await rig.status(id), { dead: 1, waiting: 0 });
      const [letter] = await rig.store.webhooks.deadLetters(id, { era: 0, xid: 0, id: 0 }, 10);
      t.match(letter, { event: { subject: "a", data: { n: 1 } }, attempts, error: /400/ });

      receiver.answer = () => ({ status: 200 });
      t.equal(await rig.store.webhooks.redeliver(id, [{ era: 9, xid: 9, id: 9 }], 10), 0);
      t.equal(await rig.store.webhooks.redeliver(id, [letter!.event.cursor], 10), 1);
      await until(() => receiver.taken.length === 2);
      t.same(receiver.taken, [2, 1]);
      await until(async () => (await rig.status(id)).dead === 0);
    },
  );
}

t.test("[EV26] what waits is bounded: then no more is read until some is delivered", async (t) => {
  const receiver = await Receiver.start(t);
  const rig = await deliveryRig(t);
  const id = await rig.hook(receiver.url);
  let broken = true;
  receiver.answer = (): Answer => ({ status: broken ? 500 : 200 });
  const rounds = 6;
  for (let i = 0; i < rounds; i++) await rig.writer.write([...Array.from({ length: 300 }, () => "a"), "b"]);
  rig.node({ clock: hurriedClock(1_000) });
  await until(async () => (await rig.status(id)).waiting >= MAX_WEBHOOK_WAITING);
  await new Promise((resolve) => setTimeout(resolve, 300));
  const { waiting } = await rig.status(id);
  t.ok(waiting < MAX_WEBHOOK_WAITING + 200, `${waiting} of 1,800 wait`);
  broken = false;
  await until(async () => (await rig.status(id)).delivered === rounds * 301);
  const inOrder = Object.values(receiver.attempts).every((ns) => {
    const firsts = [...new Set(ns as number[])];
    return firsts.every((n, i) => i === 0 || firsts[i - 1]! < n);
  });
  t.ok(inOrder, "each subject in order");
});

t.test(
  "[EV34] a webhook that retention has overtaken goes on with the oldest, and counts the gap",
  async (t) => {
    const receiver = await Receiver.start(t);
    const rig = await deliveryRig(t);
    const id = await rig.hook(receiver.url);
    await rig.writer.write(["a"]);
    await rig.writer.write(["b"]);
    const { pool } = rig.store.context;
    await pool.query(`WITH gone AS (DELETE FROM event WHERE subject = 'a' RETURNING era, xid, id)
    UPDATE event_floor SET era = gone.era, xid = gone.xid, id = gone.id FROM gone`);
    const first = rig.node();
    await until(() => receiver.taken.length === 1);
    t.same(receiver.taken, [2]);
    await until(async () => (await rig.status(id)).delivered === 1);
    await first.stop();
    rig.node();
    await rig.writer.write(["b"]);
    await until(() => receiver.taken.length === 2);
    t.match(await rig.status(id), { gaps: 1 });
  },
);
