import t from "tap";
import { shardOf } from "../../src/actors/shard-hash.ts";
import { A, B, HERE, pair, SHARD, THERE } from "./mirror-pair.ts";

/** The test of many entities takes these, and the one above. */
const SHARDS = [...new Set([0, 1, 2, 3, 4, 5, 6, 7, SHARD])];
t.test(
  "[U5] in full to whoever has it not, then as motion, and gone when it leaves the interest",
  async (t) => {
    const { cluster, owner, viewer } = await pair();
    t.same(owner.source.stats, { ...owner.source.stats, full: 2, motion: 0, gone: 0 });
    t.same(viewer.entity(A), owner.entity(A));
    t.ok(viewer.mirrors.table.isMirror(viewer.picture.find(A)));
    t.equal(viewer.mirrors.table.size, 2);
    cluster.report(owner, A, [10.06, 50.05]);
    cluster.report(owner, A, [10.07, 50.05]);
    await cluster.pass(20);
    t.same(owner.source.stats, { ...owner.source.stats, full: 2, motion: 1, gone: 0 }, "conflated");
    t.same(viewer.entity(A), owner.entity(A));
    cluster.report(owner, A, undefined, '{"x":1}');
    await cluster.pass(20);
    t.same(owner.source.stats, { ...owner.source.stats, full: 3, motion: 1 }, "more than motion");
    viewer.removed.clear();
    cluster.report(owner, A, [100, 0]);
    await cluster.pass(20);
    t.same(owner.source.stats, { ...owner.source.stats, full: 3, gone: 1 });
    t.same([...viewer.removed], [[A, "left"]]);
    owner.picture.remove(owner.picture.find(B), "deleted");
    await cluster.pass(20);
    t.equal(viewer.removed.get(B), "deleted");
    t.equal(viewer.picture.size, 0);
    t.equal(owner.mirrors.stats.resyncs + viewer.mirrors.stats.resyncs, 0);
  },
);

t.test("[U5] when an entity was at its place is told too, in full and as motion", async (t) => {
  const { cluster, owner, viewer } = await pair();
  const { placedAt } = owner.entity(A)!;
  const is = (expected: object) => {
    t.match(owner.entity(A), expected);
    t.same(viewer.entity(A), owner.entity(A));
  };
  for (const [attributes, stats] of [
    ["", { full: 2, motion: 1 }],
    ['{"x":1}', { full: 3, motion: 1 }],
  ] as const) {
    cluster.report(owner, A, undefined, attributes);
    await cluster.pass(20);
    t.match(owner.source.stats, stats);
    is({ placedAt });
    t.ok(viewer.entity(A)!.t > placedAt);
  }
  cluster.report(owner, A, [10.06, 50.05]);
  await cluster.pass(20);
  is({ placedAt: owner.entity(A)!.t });
});

t.test("[U5] an id is followed wherever it is; what a viewer turns away from is gone", async (t) => {
  const { cluster, owner, viewer } = await pair();
  viewer.want([A]);
  viewer.look(THERE);
  await cluster.pass(200);
  t.same(viewer.entity(A), owner.entity(A));
  t.equal(viewer.entity(B), undefined);
  cluster.report(owner, A, [100, 0]);
  await cluster.pass(20);
  t.same(viewer.entity(A), owner.entity(A));
  viewer.want([]);
  viewer.look(HERE);
  await cluster.pass(200);
  t.equal(viewer.entity(A), undefined);
  t.same(viewer.entity(B), owner.entity(B));
  cluster.expire(owner, B);
  await cluster.pass(20);
  t.equal(viewer.entity(B)?.liveness, 3, "so that views can say why it departs");
});

t.test("[U6] what does not fit into a round waits, and is told once", async (t) => {
  const { cluster, owner, viewer } = await pair({ maxChangeBytes: 300, maxRoundBytes: 600 });
  const ids = Array.from({ length: 400 }, (_, i) => `e${i}`).filter((id) => SHARDS.includes(shardOf(id)));
  for (const shard of SHARDS) if (shard !== SHARD) await cluster.claim("owner", shard);
  for (const id of ids) cluster.report(owner, id, [-59.5, -9.5]);
  await cluster.pass(2_000);
  viewer.look(THERE);
  await cluster.pass(120);
  const { size } = viewer.mirrors.table;
  t.ok(size > 2 && size < ids.length, `${size} after 20 ms`);
  for (let i = 0; i < 5; i++) for (const id of ids) cluster.report(owner, id, [-59.5, -9.5]);
  const before = owner.source.stats.bytes;
  await cluster.pass(20);
  t.ok(owner.source.stats.bytes - before < 1_000, "a round is bounded");
  await cluster.pass(3_000);
  t.equal(viewer.mirrors.table.size, ids.length);
  t.equal(owner.source.waiting, 0);
  cluster.checkRest();
  t.ok(owner.source.stats.full + owner.source.stats.motion < 4 * ids.length, "and conflates");
});

