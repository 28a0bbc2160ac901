// Who may see what of the rows of a real store, and labels of then and of now.
import { setTimeout as sleep } from "node:timers/promises";
import t, { type Test } from "tap";
import { EntityTable } from "../../src/actors/entity-table.ts";
import { LocalTails } from "../../src/actors/local-tails.ts";
import { shardOf } from "../../src/actors/shard-hash.ts";
import type { SegmentBatch } from "../../src/actors/track-source.ts";
import { Picture } from "../../src/picture/picture.ts";
import type { Store } from "../../src/store/store.ts";
import { History } from "../../src/tracks/history.ts";
import { PackedSegments } from "../../src/tracks/packed-segments.ts";
import { KeptLog, open } from "../store/fixture.ts";
import { madeDataDir } from "../support/data-dir.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { testDatabase } from "../support/postgres.ts";
import { temporaryFolder } from "../support/serve.ts";
import { segment } from "./rig.ts";

t.test("[AC34] labels of then and of now: embedded", async (t) => {
  await judged(t, await open({ dataDir: await madeDataDir(t), log: new KeptLog() }));
});

t.test("[AC34] labels of then and of now: PostgreSQL", async (t) => {
  const { url } = await testDatabase(t);
  await judged(t, await open({ dataDir: await temporaryFolder(t), databaseUrl: url, log: new KeptLog() }));
});

const START = Date.UTC(2026, 4, 1, 12);

async function judged(t: Test, store: Store): Promise<void> {
  t.teardown(() => store.close());
  const batches: SegmentBatch[] = [];
  let written = 0;
  store.tracks.start({ holdMs: 300_000, segments: () => batches.shift(), late: () => [] });
  const north = { labels: ["north"] };
  const segments = [
    segment("mine", START, 60, north),
    segment("lost", START, 60, north),
    segment("gone", START, 60, north),
    segment("given", START, 60, { labels: ["south"] }),
    segment("given", START + 60_000, 60, north),
    ...Array.from({ length: 1_100 }, (_, i) => segment(`other-${i}`, START, 60)),
  ];
  for (let i = 0; i < segments.length; i += 100)
    batches.push({
      segments: PackedSegments.of(segments.slice(i, i + 100)),
      written: () => void written++,
    });
  const all = batches.length;
  while (written < all) await sleep(20);

  const table = new EntityTable(new Picture());
  for (const shard of table.shards) shard.status = "open";
  for (const [id, labels] of [
    ["mine", ["north"]],
    ["lost", ["south"]],
    ["given", ["north"]],
  ] as const) {
    const slot = table.picture.add(id, shardOf(id));
    table.picture.columns.labels.set(slot, [...labels]);
  }
  const history = new History(store.history, new LocalTails(table, new FakeClock()).alone);
  const permitted = ['"north" in entity.labels'];
  const listed: string[] = [];
  for (let after: string | undefined; ; ) {
    const page = await history.at({ t: START + 30_000, limit: 1, after, permitted });
    listed.push(...page.records.map(({ id }) => id));
    if (page.next === undefined) break;
    after = page.next;
  }
  t.same(listed, ["gone", "mine"]);
  const began: Record<string, number[]> = {};
  for (const id of ["mine", "lost", "gone", "given"]) {
    const { record } = await history.one(id, { t: START + 30_000, permitted });
    t.equal(record !== undefined, listed.includes(id), id);
    const { segments: way } = await history.of({ id, from: -Infinity, to: Infinity, permitted });
    began[id] = [];
    for await (const { points } of way) began[id].push((points[0]!.t - START) / 1_000);
  }
  t.same(began, { mine: [0], lost: [], gone: [0], given: [60] });
  const played = new Set<string>();
  await history.during({ from: START, to: START + 90_000, permitted }, (page) => {
    for (const { id, first } of page) played.add(`${id} ${(first - START) / 1_000}`);
    return START + 90_000;
  });
  t.same([...played].sort(), ["given 60", "gone 0", "mine 0"]);
}
