import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import t from "tap";
import { connect } from "../../client/connection.ts";
import { EventTail } from "../../src/events/tail.ts";
import { EVENT_LAG_WARN_MS } from "../../src/limits.ts";
import { open } from "../store/fixture.ts";
import { hurriedClock } from "../support/hurried-clock.ts";
import { stoppableDatabase, testDatabase } from "../support/postgres.ts";
import { TOKEN, temporaryFolder } from "../support/serve.ts";
import { Receiver } from "../webhooks/receiver.ts";
import { deliveryRig, until } from "../webhooks/rig.ts";
import { rig, sse } from "./rig.ts";

t.test("[EV16] a stream, a feed and a webhook go on without a loss after PostgreSQL was away", async (t) => {
  const { url, stop, start } = await stoppableDatabase();
  const store = await open({ dataDir: await temporaryFolder(t), databaseUrl: url });
  const receiver = await Receiver.start(t);
  const made = await rig(t, "ws", store);
  const { writer, get } = made;
  const delivering = await deliveryRig(t, store, writer);
  await delivering.hook(receiver.url);
  delivering.node();
  const streamed: unknown[] = [];
  const response = await get("/v1/events?after=start", { accept: "text/event-stream" });
  const reading = (async () => {
    for await (const { data } of sse(response))
      if (data !== undefined && streamed.push(JSON.parse(data).data.n) === 60) return;
  })();
  const connection = connect(made.url, { token: TOKEN });
  t.teardown(() => connection.close());
  const fed: unknown[] = [];
  connection.events({ after: "start" }, (event) => fed.push(event.data.n));

  const writeTen = async () => {
    for (let i = 0; i < 10; i++) await writer.write(["a", "b"]);
  };
  await writeTen();
  await until(() => streamed.length === 20 && fed.length === 20 && receiver.taken.length === 20);
  await stop();
  const writing = writeTen();
  t.equal((await get("/v1/events")).status, 503);
  await sleep(1_500);
  await start();
  await writing;
  await writeTen();
  await reading;
  await until(() => fed.length === 60 && new Set(receiver.taken).size === 60);
  const all = Array.from({ length: 60 }, (_, i) => i + 1);
  t.same(streamed, all, "the stream");
  t.same(fed, all, "the feed");
  t.same(
    [...new Set(receiver.attempts.a)],
    all.filter((n) => n % 2 === 1),
    "the webhook, in order for each subject",
  );
});

t.test(
  "[EV17] a transaction that keeps the end of the log from moving on is told, with who holds it",
  async (t) => {
    const { url } = await testDatabase(t);
    const store = await open({ dataDir: await temporaryFolder(t), databaseUrl: url });
    t.teardown(() => store.close());
    const held: { lagMs: number; holders: readonly string[] }[] = [];
    const tail = new EventTail({
      log: store.eventLog,
      clock: hurriedClock(20),
      onHeld: (lagMs, holders) => held.push({ lagMs, holders }),
      onFatal: (error) => t.fail(String(error)),
    });
    tail.start();
    t.teardown(() => tail.stop());
    const holder = new pg.Client({ connectionString: url, application_name: "a report that never ends" });
    await holder.connect();
    t.teardown(() => holder.end());
    await holder.query("BEGIN");
    await holder.query("SELECT pg_current_xact_id()");
    await until(() => held.length > 0);
    t.ok(held[0]!.lagMs >= EVENT_LAG_WARN_MS && tail.lagMs >= EVENT_LAG_WARN_MS);
    t.match(
      held[0]!.holders[0],
      /process \d+ of postgres in muster_test_\w+ \(a report that never ends\), idle in transaction for \d+ s/,
    );
    await holder.query("COMMIT");
    await until(() => tail.lagMs === 0);
    t.pass("and that it is over");
  },
);
