import t from "tap";
import { EntityTable } from "../../src/actors/entity-table.ts";
import { shardOf } from "../../src/actors/shard-hash.ts";
import { MIRROR } from "../../src/picture/columns.ts";
import { FULL, Picture } from "../../src/picture/picture.ts";
import { A, B, HERE, pair, SHARD } from "./mirror-pair.ts";

t.test("[U8] what a lost owner had stays until the next one has told all", async (t) => {
  const { cluster, owner, viewer } = await pair();
  cluster.join("heir");
  cluster.commit(SHARD);
  const C = "never-durable";
  const inShard = Array.from({ length: 5_000 }, (_, i) => `${C}-${i}`).find((id) => shardOf(id) === SHARD)!;
  cluster.report(owner, inShard, [10.05, 50.05]);
  cluster.report(owner, A, [10.06, 50.05]);
  await cluster.pass(40);
  t.equal(viewer.entity(A)?.seq, 3);
  const slot = viewer.picture.find(A);
  viewer.removed.clear();
  cluster.die("owner");
  await cluster.pass(3_000);
  t.equal(viewer.picture.size, 3, "nothing leaves with it");
  await cluster.claim("heir", SHARD);
  await cluster.pass(40);
  t.same([...viewer.removed], [[inShard, "left"]], "what was never durable");
  t.match(viewer.entity(A), { epoch: 2, seq: 2, lon: 10.05 }, "as it is durable, under the new epoch");
  t.equal(viewer.picture.find(A), slot, "in the same slot");
  cluster.checkRest();
});

t.test("[U8] what only the newest interest holds does not leave because of an older one", async (t) => {
  const { cluster, viewer } = await pair();
  cluster.commit(SHARD);
  cluster.join("heir");
  await cluster.pass(40);
  viewer.look(undefined);
  await cluster.pass(100);
  viewer.removed.clear();
  viewer.look(HERE);
  await cluster.pass(100);
  t.equal(viewer.picture.size, 2);
  // The heir knows of no interest yet when it opens the shard.
  cluster.node("heir").source.forget("viewer");
  cluster.node("heir").source.interest("viewer", { k: 0, cover: [], ids: [] });
  cluster.release("owner", SHARD);
  await cluster.claim("heir", SHARD);
  await cluster.pass(3_000);
  t.same([...viewer.removed], []);
  t.equal(viewer.entity(A)?.epoch, 2);
  cluster.checkRest();
});

t.test("[U9] a shard that is opened takes its mirrors over", async (t) => {
  const { cluster, owner, viewer } = await pair();
  cluster.commit(SHARD);
  cluster.report(owner, B, undefined, '{"more":1}');
  cluster.report(owner, A, [10.06, 50.05]);
  await cluster.pass(40);
  const slots = [A, B].map((id) => viewer.picture.find(id));
  const durable = viewer.table.shards[SHARD];
  viewer.removed.clear();
  cluster.die("owner");
  await cluster.claim("viewer", SHARD);
  t.same(
    [A, B].map((id) => viewer.picture.find(id)),
    slots,
  );
  t.notOk(slots.some((slot) => viewer.mirrors.table.isMirror(slot)));
  t.match(viewer.entity(A), { epoch: 2, seq: 2, lon: 10.05, attributes: "" });
  t.match(viewer.entity(B), { epoch: 2, seq: 2, attributes: '{"name":"b"}' });
  t.same(
    slots.map((slot) => viewer.picture.changes().what.of(slot) & FULL),
    [FULL, FULL],
  );
  const lone = new EntityTable(new Picture());
  const shard = lone.shards[SHARD];
  lone.add(shard, 0, A, "ship");
  lone.particulars.setAttributes(lone.add(shard, 1, B, "ship"), '{"name":"b"}');
  t.equal(durable.bytes, shard.bytes, "counted as if it had been loaded");
  await cluster.pass(40);
  t.same([...viewer.removed], []);
  cluster.report(viewer, A, [10.07, 50.05]);
  t.match(viewer.entity(A), { epoch: 2, seq: 3, lon: 10.07 }, "it is an actor's");
  t.equal(viewer.mirrors.table.size, 0);
});

t.test("[U9] what was never durable is removed when a shard is opened", async (t) => {
  const { cluster, viewer } = await pair();
  viewer.removed.clear();
  cluster.die("owner");
  await cluster.claim("viewer", SHARD);
  await cluster.pass(20);
  t.same([...viewer.removed.values()], ["deleted", "deleted"]);
  t.equal(viewer.picture.size, 0);
});

t.test("[U9] an entity that durably has no place loses the one that was seen", async (t) => {
  const { cluster, owner, viewer } = await pair();
  const id = Array.from({ length: 5_000 }, (_, i) => `placeless-${i}`).find((id) => shardOf(id) === SHARD)!;
  cluster.report(owner, id, undefined);
  cluster.commit(SHARD);
  cluster.report(owner, id, [10.05, 50.05]);
  await cluster.pass(40);
  t.equal(viewer.entity(id)?.lon, 10.05);
  cluster.die("owner");
  await cluster.claim("viewer", SHARD);
  t.match(viewer.entity(id), { lon: NaN, flags: 0 });
  const found: number[] = [];
  viewer.picture.index.range(0, 2 ** 32 - 1, (slot) => found.push(slot));
  t.equal(found.length, 2);
});

t.test("[U10] of a shard that is given away, what viewers look at stays", async (t) => {
  const { cluster, owner, viewer } = await pair();
  owner.look(HERE);
  const far = Array.from({ length: 5_000 }, (_, i) => `far-${i}`).find((id) => shardOf(id) === SHARD)!;
  cluster.report(owner, far, [100, 0]);
  cluster.commit(SHARD);
  const slot = owner.picture.find(A);
  owner.table.memory.set(slot, { context: { a: 1 }, timers: [{ key: "x", due: 1 }] });
  const gone: number[] = [];
  const number = owner.table.number.of(slot);
  owner.source.closed(SHARD);
  owner.owned.delete(SHARD);
  owner.mirrors.release(owner.table, SHARD, (slot) => gone.push(slot));
  t.equal(gone.length, 3, "each is told, to disarm its timer");
  t.equal(owner.picture.find(A), slot);
  t.equal(owner.picture.columns.flags.of(slot) & MIRROR, MIRROR);
  t.equal(owner.picture.find(far), -1);
  t.same(owner.table.memory.get(slot), { context: {}, timers: [] });
  t.match(owner.table.shards[SHARD], { status: "closed", bytes: 0, nextNumber: 0 });
  t.equal(owner.table.duplicates.has(slot, 0, 0, 0, -1, false), false);
  await cluster.claim("viewer", SHARD);
  t.equal(viewer.table.number.of(viewer.picture.find(A)), number);
  await cluster.pass(200);
  t.same([...owner.removed], [[far, "left"]]);
  t.match(owner.entity(A), { epoch: 2, lon: 10.05 });
  cluster.checkRest();
});
