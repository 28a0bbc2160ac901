/**
 * Nodes that own shards and look at each other's entities, over a bus that loses, doubles and delays, and an authority that knows which node
 * has which shard and what is durable of it. On a clock moved by hand.
 */
import assert from "node:assert/strict";
import { encodeCheckpoint } from "../../src/actors/checkpoint.ts";
import { EntityTable } from "../../src/actors/entity-table.ts";
import { emptyReported } from "../../src/actors/fact-codec.ts";
import { EXPIRED } from "../../src/actors/messages.ts";
import { adopt, recover } from "../../src/actors/recovery.ts";
import { shardOf } from "../../src/actors/shard-hash.ts";
import { isInside } from "../../src/cluster/interest.ts";
import { ROUND_MS } from "../../src/cluster/mirror-source.ts";
import { LOOK_MS } from "../../src/cluster/mirrors.ts";
import { HAS_PLACE, MIRROR } from "../../src/picture/columns.ts";
import { Picture } from "../../src/picture/picture.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { emptied, type Limits, seen, TestNode } from "./mirror-node.ts";

const shadowPicture = new Picture();

export interface Faults {
  /** Of 100 messages. */
  lost: number;
  doubled: number;
  refused: number;
  /** ms at most; more than 0 lets one overtake another. */
  delay: number;
}
export const NO_FAULTS: Faults = { lost: 0, doubled: 0, refused: 0, delay: 0 };

type Message = { at: number; to: string; give: (node: TestNode) => void };

export class TestCluster {
  readonly clock = new FakeClock();
  readonly nodes = new Map<string, TestNode>();
  faults: Faults = NO_FAULTS;
  readonly #limits: Limits;
  #messages: Message[] = [];
  #random: number;
  #deletions = 0;
  /** By shard: what is durable, and the newest epoch. */
  readonly #durable = new Map<number, { epoch: number; body: Uint8Array | undefined }>();

  /** @param seed of the bus' faults */
  constructor(names: readonly string[], seed = 1, limits: Limits = {}) {
    this.#random = seed;
    this.#limits = limits;
    for (const name of names) this.nodes.set(name, new TestNode(name, this, limits));
    this.#tellMembers();
  }

  node(name: string): TestNode {
    return this.nodes.get(name)!;
  }

