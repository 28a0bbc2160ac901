// The era of the log, and the numbers of its events: what makes a cursor good for one database, whatever becomes of that.
import { cp, rm } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import t from "tap";
import { type Cursor, compareCursors, cursorText, START } from "../../src/events/cursor.ts";
import type { Moment } from "../../src/events/ports.ts";
import { type CursorError, positionOf } from "../../src/events/position.ts";
import type { Store } from "../../src/store/store.ts";
import { batchOf, committed, open, openClustered } from "../store/fixture.ts";
import { madeDataDir } from "../support/data-dir.ts";
import { emptyDatabase, testDatabase } from "../support/postgres.ts";
import { execute } from "../support/postgres-server.ts";
import { temporaryFolder } from "../support/serve.ts";
import { eventsOf, readAll, STORES, textsOf } from "./read-log.ts";

/** When it began, Unix s. */
const SECONDS_OF_2025 = Date.UTC(2025, 0, 1) / 1_000;

t.test(
  "[EV81] a cursor survives that a copy of the files is put back, and no two events have one id",
  async (t) => {
    const dataDir = await madeDataDir(t);
    const copy = `${await temporaryFolder(t)}/copy`;
    const written = async (flushNo: number, subject: string) => {
      const store = await open({ dataDir });
      const epochs = await store.claim([1]);
      await committed(store, batchOf(flushNo, epochs, { 1: "x" }, eventsOf(flushNo, [subject])));
      const events = await readAll(store.eventLog, START, 10);
      return { store, events };
    };
    const before = await written(1, "a");
    await before.store.close();
    await cp(dataDir, copy, { recursive: true });
    const lost = await written(2, "lost");
    await lost.store.close();
    const passed = lost.events.at(-1)!.cursor;
    await rm(dataDir, { recursive: true });
    await cp(copy, dataDir, { recursive: true });
    // A copy is not put back in the second of the start after it was made.
    await sleep(1_100);
    const { store, events } = await written(2, "b");
    t.teardown(() => store.close());
    t.same(textsOf(events), ["1a", "2b"]);
    t.ok(compareCursors(events[1]!.cursor, passed) > 0);
    const after = positionOf(cursorText(passed), await store.eventLog.moment());
    t.same(textsOf(await readAll(store.eventLog, after, 10)), ["2b"]);
  },
);

t.test(
  "[EV81] who comes beside nodes of a cluster leaves the era as it is, unless they are gone for long",
  async (t) => {
    const { url } = await testDatabase(t);
    const eraOf = async (store: Store) => (await store.eventLog.moment()).bound.era;
    const join = async () => {
      const store = await openClustered({ dataDir: await temporaryFolder(t), databaseUrl: url });
      t.teardown(() => store.close());
      return store;
    };
    const first = await join();
    const era = await eraOf(first);
    await execute(url, "UPDATE node SET lease_until = now() - interval '9 minutes'");
    t.equal(await eraOf(await join()), era, "it may wait for the database to be back");
    await execute(url, "UPDATE node SET lease_until = now() - interval '11 minutes'");
    const third = await join();
    t.ok((await eraOf(third)) > era);
    t.equal(await first.cluster.renew(), undefined, "and it is out");
  },
);

for (const [kind, openStore] of Object.entries(STORES)) {
  t.test(`[EV43] a database refuses cursors of those that were there before it (${kind})`, async (t) => {
    const store = await openStore(t);
    const moment = await store.eventLog.moment();
    const { floor, end, bound } = moment;
    await store.close();
    t.ok(bound.era > Date.now() / 1_000 - SECONDS_OF_2025 - 60);
    t.same(end, floor);
    t.equal(refusal({ era: floor.era - 1, xid: 5, id: 5 }, moment), "cursor-gone");
    t.equal(refusal({ era: bound.era + 1, xid: 5, id: 5 }, moment), "bad-cursor");
    t.equal(refusal(end, moment), undefined);
  });
}

t.test("[EV43] events of two databases have numbers far from each other", async (t) => {
  const first = async () => {
    const { url } = await emptyDatabase(t);
    await (await open({ dataDir: await temporaryFolder(t), databaseUrl: url })).close();
    const [sequence] = await execute(url, "SELECT last_value::float8 AS last FROM event_id_seq");
    return Number((sequence as { last: number }).last);
  };
  t.ok(Math.abs((await first()) - (await first())) > 1_000_000);
});

function refusal(cursor: Cursor, moment: Moment): CursorError["type"] | undefined {
  try {
    positionOf(cursorText(cursor), moment);
    return undefined;
  } catch (error) {
    return (error as CursorError).type;
  }
}
