/** A node's handle on a `MemoryDatabase`: what the store on PostgreSQL does, statement by statement. */
import assert from "node:assert/strict";
import {
  type AppendOutcome,
  type Batch,
  type Checkpoint,
  type CheckpointStore,
  type Journal,
  type RecoveryItem,
  type ShardStore,
  StoreAway,
} from "../../src/actors/ports.ts";
import { type ClusterState, type ClusterStore, LEASE_MS } from "../../src/cluster/ports.ts";
import { Fence, type FenceKey } from "../../src/store/fence.ts";
import {
  type Call,
  type Fault,
  HOUR_MS,
  type MemoryDatabase,
  type NodeRow,
  type Transaction,
  transact,
} from "./memory-database.ts";
import { keptPieces } from "./memory-store.ts";

export class MemoryClusterStore
  implements ClusterStore, Journal, CheckpointStore, ShardStore, AsyncDisposable
{
  readonly incarnation: string;
  /** As the store on PostgreSQL offers it. */
  readonly cluster: ClusterStore = this;
  /** Asked for at each call. */
  fault: (call: Call) => Fault | undefined = () => undefined;
  readonly #database: MemoryDatabase;
  readonly #fence: Fence;
  #isDown = false;
  #draining = false;
  #url: string | undefined;
  #down: ((error: Error) => void)[] = [];

  /** Joins as a new incarnation. */
  constructor(database: MemoryDatabase, url: string, version = "0.1.0") {
    this.#database = database;
    this.incarnation = database.join(url, version);
    this.#fence = new Fence(this.incarnation, {
      raise: () => this.#run("raise", (tx) => this.#raise(tx)),
      release: (key, shards) => this.#run("release", (tx) => this.#release(tx, key, shards)),
    });
  }

  /** Calls `down` once, when this node has lost its place. */
  onDown(down: (error: Error) => void): void {
    this.#down.push(down);
  }

  async renew(): Promise<ClusterState | undefined> {
    const state = await this.#run("renew", (tx) => this.#renew(tx));
    if (state === undefined) this.#becomeDown();
    else {
      state.shards.forEach(({ owner, epoch }, shard) => {
        if (owner === this.incarnation) this.#fence.holds([[shard, epoch]]);
      });
    }
    return state;
  }

  setUrl(url: string): void {
    this.#url = url;
  }

  async claimFree(shards: readonly number[], evict: boolean): Promise<Map<number, number> | undefined> {
    const wanted = this.#draining ? [] : shards;
    const claimed = await this.#run("claimFree", (tx) => this.#claimFree(tx, wanted, evict));
    if (claimed === undefined) this.#becomeDown();
    else this.#fence.holds(claimed);
    return claimed;
  }

  async release(shards: readonly number[]): Promise<void> {
    if (!(await this.#fence.release(shards))) this.#becomeDown();
  }

  async drain(): Promise<void> {
    this.#draining = true;
    await this.#run("drain", async (tx) => {
      tx.write(() => {
        const row = this.#database.nodes.get(this.incarnation);
        if (row !== undefined) row.draining = true;
      });
    });
  }

  async append(batch: Batch, attempt: number): Promise<AppendOutcome> {
    assert.ok(
      batch.sections.every(({ shard }, i) => i === 0 || shard > batch.sections[i - 1]!.shard),
      "ascending",
    );
    if (this.#isDown || this.#fence.hasGivenAway(batch)) return { status: "fenced" };
    if (attempt > 1) await this.#fence.raise();
    const key = await this.#fence.key();
    const id = await this.#run("append", (tx) => this.#append(tx, key, batch, attempt));
    return id === undefined ? { status: "fenced" } : { status: "committed", journalId: id };
  }

  async write(checkpoint: Checkpoint): Promise<boolean> {
    if (this.#isDown) return false;
    const key = await this.#fence.key();
    if (key === undefined) return false;
    // As what is sent: whoever gives up waiting uses its memory again.
    const { tail, ...rest } = checkpoint;
    const copy = { ...rest, body: checkpoint.body.slice() };
    return this.#run("write", async (tx) => {
      const { shards, marks, checkpoints, pieces } = this.#database;
      if (!(await this.#hold(tx, key))) return false;
      const { shard, epoch, mark } = checkpoint;
      const { owner, epoch: current } = shards[shard]!;
      if (owner !== this.incarnation || current !== epoch || marks[shard]! > mark) return false;
      tx.write(() => {
        if (marks[shard]! > mark) return;
        checkpoints.set(shard, copy);
        pieces.set(shard, keptPieces(pieces.get(shard), tail));
        marks[shard] = mark;
      });
      return true;
    });
  }

  async claim(shards: readonly number[]): Promise<Map<number, number>> {
    const { nodes } = this.#database;
    const claimed = await this.#run("claim", async (tx) => {
      const row = nodes.get(this.incarnation);
      if (row === undefined) return undefined;
      await tx.alone(row.fence);
      if (row.down) return undefined;
      const gen = row.gen + 1;
      tx.write(() => {
        row.gen = gen;
      });
      const mine = (owner: string | undefined) =>
        owner === undefined || owner === this.incarnation || this.#database.isDown(owner);
      return { gen, epochs: this.#take(tx, shards, mine) };
    });
    if (claimed === undefined) {
      this.#becomeDown();
      throw new StoreAway("this incarnation is down");
    }
    this.#fence.raised(claimed.gen);
    this.#fence.holds(claimed.epochs);
    return claimed.epochs;
  }

  async *recover(shards: readonly number[]): AsyncIterable<RecoveryItem> {
    const found = await this.#run("recover", async () => {
      const { journal, checkpoints, pieces, marks } = this.#database;
      const items: RecoveryItem[] = [];
      for (const shard of shards) {
        const checkpoint = checkpoints.get(shard);
        if (checkpoint !== undefined)
          items.push({
            is: "checkpoint",
            checkpoint: { ...checkpoint, mark: marks[shard]! },
            pieces: [...(pieces.get(shard)?.values() ?? [])],
          });
      }
      for (const { id, batch } of journal) {
        for (const section of batch.sections) {
          if (shards.includes(section.shard) && id > marks[section.shard]!)
            items.push({ is: "section", journalId: id, section });
        }
      }
      return items;
    });
    yield* found;
  }

  /** As `Traces.unlist` and `Traces.erase`. There are no rows of entities: what is left is whether they might be taken away. */
  take(shard: number, epoch: number): Promise<boolean> {
    return this.#run("take", async () => {
      const { owner, epoch: current } = this.#database.shards[shard]!;
      return owner === this.incarnation && current === epoch;
    });
  }

  /** As `Traces.bar`. */
  bar(): Promise<boolean> {
    return this.#fence.raise();
  }

  /** As `Traces.empty`. */
  empty(upTo: number): Promise<number> {
    return this.#run("empty", async (tx) => {
      tx.write(() => this.#database.trim(upTo));
      return (
        this.#database.journal.find((row) => row.id > upTo || this.#database.isNeeded(row))?.id ?? Infinity
      );
    });
  }

  /** Leaves in order: its shards are free. */
  async leave(): Promise<void> {
    const { nodes, shards } = this.#database;
    await this.#run("leave", async (tx) => {
      const row = nodes.get(this.incarnation);
      if (row === undefined) return;
      await tx.alone(row.fence);
      if (row.down) return;
      tx.write(() => {
        row.down = true;
        nodes.delete(this.incarnation);
        for (const shard of shards) if (shard.owner === this.incarnation) shard.owner = undefined;
      });
    });
  }

  async close(): Promise<void> {
    await this.leave().catch((error) => assert.ok(error instanceof StoreAway, error));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #renew(tx: Transaction): Promise<ClusterState | undefined> {
    const { nodes, shards, clock } = this.#database;
    const row = nodes.get(this.incarnation);
    if (row === undefined) return undefined;
    await tx.share(row.fence);
    if (row.down) return undefined;
    const now = clock.monotonic();
    const newUrl = this.#url;
    tx.write(() => {
      this.#database.watch.renewed?.(row);
      row.url = newUrl ?? row.url;
      row.leaseUntil = clock.monotonic() + LEASE_MS;
    });
    const alive = [...nodes.values()].filter(({ down }) => !down);
    return {
      members: alive.map(({ incarnation, url, version, draining, leaseUntil }) => ({
        incarnation,
        url: incarnation === this.incarnation ? (newUrl ?? url) : url,
        version,
        draining,
        leaseLeftMs: incarnation === this.incarnation ? LEASE_MS : Math.max(0, leaseUntil - now),
      })),
      shards: shards.map(({ owner, epoch }) =>
        owner === undefined || this.#database.isDown(owner) ? { epoch } : { owner, epoch },
      ),
    };
  }

  async #claimFree(
    tx: Transaction,
    wanted: readonly number[],
    evict: boolean,
  ): Promise<Map<number, number> | undefined> {
    const { nodes, evictor, clock } = this.#database;
    if (evict) await tx.alone(evictor);
    const own = nodes.get(this.incarnation);
    if (own === undefined) return undefined;
    await tx.share(own.fence);
    if (own.down) return undefined;
    const evicted = new Set<string>();
    if (evict) {
      const expired = (row: NodeRow) => row !== own && !row.down && row.leaseUntil < clock.monotonic();
      const rows = [...nodes.values()]
        .filter(expired)
        .sort((a, b) => (a.incarnation < b.incarnation ? -1 : 1));
      for (const row of rows) await tx.alone(row.fence);
      for (const row of rows) {
        if (!expired(row)) continue;
        evicted.add(row.incarnation);
        tx.write(() => {
          row.down = true;
          this.#database.watch.evicted?.(row.incarnation, this.incarnation);
        });
      }
      this.#bury(tx);
    }
    const free = (owner: string | undefined) =>
      owner === undefined || evicted.has(owner) || this.#database.isDown(owner);
    return this.#take(tx, wanted, free);
  }

  #bury(tx: Transaction): void {
    const { nodes, shards, clock } = this.#database;
    for (const { incarnation, down, leaseUntil } of nodes.values()) {
      const isLongGone = down && leaseUntil < clock.monotonic() - HOUR_MS;
      if (isLongGone && !shards.some(({ owner }) => owner === incarnation))
        tx.write(() => void nodes.delete(incarnation));
    }
  }

  /** Claims those of the shards that nobody else is claiming and whose owner is right. */
  #take(
    tx: Transaction,
    wanted: readonly number[],
    isFree: (owner: string | undefined) => boolean,
  ): Map<number, number> {
    const { shards, claiming } = this.#database;
    const epochs = new Map<number, number>();
    for (const id of [...wanted].sort((a, b) => a - b)) {
      const shard = shards[id]!;
      if (claiming.has(id) || !isFree(shard.owner)) continue;
      claiming.add(id);
      tx.onEnd(() => claiming.delete(id));
      const epoch = shard.epoch + 1;
      epochs.set(id, epoch);
      tx.write(() => {
        shard.owner = this.incarnation;
        shard.epoch = epoch;
        this.#database.watch.claimed?.(id, epoch, this.incarnation);
      });
    }
    return epochs;
  }

  async #append(
    tx: Transaction,
    key: FenceKey | undefined,
    batch: Batch,
    attempt: number,
  ): Promise<number | undefined> {
    const database = this.#database;
    const find = () =>
      database.journal.find(
        ({ incarnation, batch: { flushNo } }) =>
          incarnation === this.incarnation && flushNo === batch.flushNo,
      )?.id;
    const known = attempt > 1 ? find() : undefined;
    if (known !== undefined || key === undefined) return known;
    if (!(await this.#hold(tx, key))) return undefined;
    const landed = find();
    if (landed !== undefined) return landed;
    const id = database.nextId();
    const sections = batch.sections.map((section) => ({ ...section, body: section.body.slice() }));
    const row = { id, incarnation: this.incarnation, batch: { ...batch, sections } };
    // By id, as recovery reads: one that took its number before may commit after.
    tx.write(() => {
      const at = database.journal.findLastIndex((other) => other.id < id);
      database.journal.splice(at + 1, 0, row);
      database.watch.appended?.(row);
    });
    return id;
  }

  async #raise(tx: Transaction): Promise<number | undefined> {
    const row = this.#database.nodes.get(this.incarnation);
    if (row === undefined) return undefined;
    await tx.alone(row.fence);
    if (row.down) return undefined;
    const gen = row.gen + 1;
    tx.write(() => {
      row.gen = gen;
    });
    return gen;
  }

  async #release(tx: Transaction, key: FenceKey, given: readonly number[]): Promise<number | undefined> {
    const { nodes, shards } = this.#database;
    const row = nodes.get(this.incarnation);
    if (row === undefined) return undefined;
    await tx.alone(row.fence);
    if (row.down || row.gen !== key.gen) return undefined;
    const gen = key.gen + 1;
    tx.write(() => {
      row.gen = gen;
      for (const id of given) {
        if (shards[id]!.owner === this.incarnation) shards[id]!.owner = undefined;
      }
    });
    return gen;
  }

  /** Whether the fence lets it in; if so it is held to the end. */
  async #hold(tx: Transaction, key: FenceKey): Promise<boolean> {
    const row = this.#database.nodes.get(this.incarnation);
    if (row === undefined) return false;
    await tx.share(row.fence);
    return !row.down && row.gen === key.gen;
  }

  #run<T>(call: Call, work: (tx: Transaction) => Promise<T>): Promise<T> {
    return transact(this.#database.clock, call, this.fault(call), work);
  }

  #becomeDown(): void {
    if (this.#isDown) return;
    this.#isDown = true;
    for (const down of this.#down) down(new Error("another node has taken this node's place"));
  }
}
