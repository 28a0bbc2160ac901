import t from "tap";
import { shardOf } from "../../src/actors/shard-hash.ts";
import { entityRows } from "../../src/entity-rows.ts";
import type { SnapshotRow } from "../../src/store/snapshot.ts";
import { HARBOUR, report, seen, startSystem } from "../support/actor-system.ts";

t.test(
  "[N8] entity rows are made of checkpoints, and only of what changed since the last that was written and is there",
  async (t) => {
    const h = await startSystem({ fences: [HARBOUR] });
    const offers: { rows: () => Promise<Iterable<SnapshotRow> | undefined>; written: () => void }[] = [];
    const gone = new Set<number>();
    const onCheckpoint = entityRows(
      {
        offer: (_shard, _epoch, rows, written) => offers.push({ rows, written }),
        checkpoint: async (shard, epoch) => {
          const durable = h.store.checkpoints.get(shard)!;
          return durable.epoch === epoch ? durable.body : undefined;
        },
      },
      (_, number) => !gone.has(number),
    );
    const shard = h.system.table.shards[0xc5]!;
    const [one, two] = idsOf(shard.index);
    const take = async (...reports: Parameters<typeof report>[]) => {
      const answer = h.system.router.submit(reports.map((args) => report(...args)));
      await h.clock.advance(30);
      await answer;
      const checkpoint = h.system.checkpointer.take(true)!;
      await h.system.checkpointer.write(checkpoint, h.system.commit.lastJournalId);
      onCheckpoint({ ...checkpoint, body: h.store.checkpoints.get(shard.index)!.body });
      const { rows, written } = offers.at(-1)!;
      return { rows: [...(await rows())!], written };
    };

    const first = await take(
      [one, -2, { speed: 4, attributes: { name: "Aava" }, source: "radar" }],
      [two, -2, { lon: 26 }],
    );
    t.match(
      first.rows.find((row) => row.id === one),
      {
        id: one,
        kind: "vessel",
        state: "online.moving",
        liveness: "live",
        lon: 25,
        lat: 60,
        speed: 4,
        source: "radar",
        fences: ["harbour"],
        epoch: 1,
      },
    );
    t.same(first.rows.find((row) => row.id === two)!.fences, []);
    t.same(JSON.parse(first.rows.find((row) => row.id === one)!.attributes), { name: "Aava" });
    t.equal(first.rows.find((row) => row.id === one)!.alt, undefined, "unknown is absent");
    t.equal(first.rows.find((row) => row.id === one)!.seq, seen(h.system, one)!.seq);

    const second = await take([one, -1]);
    t.same(second.rows.map((row) => row.id).sort(), [one, two].sort(), "the first offer was not written yet");
    second.written();
    const third = await take([two, -1]);
    t.same(
      third.rows.map((row) => row.id),
      [two],
      "the rest is written",
    );
    gone.add(h.system.table.number.of(h.system.picture.find(two)));
    const fourth = await take([one, 0], [two, 0]);
    t.same(
      fourth.rows.map((row) => row.id),
      [one],
      "what was deleted since gets none",
    );
    fourth.written();
    const attributes = { text: "x".repeat(8_000) };
    const many = idsOf(shard.index).slice(2, 12);
    const fifth = await take(...many.map((id): Parameters<typeof report> => [id, 0, { attributes }]));
    t.same(fifth.rows.map((row) => row.id).sort(), many.sort(), "a large one is read again");
    h.store.checkpoints.get(shard.index)!.epoch += 1;
    t.equal(await offers.at(-1)!.rows(), undefined, "not that of another owner");
  },
);

/** Some ids of a shard. */
function idsOf(shard: number): string[] {
  return Array.from({ length: 4_000 }, (_, i) => `v${i}`).filter((id) => shardOf(id) === shard);
}
