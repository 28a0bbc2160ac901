// Connections that are alive and look dead.
import { setTimeout as sleep, setImmediate as turn } from "node:timers/promises";
import t from "tap";
import { ownRedis } from "../support/redis.ts";
import { open } from "./subject.ts";

t.test("[X12] a quiet bus is not cut, nor one that is busy with large messages", async (t) => {
  const redis = await ownRedis(t);
  const subject = await open(t, redis.url);
  await sleep(4_500);
  t.equal(subject.losses, 0);
  const large = new Uint8Array(4 * 2 ** 20);
  const end = performance.now() + 2_500;
  let listened = true;
  // One after the other: Redis cuts those who lag too far behind, which is another matter.
  for (let sent = 1; performance.now() < end; sent++) {
    listened &&= (await subject.bus.publish("a", large)) === 1;
    while (subject.received.length < sent) await turn();
    subject.received[sent - 1] = "";
  }
  t.ok(listened);
  t.equal(subject.losses, 0);
});

t.test("[X12] a node that stood still itself does not take its connections for dead", async (t) => {
  const redis = await ownRedis(t);
  const subject = await open(t, redis.url);
  // The ping of 2 s is on its way when the node stops, …
  await sleep(1_700);
  redis.pauseFor(1);
  await sleep(500);
  // … the answer comes meanwhile, and the end of the wait for it is past when the node goes on: with timers, before it reads.
  await turn();
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2_500);
  await sleep(200);
  t.equal(subject.losses, 0);
  t.equal(await subject.bus.publish("a", Buffer.from("x")), 1);
});
