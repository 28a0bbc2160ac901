import { randomUUID } from "node:crypto";
import t from "tap";
import { StoreAway } from "../../src/actors/ports.ts";
import type { Store } from "../../src/store/store.ts";
import type { Progress } from "../../src/webhooks/ports.ts";
import { openEmbedded, openOnPostgres } from "../events/rig.ts";
import { beforeFirst, rows } from "../store/fixture.ts";
import { passing } from "../support/passing.ts";
import { tablesWith } from "../support/search-database.ts";

const SHARD = 7;
const HOLDER = "holder";
const SAVE = /^\s*WITH held AS \(\s*UPDATE webhook_delivery/;
const ROTATE = /^\s*UPDATE webhook SET secret/;
const STORES = { server: openOnPostgres, embedded: openEmbedded };

for (const [name, openStore] of Object.entries(STORES)) {
  t.test(
    `[EV65] a save that lands late finds a later one, or an erasure, and saves nothing: ${name}`,
    async (t) => {
      const store = await openStore(t);
      t.teardown(() => store.close());
      const { webhooks, erasure } = store;
      const { id, generation } = await heldWebhook(store);
      const owned = { shard: SHARD, epoch: (await store.claim([SHARD])).get(SHARD)! };
      const save = (progress: Progress) => webhooks.save(id, HOLDER, generation, progress);

      const first = detained(store, SAVE);
      await t.rejects(save(progressTo(1, "ghost")), StoreAway);
      t.equal(await save(progressTo(1, "ghost")), true, "tried again");
      t.equal(await save(progressTo(5, "b")), true);
      const saved = await webhooks.statuses(id);
      t.match(saved, [{ cursor: { id: 5 }, delivered: 2, waiting: 2 }]);
      await first.land();
      t.same(await webhooks.statuses(id), saved);

      const second = detained(store, SAVE);
      await t.rejects(save(progressTo(6, "ghost")), StoreAway);
      t.equal(await erasure.erase(owned, "ghost", "letters"), true);
      await second.land();
      t.same(await tablesWith(store.context.pool, "ghost"), [], "though nothing was saved since");
      t.match(await webhooks.statuses(id), [{ cursor: { id: 5 }, waiting: 1 }]);
      t.equal(await save(progressTo(7, "b")), true, "and the holder goes on");
      t.match(await webhooks.statuses(id), [{ cursor: { id: 7 }, delivered: 3, waiting: 2 }]);
    },
  );

  t.test(`[EV65] a save that an erasure comes before is saved, once: ${name}`, async (t) => {
    const store = await openStore(t);
    t.teardown(() => store.close());
    const { id, generation } = await heldWebhook(store);
    const passed = beforeFirst(store, SAVE, (query) => query("UPDATE webhook_delivery SET step = step + 1"));
    t.equal(await store.webhooks.save(id, HOLDER, generation, progressTo(1, "a")), true);
    t.equal(passed.came, 2);
    t.match(await store.webhooks.statuses(id), [{ cursor: { id: 1 }, delivered: 1, waiting: 1 }]);
  });

  t.test(`[EV66] a node that is down holds no webhook and saves nothing: ${name}`, async (t) => {
    const store = await openStore(t);
    t.teardown(() => store.close());
    const { webhooks } = store;
    const { id, generation } = await heldWebhook(store);
    const leases = () => rows(store, "SELECT lease_until::text FROM webhook_delivery");
    const held = await leases();
    await rows(store, "UPDATE fence SET down = true");
    t.same(await webhooks.hold(HOLDER, 120_000), []);
    t.same(await leases(), held);
    t.equal(await webhooks.save(id, HOLDER, generation, progressTo(1, "ghost")), false);
    t.same(await tablesWith(store.context.pool, "ghost"), []);
    t.match(await webhooks.statuses(id), [{ delivered: 0, waiting: 0 }]);
  });

  t.test(`[EV42] a rotation that lands after a later one changes nothing: ${name}`, async (t) => {
    const store = await openStore(t);
    t.teardown(() => store.close());
    const { webhooks } = store;
    const { id } = await heldWebhook(store);
    const secrets = async () => (await webhooks.statuses(id))[0]!.webhook.secrets;
    const until = Date.now() + 60_000;
    const late = detained(store, ROTATE);
    await t.rejects(webhooks.rotate(id, "LATE", until), StoreAway);
    t.type(await webhooks.rotate(id, "BBBB", until), "number");
    await late.land();
    t.equal((await secrets())[0], "BBBB");

    const passed = beforeFirst(store, ROTATE, (query) => query("UPDATE webhook SET secret = 'CCCC'"));
    t.type(await webhooks.rotate(id, "DDDD", until), "number");
    t.equal(passed.came, 2, "beside another it is tried again");
    t.equal((await secrets())[0], "DDDD");
  });
}

async function heldWebhook(store: Store): Promise<{ id: string; generation: number }> {
  const id = randomUUID();
  const webhook = { id, url: "http://127.0.0.1:9/", enabled: true, createdAt: 0, secret: "AAAA" };
  await store.webhooks.create(webhook);
  const [held] = await store.webhooks.hold(HOLDER, 60_000);
  return { id, generation: held!.generation };
}

/** The `n`th event is delivered, another of the subject has failed. */
function progressTo(n: number, subject: string): Progress {
  const cursor = { era: 1, xid: 1, id: n };
  const event = { cursor, type: "t", subject, time: 1, data: { subject } };
  const letters = [{ event, attempts: 1, failedSince: 1, nextAt: 1, error: "x" }];
  return { cursor, delivered: 1, failures: 0, gaps: 0, letters, done: [] };
}

/** Keeps the first statement that begins so on its way, as a network may after its sender has given it up. */
function detained(store: Store, begin: RegExp): { land(): Promise<void> } {
  const kept: unknown[][] = [];
  passing(store, begin, async ({ query, args }) => {
    if (kept.length > 0) return query(...args);
    kept.push(args);
    throw new Error("the connection was cut");
  });
  return {
    async land() {
      await (store.context.pool.query as (...args: unknown[]) => Promise<unknown>)(...kept[0]!);
    },
  };
}
