import { setTimeout as sleep } from "node:timers/promises";
import t from "tap";
import { MAX_WEBHOOK_REFUSED, MAX_WEBHOOK_WAITING } from "../../src/webhooks/limits.ts";
import { hurriedClock } from "../support/hurried-clock.ts";
import { type Answer, Receiver } from "./receiver.ts";
import { deliveryRig, keepLetters, until } from "./rig.ts";

const HOUR_MS = 3_600_000;
const FIRST = { era: 0, xid: 0, id: 0 };

t.test("[EV45] what waited for a day behind what failed is tried once, not for a day each", async (t) => {
  const receiver = await Receiver.start(t);
  const rig = await deliveryRig(t);
  const id = await rig.hook(receiver.url);
  const due = Date.now() - 25 * HOUR_MS;
  await keepLetters(rig, id, "a", 30, due);
  receiver.answer = ({ event }): Answer => ({ status: (event.data.n as number) <= 20 ? 400 : 200 });
  rig.node();
  await until(() => receiver.taken.length === 10);
  t.same(
    receiver.attempts.a,
    Array.from({ length: 30 }, (_, i) => i + 1),
    "each once, in order",
  );
  await until(async () => (await rig.status(id)).waiting === 0);
  t.match(await rig.status(id), { dead: 20, failures: 20, delivered: 10 });
});

t.test("[EV45] what has waited for less is tried again", async (t) => {
  const receiver = await Receiver.start(t);
  const rig = await deliveryRig(t);
  const id = await rig.hook(receiver.url);
  await keepLetters(rig, id, "a", 1, Date.now() - 23 * HOUR_MS);
  receiver.answer = () => ({ status: 400 });
  rig.node();
  await until(async () => (await rig.status(id)).failures === 1);
  t.match(await rig.status(id), { waiting: 1, dead: 0 });
});

t.test("[EV46] one entity that is refused does not take the room of others", async (t) => {
  const receiver = await Receiver.start(t);
  const rig = await deliveryRig(t);
  const id = await rig.hook(receiver.url);
  let broken = true;
  receiver.answer = ({ event }): Answer => ({ status: broken && event.subject === "a" ? 500 : 200 });
  rig.node({ clock: hurriedClock(3_000) });
  await rig.writer.write(["a", "b"]);
  // Between failures others are taken.
  for (let taken = 1; taken <= 4; taken++) {
    await until(async () => (await rig.status(id)).delivered === taken);
    const { failures } = await rig.status(id);
    await until(async () => (await rig.status(id)).failures > failures);
    await rig.writer.write(["b"]);
  }
  await until(async () => (await rig.status(id)).delivered === 5);
  await rig.writer.write([...Array.from({ length: 1_500 }, () => "a"), "b"]);
  await rig.writer.write(["b"]);
  await until(async () => (await rig.status(id)).delivered === 7);
  const { waiting, dead } = await rig.status(id);
  t.same([waiting, dead], [MAX_WEBHOOK_REFUSED, 1_501 - MAX_WEBHOOK_REFUSED]);
  const [first] = await rig.store.webhooks.deadLetters(id, FIRST, 1);
  t.match(first, { event: { subject: "a", data: { n: 106 } }, attempts: 0, error: /100 events/ });
  broken = false;
  await until(async () => (await rig.status(id)).delivered === 1_501 + 7);
  await rig.writer.write(Array.from({ length: 300 }, () => "a"));
  await until(async () => (await rig.status(id)).delivered === 1_501 + 7 + 300);
  t.match(await rig.status(id), { waiting: 0, dead: 0 }, "taken again, it has all the room");
  t.equal(new Set(receiver.taken).size, 1_501 + 300 + 7);
});

t.test("[EV46] failures of an outage and one more after it refuse nothing", async (t) => {
  const receiver = await Receiver.start(t);
  const rig = await deliveryRig(t);
  const id = await rig.hook(receiver.url);
  const { promise: released, resolve: release } = Promise.withResolvers<Answer>();
  let isDown = true;
  let failuresAfter = 0;
  receiver.answer = ({ event }): Answer | Promise<Answer> => {
    if (isDown) return { status: 503 };
    if (event.subject === "b") return { status: 204 };
    if (failuresAfter > 0) return released;
    if (receiver.taken.length > 0) failuresAfter++;
    return { status: 503 };
  };
  rig.node({ clock: hurriedClock(3_000) });
  await rig.writer.write(["a", "b"]);
  await until(() => receiver.received.filter(({ event }) => event.subject === "a").length >= 4);
  isDown = false;
  await until(() => failuresAfter === 1);
  const attempts = receiver.attempts.a!.length;
  await until(() => receiver.attempts.a!.length > attempts);
  const count = MAX_WEBHOOK_REFUSED + 50;
  await rig.writer.write([...Array.from({ length: count }, () => "a"), "b"]);
  await until(async () => (await rig.status(id)).delivered === 2);
  t.match(await rig.status(id), { waiting: count + 1, dead: 0 });
  release({ status: 204 });
  await until(async () => (await rig.status(id)).delivered === count + 3);
  t.match(await rig.status(id), { waiting: 0, dead: 0 });
});

t.test("[EV47] what waits and does not pass a changed filter is dropped, and nothing else", async (t) => {
  const receiver = await Receiver.start(t);
  const rig = await deliveryRig(t);
  const id = await rig.hook(receiver.url);
  const dueAt = Date.now() + HOUR_MS;
  await keepLetters(rig, id, "a", 3, dueAt);
  await keepLetters(rig, id, "b", 2, dueAt);
  const node = rig.node();
  await until(() => node.waiting === 5);
  await rig.store.webhooks.change(id, { where: "event.subject != 'a'" });
  await until(async () => (await rig.status(id)).waiting === 2);
  await until(() => node.waiting === 2);
  await node.stop();
  // Nobody holds it while it is changed.
  await rig.store.webhooks.change(id, { where: "event.data.n == 2" });
  const second = rig.node();
  await until(() => second.waiting === 1);
  await until(async () => (await rig.status(id)).waiting === 1);
  await sleep(100);
  t.match(await rig.status(id), { waiting: 1, dead: 0, delivered: 0 });
  t.equal(receiver.received.length, 0);
});

t.test("[EV47] [EV21] none overtakes older ones that wait behind many that are dropped", async (t) => {
  const receiver = await Receiver.start(t);
  const rig = await deliveryRig(t);
  const id = await rig.hook(receiver.url);
  const dueAt = Date.now() + HOUR_MS;
  await keepLetters(rig, id, "a", 2 * MAX_WEBHOOK_WAITING, dueAt);
  await keepLetters(rig, id, "b", 3, dueAt);
  await rig.store.webhooks.change(id, { where: "event.subject != 'a'" });
  await rig.writer.write(["b", "c"]);
  const node = rig.node({ renewMs: HOUR_MS });
  await until(() => receiver.received.length > 0 && node.waiting >= 3);
  await until(async () => {
    const { delivered, waiting } = await rig.status(id);
    return delivered + waiting === 5;
  });
  t.same(Object.keys(receiver.attempts), ["c"]);
  t.match(await rig.status(id), { delivered: 1, waiting: 4, dead: 0 });
});
