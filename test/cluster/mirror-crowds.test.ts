import assert from "node:assert/strict";
import t from "tap";
import { EntityTable } from "../../src/actors/entity-table.ts";
import { shardOf } from "../../src/actors/shard-hash.ts";
import { COMPLETE_RECORD, FrameReader, FULL_RECORD, GONE_RECORD } from "../../src/cluster/mirror-codec.ts";
import { MirrorSource } from "../../src/cluster/mirror-source.ts";
import { SHARDS } from "../../src/limits.ts";
import { type Cover, coverOf, covers, EVERYWHERE } from "../../src/picture/cover.ts";
import { Picture } from "../../src/picture/picture.ts";
import { BUCKET_KEYS } from "../../src/picture/spatial-index.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { fc, runs } from "../support/seeded.ts";

/** In one bucket of the index, and far behind it. */
const CROWD = [24.94, 60.17] as const;
const BEHIND = [150, 70] as const;
const BOX = coverOf([24, 59, 26, 61]);
const FAR = coverOf([149, 69, 151, 71]);

/** Each look at it takes a millisecond: a slice is 128 entities. */
class TiringClock extends FakeClock {
  override monotonic(): number {
    this.pass(1);
    return super.monotonic();
  }
}

/** Owns all shards, and keeps what it tells others as these do. */
class Owner {
  readonly picture = new Picture();
  readonly table = new EntityTable(this.picture);
  readonly source: MirrorSource;
  /** By node: the ids that it has, and how many shards are complete. */
  readonly told = new Map<string, { ids: Set<string>; complete: number }>();
  #made = 0;

  constructor(clock: FakeClock, maxRoundBytes?: number) {
    this.source = new MirrorSource({
      node: "owner",
      table: this.table,
      clock,
      publish: async (node, payload) => this.#take(node, payload),
      ...(maxRoundBytes !== undefined && { maxRoundBytes }),
    });
    for (const { index } of this.table.shards) {
      Object.assign(this.table.shards[index], { epoch: 1, status: "open" });
      this.source.opened(index, 1);
    }
  }

  #take(node: string, payload: Uint8Array): number {
    const told = this.told.get(node) ?? { ids: new Set(), complete: 0 };
    this.told.set(node, told);
    const frame = new FrameReader(payload.slice());
    for (let record = frame.next(); record !== 0; record = frame.next()) {
      const id = `${frame.shard}/${frame.number}`;
      if (record === FULL_RECORD) {
        assert.ok(!told.ids.has(id), `${id} is told once`);
        told.ids.add(id);
      } else if (record === GONE_RECORD) told.ids.delete(id);
      else if (record === COMPLETE_RECORD) told.complete += frame.shards.length;
    }
    return 1;
  }

  add([lon, lat]: readonly [number, number], count = 1): string[] {
    const ids = Array.from({ length: count }, () => `e${this.#made++}`);
    for (const id of ids) {
      const shard = this.table.shards[shardOf(id)];
      this.picture.place(this.table.add(shard, shard.nextNumber, id, "car"), lon, lat);
    }
    return ids;
  }

  delete(slot: number): void {
    this.table.shards[this.picture.columns.shard.of(slot)].unassign(this.table.number.of(slot));
    this.picture.remove(slot, "deleted");
  }

  /** Looks at what changed until now, while nobody wants anything. */
  settle(): void {
    while (this.source.waiting > 0) this.source.round();
    this.tick();
  }

  tick(): void {
    this.picture.clearChanges();
    this.picture.releaseRemoved(() => true);
  }

  want(node: string, k: number, cover: Cover): void {
    this.source.interest(node, { k, cover: [...cover], ids: [] });
  }

  inside(cover: Cover): string[] {
    const { columns } = this.picture;
    const slots = this.table.shards.flatMap((shard) => [...shard.slots()]);
    const inside = slots.filter((slot) => covers(cover, columns.key.of(slot)));
    return inside.map((slot) => `${columns.shard.of(slot)}/${this.table.number.of(slot)}`).sort();
  }
}

t.test("[U50] a crowd in one place is worked off, and what lies behind it", async (t) => {
  const owner = new Owner(new TiringClock());
  owner.add(CROWD, 2_000);
  owner.add(BEHIND, 10);
  owner.settle();
  owner.want("viewer", 1, EVERYWHERE);
  for (let round = 0; round < 20; round++) owner.source.round();
  t.equal(owner.told.get("viewer")?.ids.size, 2_010);
  t.equal(owner.told.get("viewer")?.complete, SHARDS);
  t.equal(owner.source.stats.full, 2_010);
});

