import { randomUUID } from "node:crypto";
import t from "tap";
import { openEmbedded, openOnPostgres } from "../events/rig.ts";
import { open } from "../store/fixture.ts";
import { hurriedClock } from "../support/hurried-clock.ts";
import { holding, waits } from "../support/locks.ts";
import { testDatabase } from "../support/postgres.ts";
import { temporaryFolder } from "../support/serve.ts";
import { Receiver } from "./receiver.ts";
import { deliveryRig, until } from "./rig.ts";

const HOUR_MS = 3_600_000;

t.test(
  "[EV27] one node holds a webhook; another goes on when it gives up, or its lease runs out",
  async (t) => {
    const { url } = await testDatabase(t);
    const receiver = await Receiver.start(t);
    const rig = await deliveryRig(t, await open({ dataDir: await temporaryFolder(t), databaseUrl: url }));
    await rig.hook(receiver.url);
    const first = rig.node();
    await until(() => first.held === 1);
    const second = rig.node({ leaseMs: 60_000 });
    for (let i = 0; i < 20; i++) await rig.writer.write(["a", "b"]);
    await until(() => receiver.taken.length === 40);
    t.equal(second.held, 0);
    await first.stop();
    await rig.writer.write(["a"]);
    await until(() => receiver.taken.length === 41);
    t.equal(second.held, 1, "given up in order");
    t.equal(new Set(receiver.taken).size, 41, "and nothing came twice");
    await second.stop();

    // As a node that is gone without a word.
    const { webhooks } = rig.store;
    t.equal((await webhooks.hold("dead", 300)).length, 1);
    const third = rig.node();
    await rig.writer.write(["a"]);
    await until(() => receiver.taken.length === 42);
    t.equal(third.held, 1);
  },
);

const STORES = { PostgreSQL: openOnPostgres, "the embedded database": openEmbedded };
for (const [name, openStore] of Object.entries(STORES)) {
  t.test(`[EV23] [EV24] [EV40] another holder keeps to the pause: ${name}`, async (t) => {
    const receiver = await Receiver.start(t);
    const rig = await deliveryRig(t, await openStore(t));
    const id = await rig.hook(receiver.url);
    receiver.answer = () => ({ status: 429, headers: { "retry-after": "300" } });
    const first = rig.node();
    await rig.writer.write(["a"]);
    await until(async () => (await rig.status(id)).waiting === 1);
    const { pausedUntil } = await rig.status(id);
    t.ok(pausedUntil! > Date.now() + 200_000);
    await first.stop();

    receiver.answer = () => ({ status: 204 });
    const second = rig.node();
    await until(() => second.held === 1);
    await rig.writer.write(["b"]);
    await new Promise((resolve) => setTimeout(resolve, 300));
    t.equal(receiver.received.length, 1, "nothing is sent");
    await second.stop();
    t.equal((await rig.status(id)).pausedUntil, pausedUntil);

    const { webhooks } = rig.store;
    await webhooks.change(id, { where: null, enabled: true });
    t.equal((await rig.status(id)).pausedUntil, pausedUntil, "it was enabled all the time");
    await webhooks.change(id, { url: `${receiver.url}2` });
    t.equal((await rig.status(id)).pausedUntil, undefined, "another address");
    rig.node({ clock: hurriedClock(100) });
    await until(() => receiver.taken.length === 2);
  });
}

for (const [name, openStore] of Object.entries(STORES)) {
  t.test(`[EV40] with another address, or enabled again, all begins anew: ${name}`, async (t) => {
    const receiver = await Receiver.start(t);
    const mended = await Receiver.start(t);
    const rig = await deliveryRig(t, await openStore(t));
    const id = await rig.hook(receiver.url);
    const { webhooks } = rig.store;
    const [held] = await webhooks.hold("before", 0);
    const event = { cursor: { era: 1, xid: 1, id: 1 }, type: "t", subject: "a", time: 1, data: { n: 1 } };
    await webhooks.save(id, "before", held!.generation, {
      ...{ cursor: held!.cursor, delivered: 0, failures: 0, gaps: 0, done: [] },
      letters: [
        { event, attempts: 9, failedSince: Date.now() - 25 * HOUR_MS, nextAt: Date.now() + 4 * HOUR_MS },
      ],
      pausedUntil: Date.now() + HOUR_MS,
    });
    const node = rig.node();
    await until(() => node.waiting === 1);
    await webhooks.change(id, { enabled: false });
    await until(() => node.held === 0);
    t.equal(receiver.received.length, 0);
    receiver.answer = () => ({ status: 500 });
    await webhooks.change(id, { enabled: true });
    await until(() => receiver.received.length > 0);
    await until(async () => (await rig.status(id)).failures > 0);
    t.match(await rig.status(id), { waiting: 1, dead: 0 }, "the day that it was disabled does not count");

    await webhooks.change(id, { url: mended.url });
    const begun = Date.now();
    await until(() => mended.taken.length === 1);
    t.ok(Date.now() - begun < 3_000, "not only when it is due");
    await until(async () => (await rig.status(id)).waiting === 0);
  });
}

