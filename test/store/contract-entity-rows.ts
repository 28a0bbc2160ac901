// What both stores must do about the rows of entities, on a database that may have been used before.
import type { Test } from "tap";
import type { SnapshotRow } from "../../src/store/snapshot.ts";
import type { Store } from "../../src/store/store.ts";
import { count, rows } from "./fixture.ts";

export async function entityRowsContract(t: Test, store: Store): Promise<void> {
  await t.test(
    "[D16] entity rows are written behind, and an older state never replaces a newer one",
    async (t) => {
      const epochs = await store.claim([60]);
      const written = (shard: number, made: SnapshotRow[], epoch = epochs.get(shard)!) =>
        rowsWritten(store, shard, epoch, made);
      await written(60, [
        rowOf("r1", 1, 5, { fences: ["harbour", 'q"{,}'] }),
        rowOf("r2", 1, 1, { lon: undefined, lat: undefined, labels: ["a", 'b"'] }),
      ]);
      await written(60, [rowOf("r1", 1, 4, { state: "older" }), rowOf("r2", 2, 0, { state: "newer epoch" })]);
      const found = await rows(
        store,
        `SELECT id, state, liveness, kind, ST_X(geom) AS lon, ST_Y(geom) AS lat, speed, attributes, labels, fences, epoch, seq::int,
       (extract(epoch FROM t) * 1000)::float8 AS t FROM entity WHERE id IN ('r1', 'r2') ORDER BY id`,
      );
      t.match(found, [
        {
          id: "r1",
          state: "moving",
          kind: "truck",
          lon: 24.9,
          lat: 60.1,
          speed: 3.5,
          attributes: { a: 1 },
          labels: [],
          fences: ["harbour", 'q"{,}'],
          seq: 5,
          t: 1_400_000_000_123,
        },
        { id: "r2", state: "newer epoch", lon: 24.9, fences: [], epoch: 2, seq: 0 },
      ]);
      await written(60, [
        rowOf("r2", 2, 1, { lon: undefined, lat: undefined, labels: ["a", 'b"'], t: -Infinity }),
      ]);
      const [placeless] = await rows(store, "SELECT geom, labels, t FROM entity WHERE id = 'r2'");
      t.same(placeless, { geom: null, labels: ["a", 'b"'], t: null });
      const again = await store.claim([60, 61]);
      void written(60, [rowOf("r3", 9, 9)]).then(() => t.fail("it is not his to write"));
      await written(61, [rowOf("r4", 9, 9)], again.get(61)!);
      t.equal(await count(store, "entity WHERE id = 'r3'"), 0, "nor does one who has the shard no longer");
      await written(60, [rowOf("r5", 9, 9)], again.get(60)!);
    },
  );

  await t.test("[D16] a row that PostgreSQL refuses keeps no other from being written", async (t) => {
    const made = Array.from({ length: 300 }, (_, i) =>
      rowOf(`mixed-${i}`, 1, 1, i % 150 === 7 ? { attributes: '{"a":"\\u0000"}' } : {}),
    );
    const epoch = (await store.claim([64])).get(64)!;
    await rowsWritten(store, 64, epoch, made);
    t.equal(await count(store, "entity WHERE id LIKE 'mixed-%'"), 298);
    t.equal(await count(store, "entity WHERE id IN ('mixed-7', 'mixed-157')"), 0);
  });

  await t.test("[D16] rows of a shard that has moved are not taken for written", async (t) => {
    const epoch = (await store.claim([65])).get(65)!;
    const written = () => t.fail("it is another's");
    store.snapshot.offer(65, epoch, async () => undefined, written);
    await rowsWritten(store, 64, epoch, []);
  });
}

/** Resolves when the rows are durable. */
export function rowsWritten(store: Store, shard: number, epoch: number, made: SnapshotRow[]): Promise<void> {
  return new Promise((resolve) => store.snapshot.offer(shard, epoch, async () => made, resolve));
}

export function rowOf(id: string, epoch: number, seq: number, more: Partial<SnapshotRow> = {}): SnapshotRow {
  return {
    id,
    kind: "truck",
    state: "moving",
    liveness: "live",
    t: 1_400_000_000_123,
    received: 1_500_000_000_000,
    lon: 24.9,
    lat: 60.1,
    speed: 3.5,
    attributes: '{"a": 1}',
    ...{ labels: [], fences: [] },
    ...{ epoch, seq },
    ...more,
  };
}
