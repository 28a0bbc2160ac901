// What the authority of a cluster must do, in PostgreSQL and in the simulations' memory. Each test has nodes and shards of its own.
import { setTimeout as sleep } from "node:timers/promises";
import type { Test } from "tap";
import { type CheckpointStore, type Journal, type ShardStore, StoreAway } from "../../src/actors/ports.ts";
import { type ClusterStore, LEASE_MS } from "../../src/cluster/ports.ts";
import { batchOf, recovered } from "./fixture.ts";

export interface ClusterNode extends Journal, CheckpointStore, ShardStore {
  readonly incarnation: string;
  readonly cluster: ClusterStore;
  onDown(down: (error: Error) => void): void;
  close(): Promise<void>;
}

export interface ClusterSubject {
  join(): Promise<ClusterNode>;
  /** Its lease ran out so long ago, ms. */
  expire(node: ClusterNode, ago?: number): Promise<void>;
  /** Begins a flush of this node that has its fence and hangs in the database until it is let go. */
  hang<T>(
    node: ClusterNode,
    begin: () => Promise<T>,
  ): Promise<{ result: Promise<T>; letGo(): Promise<void> }>;
  /** The next statement of this node is under way until it is let go. */
  delay(node: ClusterNode): () => void;
  /** Whether a call waits for a lock on a fence. */
  waits(call: Promise<unknown>): Promise<boolean>;
  /** Incarnations that the database knows, down or not. */
  known(): Promise<string[]>;
}

