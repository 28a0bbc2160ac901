/** What must hold of nodes and viewers when all faults are over and nothing is under way. */
import { EXPIRED } from "../../src/actors/messages.ts";
import { SHARDS } from "../../src/limits.ts";
import { HAS_PLACE } from "../../src/picture/columns.ts";
import { type Cover, coverOf, covers } from "../../src/picture/cover.ts";
import { fullRecord } from "../../src/picture/record.ts";
import type { FullRecord } from "../../src/transport/feed/protocol.ts";
import type { SimNode } from "./sim-node.ts";
import { ensure } from "./violation.ts";
import type { World } from "./world.ts";

/** C8: each shard is open, in one node. */
export function checkOwners(nodes: readonly SimNode[]): void {
  const owners = Array.from({ length: SHARDS }, (): string[] => []);
  for (const node of nodes) {
    if (!node.exists) continue;
    for (const { index, status } of node.life.system.table.shards)
      if (status === "open") owners[index].push(node.name);
  }
  for (const [shard, names] of owners.entries())
    ensure(
      names.length === 1,
      "C8",
      () => `shard ${shard} is open in ${names.length === 0 ? "no node" : names}`,
    );
}

/** C3: what owners have in memory is what is durable. */
export function checkState(nodes: readonly SimNode[], { history }: World): void {
  const held = new Map<string, number>();
  for (const node of nodes) {
    if (!node.exists) continue;
    const { columns } = node.life.system.picture;
    for (const slot of node.owned()) held.set(columns.id[slot]!, columns.seq.of(slot));
  }
  history.lives.checkState(held);
}

/** C6: each view holds what all owners together have within its cover. */
export function checkViews(nodes: readonly SimNode[]): void {
  const living = nodes.filter(({ isUp }) => isUp);
  const all: { record: FullRecord; key: number }[] = [];
  for (const node of living) {
    const { picture } = node.life.system;
    const { columns } = picture;
    for (const slot of node.owned()) {
      if ((columns.flags.of(slot) & HAS_PLACE) === 0 || columns.liveness.of(slot) === EXPIRED) continue;
      all.push({ record: fullRecord(picture, slot) as FullRecord, key: columns.key.of(slot) });
    }
  }
  for (const node of living) {
    for (const { replica } of node.life.viewers) {
      const cover = coverOf(replica.asked.bbox!);
      ensure(replica.state === "complete", "C6", () => `a view of ${node.name} is ${replica.state}`);
      checkView(node.name, replica.entities, within(all, cover));
    }
  }
}

function within(all: readonly { record: FullRecord; key: number }[], cover: Cover): Map<string, FullRecord> {
  const inside = all.filter(({ key }) => covers(cover, key));
  return new Map(inside.map(({ record }) => [record.id, record]));
}

export function checkView(
  node: string,
  held: ReadonlyMap<string, FullRecord>,
  expected: ReadonlyMap<string, FullRecord>,
): void {
  for (const [id, record] of expected) {
    const known = held.get(id);
    ensure(known !== undefined, "C6", () => `a view of ${node} lacks ${id}`);
    ensure(
      shown(known) === shown(record),
      "C6",
      () => `${node} shows ${shown(known)}, and there is ${shown(record)}`,
    );
  }
  for (const id of held.keys())
    ensure(expected.has(id), "C6", () => `a view of ${node} shows ${id}, which is not there`);
}

/** What is told of moves too, in one order. */
function shown({ epoch: _epoch, seq: _seq, received: _received, ...record }: FullRecord): string {
  return JSON.stringify(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
}
