import t, { type Test } from "tap";
import { MAX_WEBHOOK_REFUSED } from "../../src/webhooks/limits.ts";
import type { Letter } from "../../src/webhooks/ports.ts";
import { hurriedClock } from "../support/hurried-clock.ts";
import { type Answer, Receiver } from "./receiver.ts";
import { type DeliveryRig, deliveryRig, until } from "./rig.ts";

const HOUR_MS = 3_600_000;

/** Each the first time that it came. */
const firsts = (receiver: Receiver, subject: string) => [...new Set(receiver.attempts[subject])];
const isDone = async (rig: DeliveryRig, id: string) => {
  const { waiting, dead } = await rig.status(id);
  return waiting === 0 && dead === 0;
};

t.test(
  "[EV78] three short failures lose nothing: all comes in order, also by another holder and what is newer",
  async (t) => {
    const receiver = await Receiver.start(t);
    const rig = await deliveryRig(t);
    const id = await rig.hook(receiver.url);
    let failures = 0;
    let takenBefore = -1;
    let isRefused = true;
    let isStopped = false;
    const taken = () => receiver.attempts.x!.length;
    const isHalf = () => taken() > 1.5 * MAX_WEBHOOK_REFUSED;
    receiver.answer = async ({ event }): Promise<Answer> => {
      // None is taken until the holder has stopped, however long that takes.
      if (event.subject === "x" && isHalf() && !isStopped) return { status: 503 };
      if (event.subject !== "x" || !isRefused) return { status: 204 };
      // Others are taken between.
      if (receiver.taken.length > takenBefore) failures++;
      takenBefore = receiver.taken.length;
      return { status: 503 };
    };
    const clock = hurriedClock(300);
    const first = rig.node({ clock });
    const written: number[] = [];
    let n = 0;
    const write = async (subjects: string[]) => {
      for (const subject of subjects) if (++n > 0 && subject === "x") written.push(n);
      await rig.writer.write(subjects);
    };
    await write(["x"]);
    for (let delivered = 1; failures < 3; delivered++) {
      await write(["x", "y"]);
      await until(async () => (await rig.status(id)).delivered >= delivered);
    }
    await write([...Array.from({ length: 3 * MAX_WEBHOOK_REFUSED }, () => "x"), "y"]);
    await until(async () => (await rig.status(id)).dead > 1.5 * MAX_WEBHOOK_REFUSED);
    isRefused = false;
    await until(isHalf);
    await first.stop();
    isStopped = true;
    t.ok((await rig.status(id)).dead > 0, "some are set aside yet");
    await write(["x", "y", "x"]);
    rig.node({ clock });
    await write(["x"]);
    await until(() => isDone(rig, id));
    await until(() => firsts(receiver, "x").length === written.length);
    t.same(firsts(receiver, "x"), written);
    await write(["x"]);
    await until(() => receiver.taken.includes(n));
  },
);

/** A webhook of which one of a refused entity waits, since yesterday, and three are set aside. */
async function withAside(t: Test, where?: string) {
  const receiver = await Receiver.start(t);
  const rig = await deliveryRig(t);
  const id = await rig.hook(receiver.url, { where });
  const [held] = await rig.store.webhooks.hold("before", 0);
  const now = Date.now();
  const letters = Array.from(
    { length: 4 },
    (_, i): Letter => ({
      event: { cursor: { era: 1, xid: 1, id: i + 1 }, type: "t", subject: "x", time: 1, data: { n: i + 1 } },
      ...(i === 0
        ? { attempts: 9, failedSince: now - 25 * HOUR_MS, nextAt: now, refusals: 9 }
        : { attempts: 0, failedSince: now }),
    }),
  );
  const counts = { delivered: 0, failures: 0, gaps: 0, done: [] };
  await rig.store.webhooks.save(id, "before", held!.generation, { ...counts, cursor: held!.cursor, letters });
  return { receiver, id, ...rig };
}

t.test("[EV78] after what is given up the next is tried, which has its own day", async (t) => {
  const { receiver, id, ...rig } = await withAside(t);
  receiver.answer = () => ({ status: 400 });
  const node = rig.node();
  await until(async () => (await rig.status(id)).failures === 2);
  t.match(await rig.status(id), { waiting: 1, dead: 3 });
  t.equal(node.stats.dead, 1, "what is set aside is not given up");
  receiver.answer = () => ({ status: 204 });
  await rig.store.webhooks.change(id, { url: `${receiver.url}2` });
  await until(async () => (await rig.status(id)).waiting === 0);
  t.same(receiver.attempts.x, [1, 2, 2, 3, 4]);
  t.match(await rig.status(id), { dead: 1, delivered: 3 });
});

t.test("[EV78] [EV47] what does not pass a changed filter does not come, what passes does", async (t) => {
  for (const [where, come] of [
    ["event.data.n != 3", [1, 2, 4]],
    ["event.data.n > 2", [3, 4]],
  ] as const) {
    const { receiver, id, ...rig } = await withAside(t, where);
    rig.node();
    await until(async () => (await rig.status(id)).delivered === come.length);
    t.same(receiver.attempts.x, come);
    t.match(await rig.status(id), { waiting: 0, dead: 1 });
  }
});

t.test("[EV78] what is told to be tried again meanwhile comes in its turn", async (t) => {
  const { receiver, id, ...rig } = await withAside(t);
  const { promise: released, resolve: release } = Promise.withResolvers<Answer>();
  receiver.answer = ({ event }) => (event.data.n === 1 ? released : { status: 204 });
  // It is not told of what is to be tried again.
  rig.node({ renewMs: HOUR_MS });
  await until(() => receiver.received.length === 1);
  await rig.store.webhooks.redeliver(id, undefined, 2);
  release({ status: 204 });
  await until(() => isDone(rig, id));
  t.same(receiver.attempts.x, [1, 2, 3, 4]);
});