export async function clusterContract(t: Test, subject: ClusterSubject): Promise<void> {
  let next = 0;
  /** Shards that no other test uses. */
  const fresh = (n: number) => Array.from({ length: n }, () => next++);
  const test = (title: string, run: (t: Test, nodes: ClusterNode[], shards: number[]) => Promise<void>) =>
    t.test(title, async (t) => {
      const nodes = [await subject.join(), await subject.join()];
      t.teardown(() => Promise.all(nodes.map((node) => node.close())));
      await run(t, nodes, fresh(4));
    });
  const claim = async (node: ClusterNode, shards: number[], evict = false) => {
    const claimed = await node.cluster.claimFree(shards, evict);
    if (claimed === undefined) throw new Error("down");
    return claimed;
  };
  const none = new Map<number, number>();

  await test("[D25] a renewal tells all members and what is left of their leases", async (t, [a, b]) => {
    await subject.expire(b!);
    const state = await a!.cluster.renew();
    const own = state?.members.find(({ incarnation }) => incarnation === a!.incarnation);
    t.equal(own?.leaseLeftMs, LEASE_MS);
    t.match(own, { url: String, version: String, draining: false });
    t.match(
      state?.members.find(({ incarnation }) => incarnation === b!.incarnation),
      { leaseLeftMs: 0 },
      "one that has run out is a member until it is taken down",
    );
    await b!.cluster.renew();
    const left = (await a!.cluster.renew())?.members.find((member) => member.incarnation === b!.incarnation);
    t.ok(left!.leaseLeftMs > LEASE_MS - 2_000 && left!.leaseLeftMs <= LEASE_MS);
  });

  await test("[D25] a renewal tells all 256 shards, their owners and epochs", async (t, [a, b], [x, y]) => {
    const first = (await a!.cluster.renew())!;
    t.equal(first.shards.length, 256);
    t.notOk("owner" in first.shards[x!]!, "nobody's");
    const epoch = (await claim(b!, [x!])).get(x!)!;
    const second = (await a!.cluster.renew())!;
    t.same(second.shards[x!], { owner: b!.incarnation, epoch });
    t.same(second.shards[y!], first.shards[y!]);
    await subject.expire(b!);
    await claim(a!, [], true);
    const third = (await a!.cluster.renew())!;
    t.same(third.shards[x!], { epoch }, "one that is down is no owner");
    t.notOk(
      third.members.some(({ incarnation }) => incarnation === b!.incarnation),
      "and no member",
    );
  });

  await test("[D34] a renewal tells where the node is by now", async (t, [a, b]) => {
    const url = async (of: ClusterNode, by: ClusterNode) =>
      (await by.cluster.renew())!.members.find(({ incarnation }) => incarnation === of.incarnation)?.url;
    const before = await url(a!, a!);
    a!.cluster.setUrl("http://a:1");
    t.equal(await url(a!, b!), before, "not before it");
    t.equal(await url(a!, a!), "http://a:1", "to itself too");
    t.equal(await url(a!, b!), "http://a:1");
    t.equal(await url(b!, a!), before, "others stay where they are");
    t.equal(await url(a!, a!), "http://a:1");
  });

  await test("[D26] a claim takes what nobody owns, each with its epoch raised", async (t, [a, b], [
    x,
    y,
    z,
  ]) => {
    const before = (await a!.cluster.renew())!.shards;
    const first = await claim(a!, [y!, x!]);
    t.same([...first].sort(), [
      [x!, before[x!]!.epoch + 1],
      [y!, before[y!]!.epoch + 1],
    ]);
    const second = await claim(b!, [x!, y!, z!]);
    t.same([...second.keys()], [z!], "the shards of a living node are left alone");
    t.same(await claim(a!, [x!, y!, z!]), none, "and one's own");
    t.same(await claim(a!, []), none);
  });

  await test("[D26] two who claim at once never get the same shard", async (t, [a, b]) => {
    const many = fresh(40);
    for (let round = 0; round < 10; round++) {
      const [one, other] = await Promise.all([claim(a!, many), claim(b!, many)]);
      const rest = await claim(a!, many);
      const got = [...one.keys(), ...other.keys(), ...rest.keys()];
      t.equal(got.length, 40);
      t.equal(new Set(got).size, 40);
      await Promise.all([a!.cluster.release(many), b!.cluster.release(many)]);
    }
  });

  await test("[D26] flushes under way are not shut out by a claim", async (t, [a], [x, y]) => {
    const epochs = await claim(a!, [x!]);
    const flush = await subject.hang(a!, () => a!.append(batchOf(1, epochs, { [x!]: "one" }), 1));
    t.equal((await claim(a!, [y!])).size, 1, "nor do they hold it up");
    await flush.letGo();
    t.match(await flush.result, { status: "committed" });
  });

  await test("[D27] a node whose lease has run out is left alone without eviction", async (t, [a, b], [
    x,
  ]) => {
    const epochs = await claim(b!, [x!]);
    await subject.expire(b!);
    t.same(await claim(a!, [x!]), none);
    t.match(await b!.append(batchOf(1, epochs, { [x!]: "still" }), 1), { status: "committed" });
    t.ok(await b!.cluster.renew(), "it may renew again");
  });

  await test("[D27] eviction takes down those whose lease has run out, and no others", async (t, [a, b], [
    x,
    y,
  ]) => {
    const epochs = await claim(b!, [x!]);
    const third = await subject.join();
    t.teardown(() => third.close());
    const kept = await claim(third, [y!]);
    await third.cluster.renew();
    await subject.expire(a!);
    await subject.expire(b!);
    t.same(
      await claim(a!, [x!, y!], true),
      new Map([[x!, epochs.get(x!)! + 1]]),
      "the evictor's own is not judged",
    );
    t.same(await b!.append(batchOf(1, epochs, { [x!]: "stale" }), 1), { status: "fenced" });
    t.match(await third.append(batchOf(1, kept, { [y!]: "lives" }), 1), { status: "committed" });
    t.same(await recovered(a!, [x!]), []);
  });

  await test("[D27] eviction waits for a flush under way, which is then found", async (t, [a, b], [x]) => {
    const epochs = await claim(b!, [x!]);
    const flush = await subject.hang(b!, () => b!.append(batchOf(1, epochs, { [x!]: "in time" }), 1));
    await subject.expire(b!);
    const claiming = claim(a!, [x!], true);
    t.ok(await subject.waits(claiming));
    await flush.letGo();
    t.match(await flush.result, { status: "committed" });
    t.equal((await claiming).size, 1);
    t.same(await recovered(a!, [x!]), [`section ${x} in time`]);
  });

  await test("[D27] who renews while it is about to be evicted stays", async (t, [a, b], [x]) => {
    const epochs = await claim(b!, [x!]);
    const flush = await subject.hang(b!, () => b!.append(batchOf(1, epochs, { [x!]: "x" }), 1));
    await subject.expire(b!);
    const claiming = claim(a!, [x!], true);
    t.ok(await subject.waits(claiming));
    t.ok(await b!.cluster.renew(), "who waits does not hold up a renewal");
    await flush.letGo();
    t.same(await claiming, none);
    t.ok(await b!.cluster.renew());
  });

  await test("[D27] nodes that evict each other at once do not deadlock, and one stays", async (t, [
    a,
    b,
  ]) => {
    for (const node of [a!, b!]) await subject.expire(node);
    const ends = await Promise.all([a!.cluster.claimFree([], true), b!.cluster.claimFree([], true)]);
    t.equal(ends.filter((end) => end === undefined).length, 1);
  });

  await test("[D28] who is down renews, claims and writes nothing any more, and is told", async (t, [a, b], [
    x,
  ]) => {
    const down = new Promise<Error>((resolve) => b!.onDown(resolve));
    const epochs = await claim(b!, [x!]);
    const mark = await commit(b!, 1, epochs, { [x!]: "mine" });
    await subject.expire(b!);
    await claim(a!, [], true);
    t.same(await b!.append(batchOf(2, epochs, { [x!]: "stale" }), 1), { status: "fenced" });
    t.same(await b!.append(batchOf(2, epochs, { [x!]: "stale" }), 2), { status: "fenced" });
    t.equal(await b!.write({ shard: x!, epoch: epochs.get(x!)!, mark, body: Buffer.from("x") }), false);
    t.equal(await b!.cluster.renew(), undefined);
    t.match(await down, { message: /another node has taken/ });
    t.equal(await b!.cluster.claimFree([x!], false), undefined);
    t.equal(await b!.cluster.claimFree([x!], true), undefined);
    await b!.cluster.release([x!]);
    t.ok(!(await a!.cluster.renew())!.members.some(({ incarnation }) => incarnation === b!.incarnation));
    t.equal((await claim(a!, [x!])).size, 1, "its shards are free, with eviction or without");
    t.same(await recovered(a!, [x!]), [`section ${x} mine`]);
  });

  await test("[D29] a release frees the shards that are this node's, and no others", async (t, [a, b], [
    x,
    y,
    z,
  ]) => {
    const mine = await claim(a!, [x!, y!]);
    await claim(b!, [z!]);
    await a!.cluster.release([x!, z!]);
    const { shards } = (await a!.cluster.renew())!;
    t.same(shards[x!], { epoch: mine.get(x!) });
    t.equal(shards[y!]!.owner, a!.incarnation);
    t.equal(shards[z!]!.owner, b!.incarnation);
    t.equal((await claim(b!, [x!])).get(x!), mine.get(x!)! + 1);
    t.match(await a!.append(batchOf(1, mine, { [y!]: "kept" }), 1), { status: "committed" });
    const epoch = mine.get(y!)!;
    t.equal(await a!.write({ shard: y!, epoch, mark: 2 ** 40, body: Buffer.from("y") }), true);
  });

  await test("[D29] a flush that was begun before a release never lands after it", async (t, [a, b], [
    x,
    y,
  ]) => {
    const epochs = await claim(a!, [x!, y!]);
    const letGo = subject.delay(a!);
    const late = a!.append(batchOf(1, epochs, { [x!]: "late", [y!]: "late" }), 1);
    await sleep(1);
    await a!.cluster.release([x!]);
    letGo();
    t.same(await late, { status: "fenced" });
    await claim(b!, [x!]);
    t.same(await recovered(b!, [x!, y!]), [], "whatever it holds");
  });

  await test("[D29] a checkpoint that was begun before a release never lands after it", async (t, [a], [
    x,
    y,
  ]) => {
    const epochs = await claim(a!, [x!, y!]);
    const mark = await commit(a!, 1, epochs, { [x!]: "1" });
    const letGo = subject.delay(a!);
    const late = a!.write({ shard: x!, epoch: epochs.get(x!)!, mark, body: Buffer.from("late") });
    await sleep(1);
    await a!.cluster.release([y!]);
    letGo();
    t.equal(await late, false);
    t.same(await recovered(a!, [x!]), [`section ${x} 1`]);
  });

  await test("[D29] a release waits for a flush under way, which is then found", async (t, [a, b], [x]) => {
    const epochs = await claim(a!, [x!]);
    const flush = await subject.hang(a!, () => a!.append(batchOf(1, epochs, { [x!]: "in time" }), 1));
    const release = a!.cluster.release([x!]);
    t.ok(await subject.waits(release));
    const after = a!.append(batchOf(2, epochs, { [x!]: "after" }), 1);
    await flush.letGo();
    t.match(await flush.result, { status: "committed" });
    await release;
    t.same(
      await after,
      { status: "fenced" },
      "a flush of what was given away is none of the node's any more",
    );
    await claim(b!, [x!]);
    t.same(await recovered(b!, [x!]), [`section ${x} in time`]);
  });

  await test("[D29] while a release is under way flushes of other shards wait, and land", async (t, [a], [
    x,
    y,
  ]) => {
    const epochs = await claim(a!, [x!, y!]);
    const letGo = subject.delay(a!);
    const release = a!.cluster.release([x!]);
    const flush = a!.append(batchOf(1, epochs, { [y!]: "kept" }), 1);
    await sleep(5);
    letGo();
    await release;
    t.match(await flush, { status: "committed" });
  });

  await test("[D29] a shard that comes back is written again, under its new epoch only", async (t, [a], [
    x,
  ]) => {
    const before = await claim(a!, [x!]);
    await a!.cluster.release([x!]);
    const after = await claim(a!, [x!]);
    t.equal(after.get(x!), before.get(x!)! + 1);
    t.same(await a!.append(batchOf(1, before, { [x!]: "old" }), 1), { status: "fenced" });
    t.match(await a!.append(batchOf(2, after, { [x!]: "new" }), 1), { status: "committed" });
    t.same(await recovered(a!, [x!]), [`section ${x} new`]);
  });

  await test("[D30] a node that drains tells it and claims nothing more", async (t, [a, b], [x]) => {
    await a!.cluster.drain();
    t.same(await claim(a!, [x!]), none);
    const state = await b!.cluster.renew();
    const draining = (node: ClusterNode) =>
      state?.members.find(({ incarnation }) => incarnation === node.incarnation)?.draining;
    t.equal(draining(a!), true);
    t.equal(draining(b!), false);
  });

  await test("[D30] who leaves frees its shards at once and is forgotten", async (t, [a, b], [x, y]) => {
    const epochs = await claim(b!, [x!, y!]);
    await commit(b!, 1, epochs, { [x!]: "last" });
    await b!.close();
    t.notOk((await subject.known()).includes(b!.incarnation));
    t.same((await claim(a!, [x!, y!])).size, 2);
    t.same(await recovered(a!, [x!, y!]), [`section ${x} last`]);
    const outcome = await b!.append(batchOf(2, epochs, { [x!]: "gone" }), 1).catch((error) => error);
    t.ok(outcome instanceof StoreAway || outcome.status === "fenced");
  });

  await test("[D30] who was taken down is forgotten after an hour, once it owns nothing", async (t, [a, b], [
    x,
  ]) => {
    await claim(b!, [x!]);
    await subject.expire(b!, 3_500_000);
    await claim(a!, [], true);
    t.ok((await subject.known()).includes(b!.incarnation));
    await subject.expire(b!, 3_700_000);
    await claim(a!, [], true);
    t.ok((await subject.known()).includes(b!.incarnation), "it still owns a shard");
    await claim(a!, [x!]);
    await claim(a!, [], true);
    t.notOk((await subject.known()).includes(b!.incarnation));
    t.equal(await b!.cluster.renew(), undefined);
  });

  await test("[D33] a checkpoint never goes back", async (t, [a], [x]) => {
    const epochs = await claim(a!, [x!]);
    const epoch = epochs.get(x!)!;
    const first = await commit(a!, 1, epochs, { [x!]: "1" });
    const second = await commit(a!, 2, epochs, { [x!]: "2" });
    t.equal(await a!.write({ shard: x!, epoch, mark: second, body: Buffer.from("12") }), true);
    t.equal(await a!.write({ shard: x!, epoch, mark: first, body: Buffer.from("1") }), false);
    t.equal(await a!.write({ shard: x!, epoch, mark: second, body: Buffer.from("12!") }), true);
    t.same(await recovered(a!, [x!]), [`checkpoint ${x}@${second} 12!`]);
  });

  await test("[D2] a flush that is tried again is written once, and its first attempt lands no more", async (t, [
    a,
  ], [x]) => {
    const epochs = await claim(a!, [x!]);
    const batch = batchOf(1, epochs, { [x!]: "once" });
    const letGo = subject.delay(a!);
    const first = a!.append(batch, 1).then(
      (outcome) => outcome.status,
      () => "away",
    );
    await sleep(1);
    const second = await a!.append(batch, 2);
    t.match(second, { status: "committed" });
    t.same(await a!.append(batch, 3), second);
    letGo();
    t.equal(await first, "fenced");
    t.same(await recovered(a!, [x!]), [`section ${x} once`]);
  });
}

async function commit(
  node: ClusterNode,
  flushNo: number,
  epochs: Map<number, number>,
  texts: Record<number, string>,
): Promise<number> {
  const outcome = await node.append(batchOf(flushNo, epochs, texts), 1);
  if (outcome.status !== "committed") throw new Error(outcome.status);
  return outcome.journalId;
}
