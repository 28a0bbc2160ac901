import t, { type Test } from "tap";
import { MAX_WEBHOOK_REFUSED } from "../../src/webhooks/limits.ts";
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
  await rig.store.webhooks.redeliver(id, undefined, 1);
  await until(async () => (await rig.status(id)).waiting === MAX_WEBHOOK_REFUSED + 1);
  receiver.answer = () => ({ status: 204 });
  await rig.store.webhooks.change(id, { url: `${receiver.url}2` });
  await until(async () => (await rig.status(id)).waiting === 0);
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
