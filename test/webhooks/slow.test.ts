import { setTimeout as sleep } from "node:timers/promises";
import t from "tap";
import { type Answer, Receiver } from "./receiver.ts";
import { deliveryRig, until } from "./rig.ts";

t.test("[EV48] a slow entity holds up no other, and nothing of it comes twice or in disorder", async (t) => {
  const receiver = await Receiver.start(t);
  const rig = await deliveryRig(t);
  const id = await rig.hook(receiver.url);
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  receiver.answer = async ({ event }): Promise<Answer> => {
    if (event.subject === "slow") await released;
    return { status: 204 };
  };
  const node = rig.node();
  await rig.writer.write(["slow", "slow", "a"]);
  await until(() => receiver.received.length === 2);
  for (let i = 0; i < 5; i++) {
    await rig.writer.write(["a", "slow", "b"]);
    await sleep(20);
  }
  await until(() => receiver.taken.length === 11);
  await until(async () => (await rig.status(id)).delivered === 11);
  t.match(await rig.status(id), { waiting: 7, failures: 0 }, "what is done is saved meanwhile");
  t.equal(receiver.attempts.slow!.length, 1);
  release();
  await until(async () => (await rig.status(id)).delivered === 18);
  t.same(receiver.attempts.slow, [1, 2, 5, 8, 11, 14, 17]);
  t.equal(node.waiting, 0);
  await rig.writer.write(["slow"]);
  await until(() => receiver.taken.length === 19);
});

t.test("[EV48] slow requests fail, wait and are given up as others", async (t) => {
  const receiver = await Receiver.start(t);
  const rig = await deliveryRig(t);
  const id = await rig.hook(receiver.url);
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const subjects = Array.from({ length: 20 }, (_, i) => `s${i}`);
  let most = 0;
  let under = 0;
  receiver.answer = async (): Promise<Answer> => {
    most = Math.max(most, ++under);
    await released;
    under--;
    return { status: 500 };
  };
  const node = rig.node();
  await rig.writer.write([...subjects, ...subjects]);
  await until(async () => (await rig.status(id)).waiting === 40);
  t.equal(receiver.received.length, 8);
  release();
  await until(async () => (await rig.status(id)).failures === 8);
  const status = await rig.status(id);
  t.type(status.pausedUntil, "number");
  t.match(status, { waiting: 40, dead: 0 });
  receiver.answer = () => ({ status: 204 });
  await node.stop();
  await rig.store.webhooks.change(id, { url: `${receiver.url}2` });
  rig.node();
  await until(async () => (await rig.status(id)).delivered === 40);
  t.equal(most, 8);
  t.equal(new Set(receiver.taken).size, 40);
});

t.test("[EV35] [EV48] a slow event of an erased entity becomes no letter when it fails", async (t) => {
  const receiver = await Receiver.start(t);
  const rig = await deliveryRig(t);
  const id = await rig.hook(receiver.url);
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  receiver.answer = async ({ event }): Promise<Answer> => {
    if (event.data.n === 1) await released;
    return { status: event.subject === "ghost" ? 500 : 204 };
  };
  const node = rig.node();
  await rig.writer.write(["ghost", "ghost"]);
  await until(async () => (await rig.status(id)).waiting === 2);
  await rig.store.context.pool.query("DELETE FROM webhook_letter");
  await rig.store.context.pool.query("DELETE FROM event");
  await node.forget("ghost");
  await rig.writer.write(["a"]);
  await until(() => receiver.taken.length === 1);
  release();
  await until(async () => (await rig.status(id)).failures === 1);
  t.match(await rig.status(id), { waiting: 0, dead: 0 });
  t.equal(node.waiting, 0);
  t.equal(receiver.received.length, 2);
});