  #tellMembers(): void {
    for (const node of this.nodes.values())
      node.mirrors.nodes([...this.nodes.keys()].filter((name) => name !== node.name));
  }

  /** 0 … 99. */
  #dice(): number {
    this.#random = (Math.imul(this.#random, 1_664_525) + 1_013_904_223) >>> 0;
    return (this.#random >>> 8) % 100;
  }

  #post(to: string, give: (node: TestNode) => void): void {
    const { lost, doubled, delay } = this.faults;
    if (this.#dice() < lost) return;
    const times = this.#dice() < doubled ? 2 : 1;
    for (let i = 0; i < times; i++) {
      const at = this.clock.monotonic() + (delay === 0 ? 0 : (this.#dice() * delay) / 100);
      this.#messages.push({ at, to, give });
    }
  }

  publish(_from: string, to: string, payload: Uint8Array): Promise<number> {
    if (!this.nodes.has(to)) return Promise.resolve(0);
    if (this.#dice() < this.faults.refused)
      return this.#dice() < 50 ? Promise.resolve(0) : Promise.reject(new Error("away"));
    const copy = payload.slice();
    this.#post(to, (node) => node.mirrors.receive(copy));
    return Promise.resolve(1);
  }

  tell(from: string, to: string, type: "interest" | "resync", message: object): void {
    const text = JSON.stringify(message);
    this.#post(to, (node) => node.source[type](from, JSON.parse(text)));
  }

  /** Moves on, 20 ms at a time. */
  async pass(ms: number): Promise<void> {
    const end = this.clock.monotonic() + ms;
    while (this.clock.monotonic() < end) {
      this.clock.pass(ROUND_MS);
      const now = this.clock.monotonic();
      this.#deliver(now);
      for (const node of this.nodes.values()) {
        node.source.round();
        if (now % LOOK_MS === 0) node.mirrors.look();
      }
      this.#deliver(now);
      for (const node of this.nodes.values()) node.check();
      for (let i = 0; i < 3; i++) await undefined;
    }
  }

  #deliver(now: number): void {
    const due = this.#messages.filter(({ at }) => at <= now).sort((a, b) => a.at - b.at);
    this.#messages = this.#messages.filter(({ at }) => at > now);
    for (const { to, give } of due) {
      const node = this.nodes.get(to);
      if (node !== undefined) give(node);
    }
  }

  /** The node that has the shard by the newest epoch; it may be gone. */
  owner(shard: number): TestNode | undefined {
    const { epoch } = this.#shard(shard);
    for (const node of this.nodes.values()) if (node.owned.get(shard) === epoch) return node;
    return undefined;
  }

  /** Those that believe to have it. */
  believers(shard: number): TestNode[] {
    return [...this.nodes.values()].filter((node) => node.owned.has(shard));
  }

  #shard(shard: number) {
    let known = this.#durable.get(shard);
    if (known === undefined) {
      known = { epoch: 0, body: undefined };
      this.#durable.set(shard, known);
    }
    return known;
  }

  /** A node takes a shard, with what is durable of it. Whoever has it is not told. */
  async claim(name: string, shard: number): Promise<void> {
    const node = this.node(name);
    if (node.owned.has(shard)) this.release(name, shard);
    const known = this.#shard(shard);
    const epoch = ++known.epoch;
    const shadow = new EntityTable(emptied(shadowPicture));
    shadow.shards[shard].epoch = epoch;
    const { body } = known;
    const items = async function* () {
      if (body !== undefined)
        yield { is: "checkpoint", checkpoint: { shard, epoch, mark: 0, body }, pieces: [] } as const;
    };
    await recover(shadow, [shard], items(), () => Promise.resolve());
    const real = node.table.shards[shard];
    real.epoch = epoch;
    adopt(node.table, shadow, real);
    real.status = "open";
    node.owned.set(shard, epoch);
    node.mirrors.opened(shard, epoch);
    node.source.opened(shard, epoch);
  }

  /** A node finds out that it has a shard no longer. */
  release(name: string, shard: number): void {
    const node = this.node(name);
    if (!node.owned.delete(shard)) return;
    node.source.closed(shard);
    node.mirrors.release(node.table, shard, () => {});
  }

  /** What the owner has of a shard becomes durable, if it is the owner. */
  commit(shard: number): void {
    const node = this.owner(shard);
    if (node !== undefined)
      this.#shard(shard).body = encodeCheckpoint(node.table, node.table.shards[shard]).slice();
  }

  /** A node is no more, and with it what is not durable. */
  die(name: string): void {
    const node = this.nodes.get(name);
    if (node === undefined) return;
    this.nodes.delete(name);
    node.end();
    this.#tellMembers();
    for (const other of this.nodes.values()) other.source.forget(name);
  }

  join(name: string): void {
    this.nodes.set(name, new TestNode(name, this, this.#limits));
    this.#tellMembers();
  }

  /** An entity takes a report at a node that believes to have its shard. `place` absent = none. */
  report(node: TestNode, id: string, place: readonly [number, number] | undefined, attributes = ""): void {
    const { table, picture } = node;
    const shard = table.shards[shardOf(id)];
    let slot = picture.find(id);
    if (slot < 0)
      slot = table.apply(shard, {
        is: "introduced",
        number: shard.nextNumber,
        seq: 1,
        id,
        kind: attributes === "" ? "ship" : "tug",
      });
    const { columns } = picture;
    const now = this.clock.now();
    table.apply(shard, {
      ...emptyReported(),
      number: table.number.of(slot),
      seq: columns.seq.of(slot) + 1,
      t: now - 5,
      received: now,
      lon: place?.[0] ?? NaN,
      lat: place?.[1] ?? NaN,
      speed: columns.seq.of(slot),
      course: place === undefined ? NaN : 90,
      source: `of ${node.name}`,
      attributes,
    });
  }

  /** The entity is inside of this fence, or of none. */
  occupy(node: TestNode, id: string, fence: string | undefined): void {
    const slot = node.picture.find(id);
    if (slot < 0) return;
    const { table } = node;
    const stay = { version: 1, phase: "in", episode: { id: "e", enteredAt: 1 } } as const;
    table.apply(table.shards[shardOf(id)], {
      ...{ is: "occupied", number: table.number.of(slot), seq: node.picture.columns.seq.of(slot) + 1 },
      occupied: fence === undefined ? [] : [{ fence, ...stay }],
    });
  }

  delete(node: TestNode, id: string): void {
    const slot = node.picture.find(id);
    if (slot < 0) return;
    const { table } = node;
    for (const each of this.nodes.values()) each.deleted(id);
    table.apply(table.shards[shardOf(id)], {
      ...{ is: "deleted", number: table.number.of(slot), seq: node.picture.columns.seq.of(slot) + 1 },
      ...{ command: `d${++this.#deletions}`, at: this.clock.now(), erase: false, id },
    });
  }

  expire(node: TestNode, id: string): void {
    const slot = node.picture.find(id);
    if (slot < 0) return;
    const { table } = node;
    table.apply(table.shards[shardOf(id)], {
      is: "liveness",
      number: table.number.of(slot),
      seq: node.picture.columns.seq.of(slot) + 1,
      liveness: EXPIRED,
    });
  }

  /** At rest: each node's mirrors are what it is interested in of what the others own, and nothing else. */
  checkRest(): void {
    for (const viewer of this.nodes.values()) {
      const { columns } = viewer.picture;
      const interest = viewer.interest.current();
      const wanted = new Map<string, unknown>();
      for (const [shard] of this.#durable) {
        const owner = this.owner(shard);
        if (owner === undefined || owner === viewer) continue;
        for (const slot of owner.table.shards[shard].slots()) {
          const entity = seen(owner.picture, slot);
          if (isInside(interest, entity.id!, (entity.flags & HAS_PLACE) !== 0, entity.key))
            wanted.set(entity.id!, entity);
        }
      }
      for (let slot = 0; slot < columns.extent; slot++) {
        if (columns.id[slot] === undefined || viewer.picture.removal(slot) !== undefined) continue;
        const id = columns.id[slot]!;
        if ((columns.flags.of(slot) & MIRROR) === 0) {
          assert.equal(this.owner(columns.shard.of(slot)), viewer, `${viewer.name} owns ${id}`);
          continue;
        }
        assert.ok(wanted.has(id), `${viewer.name} shows ${id}, which is not there, or not wanted`);
        assert.deepEqual(seen(viewer.picture, slot), wanted.get(id), `${id} at ${viewer.name}`);
        wanted.delete(id);
      }
      // What had expired before it was asked for is never shown, so it is not told.
      for (const [id, entity] of wanted)
        if ((entity as ReturnType<typeof seen>).liveness !== EXPIRED)
          assert.fail(`${viewer.name} lacks ${id}`);
    }
  }

  end(): void {
    for (const node of this.nodes.values()) node.end();
  }
}