t.test("[EV40] what an address of before answers late changes nothing", async (t) => {
  const receiver = await Receiver.start(t);
  const mended = await Receiver.start(t);
  const rig = await deliveryRig(t);
  const id = await rig.hook(receiver.url);
  const { promise: answered, resolve: answer } = Promise.withResolvers<void>();
  receiver.answer = async () => {
    await answered;
    return { status: 503, headers: { "retry-after": "3600" } };
  };
  rig.node();
  await rig.writer.write(["a"]);
  await until(() => receiver.received.length === 1);
  await rig.store.webhooks.change(id, { url: mended.url });
  answer();
  await until(() => mended.taken.length === 1);
  await until(async () => (await rig.status(id)).delivered === 1);
  t.match(await rig.status(id), { waiting: 0, pausedUntil: undefined });
});

t.test("[EV28] a holder that was overtaken saves nothing", async (t) => {
  const { url } = await testDatabase(t);
  const rig = await deliveryRig(t, await open({ dataDir: await temporaryFolder(t), databaseUrl: url }));
  const id = await rig.hook("http://127.0.0.1:9/");
  const { webhooks } = rig.store;
  const [mine] = await webhooks.hold("a", 0);
  t.same(await webhooks.hold("a", 0), [{ ...mine, generation: 2 }], "taken again after it ran out");
  const [taken] = await webhooks.hold("b", 60_000);
  t.equal(taken!.generation, 3);
  t.same(await webhooks.hold("a", 60_000), []);
  const cursor = { era: 1, xid: 999_999, id: 1 };
  const event = { cursor, type: "t", subject: "s", time: 1, data: {} };
  const progress = {
    cursor,
    delivered: 1,
    failures: 1,
    gaps: 0,
    letters: [{ event, attempts: 1, nextAt: 1 }],
    done: [],
    disabledReason: "no",
  };
  for (const [holder, generation] of [
    ["a", 2],
    ["a", 3],
    ["b", 2],
  ] as const)
    t.equal(await webhooks.save(id, holder, generation, progress), false);
  t.match(await rig.status(id), {
    cursor: mine!.cursor,
    delivered: 0,
    waiting: 0,
    webhook: { enabled: true },
  });
  t.equal(await webhooks.save(id, "b", 3, progress), true);
  t.match(await rig.status(id), {
    cursor,
    delivered: 1,
    waiting: 1,
    webhook: { enabled: false, disabledReason: "no" },
  });
});

t.test(
  "[EV28] a renewal waits for what the holder saves just then; who would take it does not",
  async (t) => {
    const { url } = await testDatabase(t);
    const rig = await deliveryRig(t, await open({ dataDir: await temporaryFolder(t), databaseUrl: url }));
    await rig.hook("http://127.0.0.1:9/");
    const { webhooks } = rig.store;
    const held = await webhooks.hold("a", 60_000);
    t.equal(held.length, 1);
    const release = await holding(t, url, "UPDATE webhook_delivery SET delivered = delivered + 1");
    const renewal = webhooks.hold("a", 60_000);
    t.ok(await waits(url, /webhook_delivery/, renewal));
    t.same(await webhooks.hold("b", 60_000), []);
    await release();
    t.same(await renewal, held);

    await webhooks.hold("a", 0);
    const releaseFree = await holding(t, url, "SELECT FROM webhook_delivery FOR UPDATE");
    t.same(await webhooks.hold("b", 60_000), [], "another is about to take it");
    await releaseFree();
    t.match(await webhooks.hold("b", 60_000), [{ generation: 2 }]);
  },
);

t.test("[EV29] a holder begins no request that might end after its lease", async (t) => {
  const receiver = await Receiver.start(t);
  const rig = await deliveryRig(t);
  await rig.hook(receiver.url);
  // Shorter than a request may take.
  const node = rig.node({ holder: randomUUID(), leaseMs: 9_000 });
  await until(() => node.held === 1);
  await rig.writer.write(["a"]);
  await new Promise((resolve) => setTimeout(resolve, 300));
  t.equal(receiver.received.length, 0);
  await node.stop();
  rig.node();
  await until(() => receiver.taken.length === 1);
});
