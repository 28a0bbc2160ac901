import { setTimeout as sleep } from "node:timers/promises";
import t, { type Test } from "tap";
import { PARTS } from "../../src/store/ring.ts";
import type { Store } from "../../src/store/store.ts";
import { hurriedClock } from "../support/hurried-clock.ts";
import { testDatabase } from "../support/postgres.ts";
import { temporaryFolder } from "../support/serve.ts";
import {
  alone,
  batchOf,
  beforeFirst,
  committed,
  KeptLog,
  open,
  openClustered,
  recovered,
  rows,
} from "./fixture.ts";

const SHARD = 7;
const FILLING = Buffer.alloc(10_000, "x");

interface Rig {
  store: Store;
  /** Commits a section and covers it with a checkpoint. @returns its row. */
  fill(): Promise<number>;
  commit(text: string): Promise<number>;
  parts(): Promise<number[]>;
}

/** The only node, or one of many; a part of its journal is full after five flushes. */
async function rigOf(t: Test, clustered: boolean): Promise<Rig> {
  const { url } = await testDatabase(t);
  const options = { dataDir: await temporaryFolder(t), databaseUrl: url, journalPartBytes: 50_000 };
  const store = await (clustered ? openClustered(options) : open(options));
  t.teardown(() => store.close());
  const epochs = store.cluster
    ? (await store.cluster.claimFree([SHARD], false))!
    : await store.claim([SHARD]);
  const epoch = epochs.get(SHARD)!;
  let flushNo = 0;
  const commit = (body: Buffer | string) => committed(store, batchOf(++flushNo, epochs, { [SHARD]: body }));
  return {
    store,
    commit,
    async fill() {
      const mark = await commit(FILLING);
      await store.write({ shard: SHARD, epoch, mark, body: Buffer.from("c") });
      return mark;
    },
    async parts() {
      const found = await rows<{ ring: number }>(store, "SELECT ring FROM journal ORDER BY id");
      return found.map(({ ring }) => ring);
    },
  };
}

/** Holds up the first statement of a store that begins so. @returns what lets it go, and how many came. */
function gate(store: Store, begin: RegExp) {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { open: resolve, statements: beforeFirst(store, begin, () => promise) };
}

/** Until a part is to be emptied. @returns the row that filled the one before. */
async function untilFull(rig: Rig, held: ReturnType<typeof gate>): Promise<number> {
  for (;;) {
    const last = await rig.fill();
    if (held.statements.came > 0) return last;
  }
}

for (const [name, clustered] of [
  ["alone", false],
  ["one of many", true],
] as const) {
  t.test(
    `[D7] flushes are committed while the next part is emptied, and go to it then: ${name}`,
    async (t) => {
      const rig = await rigOf(t, clustered);
      // It has the lock of that part then.
      const held = gate(rig.store, /^TRUNCATE/);
      await untilFull(rig, held);
      for (let i = 0; i < 5; i++) await rig.commit(`beside ${i}`);
      t.equal(held.statements.came, 1, "one at a time");
      held.open();
      const before = await rig.parts();
      const full = before.at(-1)!;
      const next = (full + 1) % PARTS;
      t.same(before.slice(-5), Array(5).fill(full), "they go to the part that is full");
      t.notOk(before.includes(next), "the next is empty");
      while ((await rig.parts()).at(-1) !== next) await rig.commit("later");
      const found = await recovered(rig.store, [SHARD]);
      const sections = found
        .filter((text) => /section/.test(text))
        .map((text) => text.split(" ").slice(2).join(" "));
      t.same(
        sections.slice(0, 5),
        [0, 1, 2, 3, 4].map((i) => `beside ${i}`),
      );
      t.ok(sections.slice(5).every((text) => text === "later"));
    },
  );

  t.test(`[D7] an erasure does not fill a part that is about to be emptied: ${name}`, async (t) => {
    const rig = await rigOf(t, clustered);
    const held = gate(rig.store, /^LOCK TABLE/);
    const last = await untilFull(rig, held);
    const next = ((await rig.parts()).at(-1)! + 1) % PARTS;
    const emptied = rig.store.erasure.empty(last, alone);
    await Promise.race([emptied, sleep(300)]);
    await rig.commit("kept");
    held.open();
    await emptied;
    // What was begun before has ended with this.
    while ((await rig.parts()).at(-1) !== next) await rig.commit("more");
    t.equal((await recovered(rig.store, [SHARD])).filter((text) => text.endsWith(" kept")).length, 1);
  });
}

t.test("[D61] while checkpoints are behind the log says so once", async (t) => {
  const { url } = await testDatabase(t);
  const log = new KeptLog();
  const store = await open({
    ...{
      dataDir: await temporaryFolder(t),
      databaseUrl: url,
      journalPartBytes: 50_000,
      log,
      clock: hurriedClock(10),
    },
  });
  t.teardown(() => store.close());
  const epochs = await store.claim([SHARD]);
  let flushNo = 0;
  const commit = async (count: number) => {
    for (let i = 0; i < count; i++) {
      await committed(store, batchOf(++flushNo, epochs, { [SHARD]: FILLING }));
      // So that the ring looks again: it does once a second at most.
      await sleep(50);
    }
  };
  await commit(60);
  t.same(log.messages, ["the journal grows: checkpoints are behind"]);
});
