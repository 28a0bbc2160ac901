// Connections that are dead and do not say so.
import { setTimeout as sleep } from "node:timers/promises";
import t from "tap";
import { BUS_ANSWER_MS } from "../../src/limits.ts";
import { CutProxy } from "../support/cut-proxy.ts";
import { ownRedis } from "../support/redis.ts";
import { AT_ONCE_MS, comesBack, open, refusedPublish } from "./subject.ts";
import { until } from "./until.ts";

/** A dead connection must be noticed within so long. */
const NOTICED_MS = 5_000;

t.test("[X10, X12] a Redis that stands still is noticed, and all is well when it goes on", async (t) => {
  const redis = await ownRedis(t);
  const subject = await open(t, redis.url);
  redis.pause();
  t.teardown(() => redis.resume());
  const took = await refusedPublish(t, subject);
  t.ok(took >= BUS_ANSWER_MS - 5 && took < BUS_ANSWER_MS + 500, `refused after ${Math.round(took)} ms`);
  const noticed = await until("the loss is told", () => subject.losses === 1, NOTICED_MS);
  t.ok(noticed + took < NOTICED_MS, `told after ${Math.round(noticed + took)} ms`);
  // The kernel takes connections for a process that stands still: several attempts hang.
  await sleep(3_500);
  t.ok((await refusedPublish(t, subject)) < AT_ONCE_MS, "refused at once meanwhile");
  redis.resume();
  await comesBack(t, subject);
  t.equal(subject.losses, 2);
});

t.test(
  "[X10, X12] a network that goes silent is noticed, and all is well when it speaks again",
  async (t) => {
    const redis = await ownRedis(t);
    const proxy = await CutProxy.start(t, redis.url);
    const subject = await open(t, proxy.url);
    // Right after a sign of life, which is the worst moment.
    await sleep(2_050);
    proxy.mode = "silent";
    const start = performance.now();
    t.ok((await refusedPublish(t, subject)) < BUS_ANSWER_MS + 500);
    await until("the loss is told", () => subject.losses === 1, NOTICED_MS);
    t.ok(performance.now() - start < NOTICED_MS, `told after ${Math.round(performance.now() - start)} ms`);
    await sleep(1_000);
    proxy.mode = "pass";
    await comesBack(t, subject);
  },
);