t.test("[U7] a lost frame, and one that is cut, are made good", async (t) => {
  const { cluster, owner, viewer } = await pair();
  cluster.faults = { lost: 100, doubled: 0, refused: 0, delay: 0 };
  cluster.report(owner, A, [10.01, 50.01]);
  await cluster.pass(20);
  cluster.faults = { lost: 0, doubled: 0, refused: 0, delay: 0 };
  await cluster.pass(480);
  t.same(viewer.entity(A)?.lon, 10.05);
  await cluster.pass(60);
  t.same(viewer.entity(A)?.lon, 10.01, "its heartbeat tells that something is missing");
  t.equal(viewer.mirrors.stats.resyncs, 1);
  const { streams } = owner.source.stats;
  owner.source.resync("viewer", { stream: streams - 1 });
  owner.source.resync("viewer", null);
  owner.source.resync("nobody", { stream: streams });
  owner.source.interest("nobody", { k: 1 });
  owner.source.interest("nobody", "x");
  t.equal(owner.source.stats.streams, streams, "asked for twice, begun once");
  t.equal(owner.source.subscribers, 1);
});

t.test("[U14] what begins with the id of a deleted entity is another, also after a loss", async (t) => {
  const { cluster, owner, viewer } = await pair();
  for (let i = 0; i < 5; i++) cluster.report(owner, A, [10.06, 50.05]);
  await cluster.pass(20);
  cluster.delete(owner, A);
  await cluster.pass(20);
  t.equal(viewer.entity(A), undefined);
  t.equal(viewer.removed.get(A), "deleted");
  cluster.report(owner, A, [10.06, 50.05]);
  for (let i = 0; i < 5; i++) cluster.report(owner, B, [10.06, 50.05]);
  await cluster.pass(20);
  t.match(viewer.entity(A), { seq: 2 });
  viewer.removed.clear();
  cluster.faults = { lost: 100, doubled: 0, refused: 0, delay: 0 };
  cluster.delete(owner, B);
  cluster.report(owner, B, [10.07, 50.05]);
  await cluster.pass(20);
  t.match(viewer.entity(B), { seq: 7 }, "the end of the first one is lost");
  cluster.faults = { lost: 0, doubled: 0, refused: 0, delay: 0 };
  await cluster.pass(1_500);
  t.match(viewer.entity(B), { ...owner.entity(B), seq: 2 });
  t.equal(viewer.removed.get(B), "deleted");
  cluster.checkRest();
});

t.test("[U11] a silent node is told, and one that is heard again", async (t) => {
  const { cluster, viewer } = await pair();
  t.same(viewer.silences, []);
  await cluster.pass(5_000);
  t.same(viewer.silences, [], "it has nothing to say, and says so");
  t.ok(viewer.mirrors.stats.frames >= 10 && viewer.mirrors.stats.frames < 15);
  cluster.faults = { lost: 100, doubled: 0, refused: 0, delay: 0 };
  await cluster.pass(2_700);
  t.same(viewer.silences, ["owner silent"]);
  t.equal(viewer.mirrors.silentNodes, 1);
  t.equal(viewer.picture.size, 2);
  cluster.faults = { lost: 0, doubled: 0, refused: 0, delay: 0 };
  await cluster.pass(1_500);
  t.same(viewer.silences, ["owner silent", "owner heard"]);
  cluster.checkRest();
  cluster.faults = { lost: 100, doubled: 0, refused: 0, delay: 0 };
  await cluster.pass(2_700);
  cluster.die("owner");
  t.same(viewer.silences.slice(2), ["owner silent", "owner heard"], "it is no more");
});

t.test("[U4] an older interest does not replace a newer one", async (t) => {
  const { cluster, owner, viewer } = await pair();
  owner.source.interest("viewer", { k: 0, cover: [], ids: [] });
  await cluster.pass(100);
  t.equal(viewer.picture.size, 2);
  t.equal(owner.source.stats.gone, 0);
});
