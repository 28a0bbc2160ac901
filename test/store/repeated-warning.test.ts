import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import t from "tap";
import { StoreAway } from "../../src/actors/ports.ts";
import { Member } from "../../src/cluster/member.ts";
import { Routing } from "../../src/cluster/routing.ts";
import { WARNING_REPEAT_MS } from "../../src/limits.ts";
import { RepeatedWarning } from "../../src/telemetry/repeated-warning.ts";
import { CutProxy } from "../support/cut-proxy.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { hurriedClock } from "../support/hurried-clock.ts";
import { testDatabase } from "../support/postgres.ts";
import { temporaryFolder } from "../support/serve.ts";
import { KeptLog, open } from "./fixture.ts";

t.test("[D61] a reason is told at once, and then each minute", async (t) => {
  const clock = new FakeClock();
  const told: string[] = [];
  const warning = new RepeatedWarning(clock, (reason) => told.push(reason));
  const newly = () => told.splice(0);
  for (let i = 0; i < 10; i++) warning.tell("refused");
  t.same(newly(), ["refused"]);
  clock.pass(WARNING_REPEAT_MS / 2);
  warning.tell("refused");
  warning.tell("silent");
  t.same(newly(), ["silent"], "another reason is news");
  clock.pass(WARNING_REPEAT_MS / 2);
  warning.tell("silent");
  warning.tell("refused");
  t.same(newly(), ["refused"]);
  warning.over();
  warning.tell("refused");
  t.same(newly(), ["refused"], "after it worked it is news");
  for (let i = 0; i < 100; i++) warning.tell(`connection ${i}`);
  t.ok(newly().length < 10, "reasons without end are one");
});

t.test("[D61] a lease that cannot be renewed while the server is away is told once", async (t) => {
  const { url } = await testDatabase(t);
  const proxy = await CutProxy.start(t, url);
  const log = new KeptLog();
  const store = await open({
    dataDir: await temporaryFolder(t),
    databaseUrl: proxy.url,
    log,
    clock: hurriedClock(4),
  });
  t.teardown(() => store.close());
  const unrenewed = () => log.messages.filter((message) => message === "the lease could not be renewed");
  proxy.mode = "refuse";
  proxy.cut();
  // Each is a try of its own: nothing else asks.
  for (const { refused } = proxy; proxy.refused < refused + 5; ) await sleep(10);
  t.equal(unrenewed().length, 1);
});

t.test("[D61] and in a cluster, where it is tried more often", async (t) => {
  const clock = new FakeClock();
  const log = new KeptLog();
  let isAway = false;
  let tried = 0;
  const member = new Member({
    store: {
      ...{ incarnation: "self", setUrl: () => {}, drain: async () => {}, release: async () => {} },
      renew: async () => {
        tried++;
        if (isAway) throw new StoreAway("refused");
        return { members: [], shards: [] };
      },
      claimFree: async () => undefined,
    },
    host: {
      load: () => assert.fail(),
      forget: () => assert.fail(),
      bytes: () => 0,
      handOver: () => assert.fail(),
    },
    ...{ routing: new Routing(), clock, log, announce: () => {} },
    ...{ onSuspended: () => {}, onDown: () => {}, onFatal: (error) => t.fail(String(error)) },
  });
  t.teardown(() => member.stop());
  await member.start();
  for (const outage of [1, 2]) {
    isAway = true;
    const before = tried;
    await clock.advance(3_000);
    t.ok(tried > before + 4);
    t.equal(log.messages.length, outage);
    isAway = false;
    await clock.advance(3_000);
  }
});
