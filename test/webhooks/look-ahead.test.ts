import t from "tap";
import { MAX_EVENT_ROWS } from "../../src/limits.ts";
import {
  MAX_WEBHOOK_ALL_REFUSED,
  MAX_WEBHOOK_REFUSED,
  MAX_WEBHOOK_WAITING,
} from "../../src/webhooks/limits.ts";
import { LookAhead } from "../../src/webhooks/look-ahead.ts";
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

t.test(
  "[EV73] an endpoint that is there again is found while all who wait go on having events",
  async (t) => {
    const receiver = await Receiver.start(t);
    const rig = await deliveryRig(t);
    const id = await rig.hook(receiver.url);
    let isAway = true;
    receiver.answer = () => ({ status: isAway ? 503 : 204 });
    const fleet = Array.from({ length: 10 }, (_, i) => `truck${i}`);
    await rig.writer.write(fleet);
    rig.node({ clock: hurriedClock(10) });
    await until(async () => (await rig.status(id)).failures > fleet.length);
    isAway = false;
    let written = fleet.length;
    await until(async () => {
      await rig.writer.write([fleet[written++ % fleet.length]!]);
      return (await rig.status(id)).delivered >= fleet.length;
    });
    await until(async () => (await rig.status(id)).delivered >= written);
    t.match(await rig.status(id), { waiting: 0, dead: 0 });
  },
);

t.test("[EV73] a look ends, however much is in the log", (t) => {
  const look = new LookAhead();
  const page = Array.from({ length: MAX_EVENT_ROWS }, (_, i) => ({
    cursor: { era: 1, xid: 1, id: i + 1 },
    ...{ type: "t", subject: "a", time: 1, data: {} },
  }));
  const lasts = (events: typeof page) => {
    look.landed(true, false);
    let s = 0;
    while (s < 1_000 && look.goesOn(s * 1_000)) {
      look.find(
        events,
        () => true,
        () => true,
      );
      s++;
    }
    return s;
  };
  t.equal(lasts(page), 30, "full pages");
  t.equal(lasts(page.slice(1)), 5, "what comes after all that is there");
  t.end();
});
