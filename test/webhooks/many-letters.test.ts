import { randomUUID } from "node:crypto";
import t from "tap";
import { StoreAway } from "../../src/actors/ports.ts";
import { START } from "../../src/events/cursor.ts";
import { dropDeadLetters } from "../../src/store/drop-dead-letters.ts";
import type { Store } from "../../src/store/store.ts";
import { openEmbedded, openOnPostgres } from "../events/rig.ts";
import { beforeFirst, rows } from "../store/fixture.ts";
import { passing } from "../support/passing.ts";

const SHARD = 7;
const DAY_MS = 86_400_000;
// So many that PostgreSQL looks some hundreds up in an index instead of reading all.
const MANY = 100_000;
/** As many as the status counts, and no more. */
const COUNTED = 10_000;
/** By this connection, more and more. */
const READ = `SELECT (seq_tup_read + coalesce(idx_tup_fetch, 0))::int AS n FROM pg_stat_xact_user_tables WHERE relname = 'webhook_letter'`;

for (const [name, openStore] of Object.entries({ server: openOnPostgres, embedded: openEmbedded })) {
  t.test(`[EV68] a webhook is removed with any number of dead letters: ${name}`, async (t) => {
    const store = await openStore(t);
    t.teardown(() => store.close());
    const { webhooks } = store;
    const [id, other] = [await hook(store), await hook(store)];
    await letters(store, id, 900, "ghost");
    await letters(store, id, 2, "waits", "now()");
    await letters(store, other, 3, "ghost");
    const left = async () =>
      rows<{ webhook: string; n: number }>(
        store,
        "SELECT webhook, count(*)::int AS n FROM webhook_letter GROUP BY 1 ORDER BY 2",
      );
    const away = beforeFirst(store, /^DELETE FROM webhook WHERE/, async () => {
      throw new Error("the connection was cut");
    });
    await t.rejects(webhooks.remove(id), StoreAway);
    t.equal(away.came, 1);
    t.same(
      await left(),
      [
        { webhook: id, n: 2 },
        { webhook: other, n: 3 },
      ],
      "what is done stays done; what waits goes with the webhook itself",
    );
    t.equal((await webhooks.statuses(id)).length, 1);
    t.equal(await webhooks.remove(id), true);
    t.same(await left(), [{ webhook: other, n: 3 }]);
    t.equal(await webhooks.remove(id), false);
  });

  t.test(`[EV68] of letters ${COUNTED} are counted: ${name}`, async (t) => {
    const store = await openStore(t);
    t.teardown(() => store.close());
    const [id, other] = [await hook(store), await hook(store)];
    await letters(store, id, COUNTED - 1);
    t.match(await store.webhooks.statuses(id), [{ waiting: 0, dead: COUNTED - 1 }]);
    await letters(store, other, COUNTED + 1, "b");
    await letters(store, other, COUNTED + 1, "b", "now()");
    t.match(await store.webhooks.statuses(other), [{ waiting: COUNTED, dead: COUNTED }]);
  });
}

t.test("[EV68] nothing but their removal reads all dead letters", async (t) => {
  const store = await openOnPostgres(t);
  t.teardown(() => store.close());
  const { webhooks, erasure, context } = store;
  const owned = { shard: SHARD, epoch: (await store.claim([SHARD])).get(SHARD)! };
  const [id, other] = [await hook(store), await hook(store)];
  await letters(store, id, MANY, "a");
  await letters(store, id, 2, "ghost");
  await letters(store, other, 1, "b", "now()");
  await rows(store, "ANALYZE webhook_letter");
  const reading = readLetters(store);
  const most = async (work: () => Promise<unknown>) => {
    reading.most = 0;
    await work();
    return reading.most;
  };
  const few = 1_100;
  const last = { era: 1, xid: 1, id: MANY };
  for (const [what, limit, work] of [
    ["status", COUNTED, () => webhooks.statuses(id)],
    ["status of another", few, () => webhooks.statuses(other)],
    ["what waits", few, () => webhooks.waiting(id, 2_000)],
    ["what is set aside", few, () => webhooks.aside(id, "a", START, 1_000)],
    ["a page of them", few, () => webhooks.deadLetters(id, START, 1_000)],
    ["what is given up for its age", few, () => dropDeadLetters(context, DAY_MS)],
    ["an erasure", few, () => erasure.erase(owned, "ghost", "letters")],
    ["an erasure of many", few, () => erasure.erase(owned, "a", "letters")],
  ] as const)
    t.ok((await most(work)) <= limit, `${what}: ${reading.most} rows`);
  t.same(await rows(store, "SELECT DISTINCT subject FROM webhook_letter"), [{ subject: "b" }]);

  await letters(store, id, MANY, "a");
  await rows(store, "ANALYZE webhook_letter");
  t.ok((await most(() => webhooks.redeliver(id, [last, START], 1_000))) <= few, `one: ${reading.most} rows`);
  t.same(
    (await webhooks.waiting(id, 10)).map(({ event }) => event.cursor),
    [last],
  );
  t.ok((await most(() => webhooks.redeliver(id, undefined, 20))) <= few, `some: ${reading.most} rows`);
  t.equal((await webhooks.statuses(id))[0]!.waiting, 21);
  t.ok((await most(() => webhooks.remove(id))) <= few, `removal, at a time: ${reading.most} rows`);
});

async function hook(store: Store): Promise<string> {
  const id = randomUUID();
  const webhook = { id, url: "http://127.0.0.1:9/", enabled: true, createdAt: 0, secret: "AAAA" };
  await store.webhooks.create(webhook);
  return id;
}

/** Dead ones, or such as are to be tried again. */
async function letters(store: Store, id: string, count: number, subject = "a", nextAt = "NULL") {
  const xid = nextAt === "NULL" ? 1 : 2;
  await rows(
    store,
    `INSERT INTO webhook_letter (webhook, era, xid, id, type, subject, time, data, attempts, failed_since, next_at)
     SELECT $1, $3, '${xid}', i, 't', $2, now(), '{}', 1, now(), ${nextAt} FROM generate_series(1, ${count}) AS i`,
    [id, subject, subject === "ghost" ? 2 : 1],
  );
}

/** Keeps how many rows of letters one statement has read. */
function readLetters(store: Store): { most: number } {
  const reading = { most: 0 };
  passing(store, /^/, async ({ query, args }) => {
    const read = async () => ((await query(READ)) as { rows: { n: number }[] }).rows[0]!.n;
    await query("BEGIN");
    const before = await read();
    const result = await query(...args);
    reading.most = Math.max(reading.most, (await read()) - before);
    await query("COMMIT");
    return result;
  });
  return reading;
}
