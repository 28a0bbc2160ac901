import t from "tap";
import {
  MAX_WEBHOOK_ALL_REFUSED,
  MAX_WEBHOOK_REFUSED,
  MAX_WEBHOOK_WAITING,
} from "../../src/webhooks/limits.ts";
import { hurriedClock } from "../support/hurried-clock.ts";
import { type Answer, Receiver } from "./receiver.ts";
import { deliveryRig, until } from "./rig.ts";

const MANY = MAX_WEBHOOK_WAITING + 300;

for (const count of [1, 8])
  t.test(
    `[EV71] ${count} entities that fill a webhook at once are told from an endpoint that is away`,
    async (t) => {
      const receiver = await Receiver.start(t);
      const rig = await deliveryRig(t);
      const id = await rig.hook(receiver.url);
      receiver.answer = ({ event }): Answer => ({ status: event.subject.startsWith("bad") ? 500 : 204 });
      const bad = Array.from({ length: MANY }, (_, i) => `bad${i % count}`);
      await rig.writer.write([...bad, "good", "good", "better"]);
      rig.node({ clock: hurriedClock(300) });
      await until(() => receiver.taken.includes(MANY + 3));
      await until(async () => (await rig.status(id)).dead > 0);
      await until(async () => (await rig.status(id)).cursor.id >= MANY + 3);
      const share = Math.min(MAX_WEBHOOK_REFUSED, Math.floor(MAX_WEBHOOK_ALL_REFUSED / count));
      await until(async () => (await rig.status(id)).waiting === count * share);
      receiver.answer = () => ({ status: 204 });
      await rig.store.webhooks.change(id, { url: `${receiver.url}2` });
      await until(async () => (await rig.status(id)).waiting === 0);
      await rig.store.webhooks.redeliver(id, undefined, MANY);
      await until(async () => (await rig.status(id)).dead === 0);
      await until(async () => (await rig.status(id)).waiting === 0);
      t.equal(new Set(receiver.taken).size, MANY + 3, "none is missing");
      t.same([...new Set(receiver.attempts.good)], [MANY + 1, MANY + 2], "in order");
    },
  );

t.test("[EV71] an endpoint that is away is, whoever is tried", async (t) => {
  const receiver = await Receiver.start(t);
  const rig = await deliveryRig(t);
  const id = await rig.hook(receiver.url);
  let isAway = true;
  receiver.answer = () => ({ status: isAway ? 503 : 204 });
  await rig.writer.write([...Array.from({ length: MANY }, () => "a"), "b", "b", "c", "b"]);
  rig.node({ clock: hurriedClock(300) });
  await until(() => receiver.attempts.c !== undefined && receiver.attempts.a!.length >= 4);
  t.same([receiver.attempts.b, receiver.attempts.c], [[MANY + 1], [MANY + 3]]);
  t.match(await rig.status(id), { dead: 0, delivered: 0 });
  isAway = false;
  await rig.store.webhooks.change(id, { url: `${receiver.url}2` });
  await until(async () => (await rig.status(id)).cursor.id > MANY);
  await until(async () => (await rig.status(id)).waiting === 0);
  t.equal((await rig.status(id)).dead, 0);
  t.equal(new Set(receiver.taken).size, MANY + 4);
  for (const ns of Object.values(receiver.attempts)) {
    const firsts = [...new Set(ns as number[])];
    t.same(
      firsts,
      firsts.toSorted((a, b) => a - b),
      "in order",
    );
  }
});
