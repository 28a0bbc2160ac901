import { setTimeout as sleep } from "node:timers/promises";
import t from "tap";
import { tracesOf } from "../../src/erasure.ts";
import { START } from "../../src/events/cursor.ts";
import { tablesWith } from "../support/search-database.ts";
import { Receiver } from "./receiver.ts";
import { deliveryRig, keepLetters, until } from "./rig.ts";

const SHARD = 7;
const HOUR_MS = 3_600_000;

t.test(
  "[EV35] events of an erased entity are read, sent and saved no more, and all others are",
  async (t) => {
    const receiver = await Receiver.start(t);
    const { store, writer, tail, hook, status, node } = await deliveryRig(t);
    const epoch = (await store.claim([SHARD])).get(SHARD)!;
    const deliverer = node();
    const find = () => tablesWith(store.context.pool, "ghost");
    let refusals = 0;
    const traces = tracesOf(store.erasure, async (id) => {
      await Promise.all([tail.forget(id), deliverer.forget(id)]);
      // As if another node had not answered.
      return ++refusals > 1;
    });
    receiver.answer = ({ event }) => ({ status: event.subject === "ghost" ? 500 : 204 });
    const id = await hook(receiver.url);
    const reader = tail.follow(START);
    t.teardown(() => reader.close());
    await writer.write(["ghost", "a"]);
    await until(async () => (await status(id)).waiting === 1);
    t.match(await reader.next(), [{ subject: "ghost" }, { subject: "a" }]);
    await writer.write(["ghost", "b"]);
    await until(async () => (await status(id)).waiting === 2);
    t.same(await find(), ["event", "webhook_letter"]);

    t.equal(await traces.erase(SHARD, epoch, "ghost"), false, "not before all nodes have forgotten it");
    t.equal(await traces.erase(SHARD, epoch, "ghost"), true);
    t.same(await find(), []);
    t.equal(deliverer.waiting, 0);
    const before = receiver.received.length;
    await writer.write(["c"]);
    await until(() => receiver.taken.length === 3);
    await sleep(100);
    t.same(await find(), []);
    t.same(
      receiver.received.slice(before).map(({ event }) => event.subject),
      ["c"],
    );
    t.match(await reader.next(), [{ subject: "b" }, { subject: "c" }]);
    const whole = tail.follow(START);
    t.teardown(() => whole.close());
    t.match(await whole.next(), [{ subject: "a" }, { subject: "b" }, { subject: "c" }]);

    // Its events begin anew.
    receiver.answer = () => ({ status: 204 });
    await writer.write(["ghost"]);
    await until(() => receiver.received.at(-1)?.event.subject === "ghost");
    t.same(await find(), ["event"]);
  },
);

t.test("[EV35] an event that is being sent while its entity is erased becomes no letter", async (t) => {
  const receiver = await Receiver.start(t);
  const { store, writer, hook, status, node } = await deliveryRig(t);
  const epoch = (await store.claim([SHARD])).get(SHARD)!;
  const deliverer = node();
  const { promise: answered, resolve: answer } = Promise.withResolvers<void>();
  receiver.answer = async () => {
    await answered;
    return { status: 500 };
  };
  const id = await hook(receiver.url);
  await writer.write(["ghost", "ghost", "a"]);
  await until(() => receiver.received.length === 2);
  const traces = tracesOf(store.erasure, (subject) => deliverer.forget(subject).then(() => true));
  t.equal(await traces.erase(SHARD, epoch, "ghost"), true);
  answer();
  await until(async () => (await status(id)).waiting === 1);
  t.same(await tablesWith(store.context.pool, "ghost"), []);
  t.equal(receiver.received.filter(({ event }) => event.subject === "ghost").length, 1);
});

for (const [what, age, waiting, dead] of [
  ["that is to be tried again", 0, 1, 0],
  ["that is given up", 25 * HOUR_MS, 0, 1],
] as const)
  t.test(`[EV35] an erasure while a failed letter ${what} is being saved ends no delivery`, async (t) => {
    const receiver = await Receiver.start(t);
    const rig = await deliveryRig(t);
    const id = await rig.hook(receiver.url);
    receiver.answer = ({ event }) => ({ status: event.subject === "c" ? 204 : 500 });
    const nextAt = Date.now() - age;
    await keepLetters(rig, id, "ghost", 1, nextAt);
    await keepLetters(rig, id, "b", 1, nextAt);
    const { webhooks } = rig.store;
    const saving = Promise.withResolvers<void>();
    const saved = Promise.withResolvers<void>();
    const save = webhooks.save.bind(webhooks);
    let held = false;
    webhooks.save = async (webhook, holder, generation, progress) => {
      if (!held && progress.letters.some(({ event }) => event.subject === "ghost")) {
        held = true;
        saving.resolve();
        await saved.promise;
      }
      return save(webhook, holder, generation, progress);
    };
    const node = rig.node();
    await saving.promise;
    const forgotten = node.forget("ghost");
    saved.resolve();
    await forgotten;
    await until(async () => (await rig.status(id)).failures === 2);
    await rig.writer.write(["c"]);
    await until(() => receiver.taken.length === 1);
    t.equal(node.waiting, waiting);
    t.equal(node.stats.dead, dead, "only that of the other entity");
  });