t.test("[U50] … also while viewers look at ever more places", async (t) => {
  const owner = new Owner(new TiringClock());
  owner.add(CROWD, 2_000);
  owner.settle();
  for (let round = 0; round < 20; round++) {
    owner.want("viewer", round + 1, coverOf([24 - round, 59, 26, 61]));
    owner.source.round();
  }
  t.equal(owner.told.get("viewer")?.ids.size, 2_000);
});

for (const what of ["leaves", "is deleted", "comes back"])
  t.test(`[U50] … and it goes on when the one at which it stopped ${what}`, async (t) => {
    const owner = new Owner(new FakeClock(), 1_000);
    const { picture, source, told } = owner;
    const ids = owner.add(CROWD, 200);
    owner.add(BEHIND, 10);
    owner.settle();
    const key = picture.columns.key.of(0);
    const bucket = Uint32Array.of(key - (key % BUCKET_KEYS), key - (key % BUCKET_KEYS) + BUCKET_KEYS - 1);
    owner.want("viewer", 1, bucket);
    source.round();
    const { size } = told.get("viewer")!.ids;
    t.ok(size > 0 && size < 100);
    t.equal(told.get("viewer")!.complete, 0);
    // Who came last is looked at first.
    const stopped = ids[ids.length - 1 - size];
    const slot = picture.find(stopped);
    if (what === "is deleted") owner.delete(slot);
    else picture.place(slot, ...BEHIND);
    if (what === "comes back") picture.place(slot, ...CROWD);
    for (let round = 0; round < 50; round++) {
      source.round();
      owner.tick();
    }
    t.same([...told.get("viewer")!.ids].sort(), owner.inside(bucket));
    t.equal(told.get("viewer")!.ids.size, what === "comes back" ? 200 : 199);
    t.equal(told.get("viewer")!.complete, SHARDS);
  });

const change = fc.record({
  at: fc.nat(),
  what: fc.constantFrom("leaves", "comes", "is deleted", "begins", "is looked at", "is not"),
});

t.test("[U50] … and nobody is left out who comes and goes meanwhile", async () => {
  fc.assert(
    fc.property(fc.array(change, { minLength: 100, maxLength: 400 }), (changes) => {
      const owner = new Owner(new FakeClock(), 1_000);
      const { picture, source, table } = owner;
      owner.add(CROWD, 200);
      owner.add(BEHIND, 50);
      owner.settle();
      let wanted = BOX;
      owner.want("viewer", 1, wanted);
      for (const [i, { at, what }] of changes.entries()) {
        const slots = table.shards.flatMap((shard) => [...shard.slots()]);
        const slot = slots[at % slots.length];
        if (what === "leaves") picture.place(slot, ...BEHIND);
        else if (what === "comes") picture.place(slot, ...CROWD);
        else if (what === "begins") owner.add(CROWD);
        else if (what === "is deleted") owner.delete(slot);
        else if (i % 20 === 0) {
          wanted = what === "is looked at" ? BOX : FAR;
          owner.want("viewer", i + 2, wanted);
        }
        if (i % 4 === 0) source.round();
        owner.tick();
      }
      owner.want("viewer", 1_000, BOX);
      for (let round = 0; round < 100; round++) source.round();
      assert.deepEqual([...owner.told.get("viewer")!.ids].sort(), owner.inside(BOX));
      assert.ok(owner.told.get("viewer")!.complete >= SHARDS);
    }),
    { numRuns: runs(40) },
  );
});

t.test("[U51] whoever wants little does not wait for one who wants very much", async (t) => {
  const owner = new Owner(new TiringClock());
  owner.add(CROWD, 10_000);
  owner.add(BEHIND, 300);
  owner.settle();
  owner.want("much", 1, EVERYWHERE);
  owner.want("little", 1, FAR);
  owner.want("as little", 1, FAR);
  owner.source.round();
  t.ok(owner.told.get("much")!.ids.size > 60);
  t.equal(owner.told.get("little")?.ids.size, 0, "the slice is over");
  for (let round = 0; round < 12; round++) owner.source.round();
  t.equal(owner.told.get("little")?.complete, SHARDS);
  t.equal(owner.told.get("as little")?.complete, SHARDS);
  t.equal(owner.told.get("much")?.complete, 0);
  t.ok(owner.told.get("much")!.ids.size > 300);
  for (let round = 0; round < 100; round++) owner.source.round();
  t.equal(owner.told.get("much")?.complete, SHARDS);
});
