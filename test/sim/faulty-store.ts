/** A node's way to the database: it takes time, and is bad. What the database does meanwhile is the memory store's. */
import {
  type AppendOutcome,
  type Batch,
  type Checkpoint,
  type CheckpointStore,
  type Journal,
  type RecoveryItem,
  type ShardStore,
  StoreAway,
  type Traces,
} from "../../src/actors/ports.ts";
import type { ClusterState, ClusterStore } from "../../src/cluster/ports.ts";
import { MemoryClusterStore } from "../support/memory-cluster-store.ts";
import type { Call, Fault, MemoryDatabase } from "../support/memory-database.ts";
import type { Chance } from "./chance.ts";
import type { ProcessClock, WorldClock } from "./sim-clock.ts";
import type { Trace } from "./trace.ts";

export interface StoreWeather {
  /** Longest way there, and back, ms. */
  delay: number;
  /** Shares of the calls: cut before or after it is done; held at its commit; on its way for long. */
  cut: number;
  hang: number;
  late: number;
  /** Longest time of a hang, and of a way that is long, ms. */
  hangMs: number;
  lateMs: number;
  /** Longest time of a load, ms. */
  loadMs: number;
}

export const CLEAR: StoreWeather = { delay: 2, cut: 0, hang: 0, late: 0, hangMs: 0, lateMs: 0, loadMs: 0 };

/** What all nodes' ways have in common. */
export class StoreFaults {
  weather = CLEAR;
  /** Nodes that cannot reach it: refused at once, or never answered. */
  readonly away = new Map<string, "refused" | "silent">();
}

export class FaultyStore implements ClusterStore, Journal, CheckpointStore, ShardStore {
  readonly incarnation: string;
  /** Renewals do not come through, and the first append after `from` is held at its commit for `ms`; `frozen` is called when it is sent. */
  freeze: { from: number; ms: number; frozen: () => void } | undefined;
  readonly traces: Traces = {
    unlist: (shard, epoch) => this.#answer("take", this.#inner.take(shard, epoch)),
    erase: (shard, epoch) => this.#answer("take", this.#inner.take(shard, epoch)),
    bar: () => this.#answer("raise", this.#inner.bar()),
    empty: (upTo) => this.#answer("empty", this.#inner.empty(upTo)),
  };
  /** Called before each append. */
  onAppend: () => void = () => {};
  readonly #inner: MemoryClusterStore;
  readonly #world: WorldClock;
  readonly #clock: ProcessClock;
  readonly #faults: StoreFaults;
  readonly #name: string;
  readonly #chance: Chance;
  readonly #trace: Trace;

  /** @param name of the process, which outlives its incarnations. */
  constructor(
    database: MemoryDatabase,
    name: string,
    version: string,
    world: WorldClock,
    clock: ProcessClock,
    faults: StoreFaults,
    chance: Chance,
    trace: Trace,
  ) {
    this.#inner = new MemoryClusterStore(database, `http://${name}`, version);
    this.incarnation = this.#inner.incarnation;
    this.#name = name;
    this.#world = world;
    this.#clock = clock;
    this.#faults = faults;
    this.#chance = chance;
    this.#trace = trace;
    this.#inner.fault = (call) => this.#fault(call);
  }

  onDown(down: (error: Error) => void): void {
    this.#inner.onDown((error) => this.#clock.schedule(0, () => down(error)));
  }

  renew(): Promise<ClusterState | undefined> {
    return this.#answer("renew", this.#inner.renew());
  }

  setUrl(url: string): void {
    this.#inner.setUrl(url);
  }

  claimFree(shards: readonly number[], evict: boolean): Promise<Map<number, number> | undefined> {
    return this.#answer("claimFree", this.#inner.claimFree(shards, evict));
  }

  release(shards: readonly number[]): Promise<void> {
    return this.#answer("release", this.#inner.release(shards));
  }

  drain(): Promise<void> {
    return this.#answer("drain", this.#inner.drain());
  }

  append(batch: Batch, attempt: number): Promise<AppendOutcome> {
    this.onAppend();
    return this.#answer("append", this.#inner.append(batch, attempt));
  }

  write(checkpoint: Checkpoint): Promise<boolean> {
    return this.#answer("write", this.#inner.write(checkpoint));
  }

  claim(shards: readonly number[]): Promise<Map<number, number>> {
    return this.#answer("claim", this.#inner.claim(shards));
  }

  async *recover(shards: readonly number[]): AsyncIterable<RecoveryItem> {
    const found = async () => {
      const items: RecoveryItem[] = [];
      for await (const item of this.#inner.recover(shards)) items.push(item);
      return items;
    };
    yield* await this.#answer("recover", found(), this.#chance.between(0, this.#faults.weather.loadMs));
  }

  /** Leaves in order, as far as the database can be reached. */
  close(): Promise<void> {
    return this.#answer("leave", this.#inner.close());
  }

  /** What a call came to, when it has come back and the process runs. */
  #answer<T>(call: Call, outcome: Promise<T>, more = 0): Promise<T> {
    return new Promise((resolve, reject) => {
      const back = (settle: () => void) =>
        this.#clock.schedule(more + this.#chance.between(0.1, this.#faults.weather.delay), settle);
      outcome.then(
        (value) => back(() => resolve(value)),
        (error) => {
          if (error instanceof StoreAway) this.#trace.mix(`${this.#name} ${error.message}`);
          back(() => reject(error));
        },
      );
      this.#trace.mix(`${this.#world.monotonic()} ${this.#name} ${call}`);
    });
  }

  #fault(call: Call): Fault {
    const { weather, away } = this.#faults;
    const chance = this.#chance;
    const late = (ms: number): Fault => ({ is: "late", until: this.#world.pause(ms) });
    if (this.#clock.state !== "running") return { is: "late", until: this.#clock.awake() };
    const isAway = away.get(this.#name);
    if (isAway === "refused") return { is: "away" };
    if (isAway === "silent") return { is: "late", until: new Promise(() => {}) };
    const { freeze } = this;
    if (call === "renew" && freeze !== undefined) return { is: "late", until: new Promise(() => {}) };
    if (call === "append" && freeze !== undefined && this.#world.monotonic() >= freeze.from) {
      this.freeze = undefined;
      freeze.frozen();
      return { is: "hang", until: this.#world.pause(freeze.ms) };
    }
    if (chance.is(weather.cut)) return { is: "cut", done: chance.is(0.5) };
    if (chance.is(weather.hang))
      return { is: "hang", until: this.#world.pause(chance.between(0, weather.hangMs)) };
    return late(
      chance.is(weather.late) ? chance.between(0, weather.lateMs) : chance.between(0.1, weather.delay),
    );
  }
}
