// What a node sees of a Redis that dies, is cut off, or drowns.
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { setTimeout as sleep, setImmediate as turn } from "node:timers/promises";
import { Redis } from "ioredis";
import t, { type Test } from "tap";
import { BusAway } from "../../src/cluster/ports.ts";
import { CutProxy } from "../support/cut-proxy.ts";
import { ownRedis } from "../support/redis.ts";
import { AT_ONCE_MS, BACK_MS, comesBack, open, refusedPublish } from "./subject.ts";
import { until } from "./until.ts";

t.test("[X9, X11] a restart of Redis loses what is published meanwhile, and nothing else", async (t) => {
  const redis = await ownRedis(t);
  const subject = await open(t, redis.url);
  const ended = await subject.bus.subscribe("c", () => subject.received.push("c"));
  t.equal(await subject.bus.publish("a", Buffer.from("1")), 1);
  await until("it came", () => subject.received.length === 1);

  await redis.stop();
  await until("the loss is told", () => subject.losses === 1);
  for (let n = 0; n < 5; n++) t.ok((await refusedPublish(t, subject)) < AT_ONCE_MS, "refused at once");
  await t.rejects(
    subject.bus.subscribe("d", () => {}),
    BusAway,
    "no new subscription either",
  );
  await ended();
  await sleep(1_500);
  t.equal(subject.losses, 1);

  await redis.start();
  await until("the return is told", () => subject.losses === 2, BACK_MS);
  await comesBack(t, subject);
  t.ok(
    subject.received.every((message) => message.endsWith("back")),
    "nothing of the outage comes later",
  );
  t.equal(
    await subject.bus.publish("c", Buffer.from("x")),
    0,
    "what was ended meanwhile is not subscribed again",
  );
  t.equal(await subject.bus.publish("d", Buffer.from("x")), 0, "nor what was refused");
  t.equal(subject.losses, 2);
});

t.test("[X17] a bus is away while either of its connections is", async (t) => {
  const redis = await ownRedis(t);
  const { bus } = await open(t, redis.url);
  const control = new Redis(redis.url);
  for (const purpose of ["publish", "subscribe"]) {
    t.equal(bus.away, false);
    const clients = String(await control.client("LIST"));
    const id = new RegExp(`^id=(\\d+) .*name=muster-${purpose} `, "m").exec(clients)![1];
    await control.client("KILL", "ID", id);
    // Each turn of the loop is looked at: it may be back after 100 ms.
    while (!bus.away) await turn();
    await until("it is back", () => !bus.away, BACK_MS);
  }
  control.disconnect();
  await redis.stop();
  await until("both are away", () => bus.away);
  await t.rejects(bus.publish("a", Buffer.from("x")), BusAway);
  await redis.start();
  await until("both are back", () => !bus.away, BACK_MS);
  t.equal(await bus.publish("a", Buffer.from("x")), 1);
});

t.test("[X11] the return is told when all channels are subscribed again, not before", async (t) => {
  const redis = await ownRedis(t);
  const proxy = await CutProxy.start(t, redis.url);
  const subject = await open(t, proxy.url);
  const other = await open(t, redis.url, []);
  const listeners: number[] = [];
  subject.bus.onLoss(() => {
    if (subject.losses % 2 === 1) return;
    // Whoever is told may subscribe at once; the next cut may come before the answer.
    subject.bus.subscribe("c", () => {}).catch(() => {});
    for (const channel of ["a", "b"])
      other.bus.publish(channel, Buffer.from("x")).then((count) => listeners.push(count));
  });
  for (let round = 1; round <= 5; round++) {
    proxy.cut();
    await until("the return is told", () => listeners.length === 2 * round);
  }
  t.strictSame(listeners, Array(10).fill(1));
  t.equal(subject.losses, 10);
  t.equal(other.losses, 0);
});

t.test("[X11] what ends while the channels are subscribed again is not subscribed afterwards", async (t) => {
  const redis = await ownRedis(t);
  const slow = await holdSubscribe(t, redis.url);
  const subject = await open(t, slow.url);
  const other = await open(t, redis.url, []);
  const end = await subject.bus.subscribe("c", () => {});
  t.equal(await other.bus.publish("c", Buffer.from("x")), 1);
  slow.cut();
  await until("the channels are on their way", () => slow.held());
  await end();
  slow.release();
  await until("the return is told", () => subject.losses === 2);
  t.equal(await other.bus.publish("c", Buffer.from("x")), 0);
  t.equal(await other.bus.publish("a", Buffer.from("x")), 1);
});

t.test("[X11] connections that are cut or refused are made again, however often", async (t) => {
  const redis = await ownRedis(t);
  const proxy = await CutProxy.start(t, redis.url);
  const subject = await open(t, proxy.url);
  for (let round = 1; round <= 3; round++) {
    proxy.mode = "refuse";
    proxy.cut();
    await until("the loss is told", () => subject.losses === 2 * round - 1);
    await sleep(300);
    proxy.mode = "pass";
    await until("the return is told", () => subject.losses === 2 * round, BACK_MS);
    await comesBack(t, subject);
  }
});

t.test("[X10] what waits for answers is bounded, and beyond is refused at once", async (t) => {
  const redis = await ownRedis(t);
  const subject = await open(t, redis.url);
  redis.pause();
  t.teardown(() => redis.resume());
  const large = Buffer.alloc(8 * 2 ** 20);
  const waiting = Array.from({ length: 3 }, () => subject.bus.publish("a", large));
  t.ok((await refusedPublish(t, subject, large)) < AT_ONCE_MS, "32 MB and what they cost");
  const small = subject.bus.publish("a", Buffer.from("small"));
  redis.resume();
  t.equal(await small, 1, "what still fits goes out");
  t.strictSame(await Promise.all(waiting), [1, 1, 1]);
  await until("there is room again", () => subject.received.length > 0);
  t.equal(await subject.bus.publish("a", large), 1);
});

t.test("[X11] a subscriber that Redis cut because too much waited for it is told so", async (t) => {
  const redis = await ownRedis(t, "--client-output-buffer-limit", "pubsub", "1mb", "0", "0");
  const subject = await open(t, redis.url);
  const other = await open(t, redis.url, []);
  await other.bus.publish("a", new Uint8Array(8 * 2 ** 20));
  await until("the loss and the return are told", () => subject.losses === 2);
  await comesBack(t, subject);
  t.equal(other.losses, 0);
});

/** A proxy that, once cut, holds back the first SUBSCRIBE until it is released. */
async function holdSubscribe(t: Test, url: string) {
  const sockets = new Set<Socket>();
  let wasCut = false;
  let release: (() => void) | undefined;
  const server = createServer((client) => {
    const redis = connect(Number(new URL(url).port), "127.0.0.1");
    redis.pipe(client);
    client.on("data", (data) => {
      if (wasCut && release === undefined && /\$9\r\nsubscribe\r\n/.test(data.toString()))
        release = () => redis.write(data);
      else redis.write(data);
    });
    for (const [one, peer] of [
      [client, redis],
      [redis, client],
    ]) {
      sockets.add(one);
      one.on("error", () => {});
      one.on("close", () => peer.destroy());
    }
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const cut = () => {
    wasCut = true;
    for (const socket of sockets) socket.destroy();
  };
  t.teardown(() => {
    cut();
    server.close();
  });
  return {
    url: `redis://127.0.0.1:${(server.address() as { port: number }).port}`,
    cut,
    held: () => release !== undefined,
    release: () => release?.(),
  };
}
