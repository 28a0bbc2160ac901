import t from "tap";
import { hurriedClock } from "../support/hurried-clock.ts";
import { Receiver } from "./receiver.ts";
import { deliveryRig, until } from "./rig.ts";

const HOUR_MS = 3_600_000;

t.test(
  "[EV74] an endpoint is found again after a pause, although what waits is due much later",
  async (t) => {
    const receiver = await Receiver.start(t);
    const rig = await deliveryRig(t);
    const id = await rig.hook(receiver.url);
    const { webhooks } = rig.store;
    const [held] = await webhooks.hold("before", 0);
    const now = Date.now();
    const letters = ["refused", "once", "next", "twice"].map((subject, i) => ({
      event: {
        cursor: { era: 0, xid: 1, id: i + 1 },
        ...{ type: "t", subject, time: 1, data: { n: subject } },
      },
      attempts: 9,
      failedSince: now,
      nextAt: now + 1_000 * HOUR_MS + { refused: 0, next: 1, once: 2, twice: 3 }[subject]!,
      refusals: { refused: 3, next: 1, once: 1, twice: 2 }[subject]!,
    }));
    await webhooks.save(id, "before", held!.generation, {
      ...{ cursor: held!.cursor, delivered: 0, failures: 0, gaps: 0, letters, done: [] },
      pausedUntil: now + HOUR_MS,
    });
    let failures = 2;
    receiver.answer = () => ({ status: failures-- > 0 ? 503 : 204 });
    const hurried = hurriedClock(50);
    let ahead = 0;
    const node = rig.node({ clock: { ...hurried, now: () => hurried.now() + ahead } });
    await until(() => node.waiting === letters.length);
    ahead = HOUR_MS;
    await until(() => receiver.taken.includes("once"));
    t.same(receiver.attempts, { next: ["next", "next", "next"], once: ["once"] }, "one at a time");
    await rig.writer.write(["a"]);
    await until(() => receiver.taken.length === 3);
    await until(async () => (await rig.status(id)).delivered === 3);
    t.match(await rig.status(id), { waiting: 2, failures: 2, dead: 0 }, "others have failed apart from it");
  },
);
