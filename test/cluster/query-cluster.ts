/** Nodes that answer queries together, over a bus that takes 1 ms. */
import { EntityTable } from "../../src/actors/entity-table.ts";
import { LocalTails } from "../../src/actors/local-tails.ts";
import { shardOf } from "../../src/actors/shard-hash.ts";
import type { QueryMessage } from "../../src/cluster/query-message.ts";
import { Scatter } from "../../src/cluster/scatter.ts";
import { SHARDS } from "../../src/limits.ts";
import { Picture } from "../../src/picture/picture.ts";
import { FakeClock } from "../support/fake-clock.ts";

export interface Place {
  id: string;
  lon: number;
  lat: number;
  kind: string;
  /** Bytes of its attributes. */
  weight: number;
}

/** Adds an entity; `seq` tells versions apart. */
export function add(picture: Picture, { id, lon, lat, kind, weight }: Place, seq = 1): void {
  const slot = picture.add(id, shardOf(id));
  const { columns } = picture;
  columns.kind.set(slot, columns.kinds.number(kind));
  columns.epoch.set(slot, 1);
  columns.seq.set(slot, seq);
  if (weight > 0) columns.attributes.set(slot, JSON.stringify({ text: "x".repeat(weight) }));
  picture.place(slot, lon, lat);
}

/** Of entities without tracks. */
export function tailsOf(picture: Picture, clock: FakeClock): LocalTails {
  return new LocalTails(new EntityTable(picture), clock);
}

const brokenTails = {
  at: () => Promise.reject(new Error("broken")),
} as unknown as LocalTails;

/** Shard s is open at node s mod count, under epoch 1, until it is moved. Each node also shows all other entities, as mirrors. @param broken a node that cannot read its tails */
export function cluster(count: number, places: readonly Place[], broken?: number) {
  const clock = new FakeClock();
  const silent = new Set<string>();
  /** Shards that nobody has open. */
  const closed = new Set<number>();
  const owners = Array.from({ length: SHARDS }, (_, shard) => ({ node: shard % count, epoch: 1 }));
  /** By node and id. */
  const forgotten: string[] = [];
  /** Questions, in order. */
  const asked: { to: string; message: Extract<QueryMessage, { is: "query" }> }[] = [];
  const logged: object[] = [];
  const pictures: Picture[] = [];
  const scatters: Scatter[] = [];
  for (let node = 0; node < count; node++) {
    const picture = new Picture();
    for (const place of places) add(picture, place, shardOf(place.id) % count === node ? 2 : 1);
    pictures.push(picture);
    const isOpen = (shard: number) => owners[shard].node === node && !closed.has(shard);
    scatters.push(
      new Scatter({
        picture,
        tails: broken === node ? brokenTails : tailsOf(picture, clock),
        open: () =>
          new Map(
            owners.map(({ epoch }, shard) => [shard, epoch] as const).filter(([shard]) => isOpen(shard)),
          ),
        clock,
        log: { warn: (details) => logged.push({ node, ...details }) },
        forget: (id) =>
          new Promise((resolve) => {
            clock.schedule(5, () => resolve(void forgotten.push(`${node} ${id}`)));
          }),
        others: () =>
          Array.from({ length: count }, (_, other) => `${other}`).filter((other) => other !== `${node}`),
        nodeOf: (shard) =>
          closed.has(shard) || owners[shard].node === node ? undefined : `${owners[shard].node}`,
        send: (to, message) => {
          if (message.is === "query") asked.push({ to, message });
          if (silent.has(to)) return;
          const text = JSON.stringify(message);
          clock.schedule(1, () => scatters[Number(to)].heard(`${node}`, JSON.parse(text)));
        },
      }),
    );
  }
  const whole = new Picture();
  for (const place of places) add(whole, place, 2);
  /** Opens a shard in another node; what the one before has of it is a mirror from now on. */
  const move = (shard: number, node: number) => {
    const before = owners[shard];
    owners[shard] = { node, epoch: before.epoch + 1 };
    for (const { id } of places) {
      if (shardOf(id) !== shard) continue;
      for (const [of, seq] of [
        [before.node, 1],
        [node, 2],
      ]) {
        const { columns } = pictures[of];
        columns.seq.set(pictures[of].find(id), seq);
      }
    }
  };
  const settled = async <T>(promise: Promise<T>): Promise<T> => {
    await clock.advance(5_000);
    return promise;
  };
  return { scatters, pictures, whole, silent, closed, asked, logged, forgotten, move, settled, clock };
}
