import t, { type Test } from "tap";
import { Letters } from "../../src/webhooks/letters.ts";
import {
  MAX_WEBHOOK_ALL_REFUSED,
  MAX_WEBHOOK_REFUSED,
  WEBHOOK_PAUSE_AFTER,
} from "../../src/webhooks/limits.ts";
import { hurriedClock } from "../support/hurried-clock.ts";
import { type Answer, Receiver } from "./receiver.ts";
import { deliveryRig, until } from "./rig.ts";

/** A webhook whose endpoint refuses what is bad. */
async function refusing(t: Test, isBad: (subject: string) => boolean) {
  const receiver = await Receiver.start(t);
  const rig = await deliveryRig(t);
  const id = await rig.hook(receiver.url);
  receiver.answer = ({ event }): Answer => ({ status: isBad(event.subject) ? 500 : 204 });
  const settled = async () => {
    const { delivered } = await rig.status(id);
    await rig.writer.write(["good"]);
    await until(async () => (await rig.status(id)).delivered > delivered);
  };
  return { ...rig, receiver, id, settled };
}

t.test("[EV69] who takes over a webhook knows which entity is refused", async (t) => {
  const { receiver, id, settled, ...rig } = await refusing(t, (subject) => subject === "bad");
  const first = rig.node({ clock: hurriedClock(3_000) });
  await rig.writer.write(["bad"]);
  // Between failures others are taken.
  for (let i = 0; i < 4; i++) {
    const { failures } = await rig.status(id);
    await until(async () => (await rig.status(id)).failures > failures);
    await settled();
  }
  await first.stop();
  const { failures } = await rig.status(id);
  // On its clock what was refused is due in an hour.
  rig.node();
  await rig.writer.write(Array.from({ length: 1_500 }, () => "bad"));
  await settled();
  t.match(await rig.status(id), {
    waiting: MAX_WEBHOOK_REFUSED,
    dead: 1_501 - MAX_WEBHOOK_REFUSED,
    failures,
  });
  // Its oldest is tried at once, though it is not due.
  await rig.store.webhooks.redeliver(id, undefined, 1_000);
  await until(async () => (await rig.status(id)).failures > failures);
  await until(async () => (await rig.status(id)).dead === 1_501 - MAX_WEBHOOK_REFUSED);
  await settled();
  receiver.answer = () => ({ status: 204 });
  await rig.store.webhooks.redeliver(id, undefined, 1_000);
  await until(async () => (await rig.status(id)).waiting === 0);
  t.match(await rig.status(id), { dead: 0 });
});

t.test("[EV69] who takes over while the endpoint is away refuses nothing", async (t) => {
  const { receiver, id, ...rig } = await refusing(t, () => true);
  const first = rig.node({ clock: hurriedClock(3_000) });
  await rig.writer.write(["a", "b"]);
  await until(() => receiver.received.length >= 10);
  await first.stop();
  receiver.answer = ({ event }) => ({ status: event.subject === "a" ? 500 : 204 });
  rig.node();
  await rig.writer.write([...Array.from({ length: 150 }, () => "a"), "c"]);
  await until(async () => (await rig.status(id)).delivered > 0);
  t.match(await rig.status(id), { dead: 0 });
});

const BAD = Array.from({ length: 12 }, (_, i) => `bad${i}`);
const SHARE = Math.floor(MAX_WEBHOOK_ALL_REFUSED / BAD.length);

t.test("[EV70] [EV72] [EV78] many refused entities hold up no other", async (t) => {
  const { receiver, id, settled, ...rig } = await refusing(t, (subject) => subject !== "good");
  rig.node({ clock: hurriedClock(3_000) });
  for (const bad of BAD) {
    await rig.writer.write([bad]);
    for (let i = 0; i < 4; i++) {
      const count = () => receiver.attempts[bad]?.length ?? 0;
      const before = count();
      await until(() => count() > before);
      await settled();
    }
  }
  for (let i = 0; i < 100; i++) await rig.writer.write(BAD);
  await settled();
  const waiting = BAD.length * SHARE;
  t.match(await rig.status(id), { waiting, dead: BAD.length * 101 - waiting });
  const { failures } = await rig.status(id);
  await until(async () => (await rig.status(id)).failures > failures + WEBHOOK_PAUSE_AFTER);
  t.equal((await rig.status(id)).pausedUntil, undefined, "what is refused says nothing of the endpoint");
  receiver.answer = () => ({ status: 204 });
  receiver.received.length = 0;
  await until(async () => (await rig.status(id)).waiting === 0);
  for (const bad of BAD) {
    const ns = receiver.attempts[bad]!;
    t.equal(ns.length, 101, "all of each");
    t.same(
      ns,
      ns.toSorted((a, b) => (a as number) - (b as number)),
      "in order",
    );
  }
});

t.test("[EV70] what waits is bounded, however many are refused", (t) => {
  const letters = new Letters();
  let given = 0;
  for (let i = 0; i < 5_000; i++) {
    const subject = `bad${i}`;
    for (let n = 0; n < 3; n++) {
      const cursor = { era: 1, xid: i, id: n };
      letters.add({ event: { cursor, type: "t", subject, time: 0, data: {} }, attempts: 0, nextAt: 1 });
    }
    for (let failures = 1; failures <= 3; failures++) letters.countFailure(subject, i + failures);
    given += letters.takeExcess(0).length;
    if (i === 99) t.equal(letters.size, 300);
    if (i > 99 && letters.size > MAX_WEBHOOK_ALL_REFUSED) t.fail(`${letters.size} of ${i} wait`);
  }
  t.equal(letters.size, MAX_WEBHOOK_ALL_REFUSED, "one each of those that were refused last");
  t.equal(given, 15_000 - letters.size);
  t.equal(letters.has("bad4999"), true);
  t.equal(letters.has("bad0"), false);
  t.equal(letters.room("bad4999"), 0);
  t.equal(letters.room("bad0"), Infinity, "it begins anew");
  letters.forget("bad4999");
  t.equal(letters.isRefused("bad4999"), false);
  t.end();
});
