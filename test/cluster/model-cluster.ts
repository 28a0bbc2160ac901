// A cluster of models around the real router and the real links: owners that refuse what is not theirs, and an authority that cannot err.
import type { LocalIngest, PlacedResult, Report } from "../../src/actors/messages.ts";
import { shardOf } from "../../src/actors/shard-hash.ts";
import { ClusterRouter } from "../../src/cluster/cluster-router.ts";
import { decodeFrame, inboxOf, repliesOf } from "../../src/cluster/frames.ts";
import { LinkReceiver } from "../../src/cluster/link-receiver.ts";
import { Routing } from "../../src/cluster/routing.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { LossyBus } from "./lossy-bus.ts";

export const SELF = "self";
export const CLUSTER = "test";

/** An id of that shard. */
export function idIn(shard: number, nth = 0): string {
  for (let i = 0, found = 0; ; i++) {
    if (shardOf(`v${i}`) === shard && found++ === nth) return `v${i}`;
  }
}

/** Who owns what, and what is durable: the numbers (`seq`) of reports, by shard, in the order of their first application. */
export class Authority {
  readonly epoch = new Map<number, number>();
  readonly owner = new Map<number, string>();
  readonly applied = new Map<number, number[]>();
  /** What must never be. */
  readonly faults: string[] = [];

  claim(shard: number, owner: string): number {
    const epoch = (this.epoch.get(shard) ?? 0) + 1;
    this.epoch.set(shard, epoch);
    this.owner.set(shard, owner);
    return epoch;
  }

  commit(shard: number, seq: number): void {
    const applied = this.applied.get(shard) ?? [];
    this.applied.set(shard, applied);
    if (applied.includes(seq)) return;
    if (applied.length > 0 && applied.at(-1)! > seq)
      this.faults.push(`shard ${shard}: ${seq} after ${applied.at(-1)}`);
    applied.push(seq);
  }
}

export class ModelOwner implements LocalIngest {
  readonly name: string;
  overloaded = false;
  dead = false;
  /** Until a commit, ms; commits stay in order. */
  commitDelay = () => 1;
  /** All calls. */
  readonly calls: { reports: readonly Report[]; epochs: number[] }[] = [];
  readonly #authority: Authority;
  readonly #clock: FakeClock;
  readonly #seen = new Set<string>();
  #last = 0;

  constructor(name: string, authority: Authority, clock: FakeClock) {
    this.name = name;
    this.#authority = authority;
    this.#clock = clock;
  }

  submitPlaced(reports: readonly Report[], epochs: ArrayLike<number>): Promise<PlacedResult> {
    const given = Array.from(epochs);
    this.calls.push({ reports, epochs: given });
    for (const [i, { seq }] of reports.entries()) {
      const key = `${seq} under ${given[i]}`;
      if (this.#seen.has(key)) this.#authority.faults.push(`${this.name} got ${key} twice`);
      this.#seen.add(key);
    }
    if (this.overloaded) {
      const refused = reports.map((_, index) => ({ index, type: "overloaded" as const, detail: "full" }));
      return Promise.resolve({ accepted: 0, refused, moved: [] });
    }
    return new Promise((resolve) => {
      this.#last = Math.max(this.#last, this.#clock.monotonic() + this.commitDelay());
      this.#clock.schedule(this.#last - this.#clock.monotonic(), () => {
        if (!this.dead) resolve(this.#commit(reports, given));
      });
    });
  }

  #commit(reports: readonly Report[], epochs: number[]): PlacedResult {
    const result: PlacedResult = { accepted: 0, refused: [], moved: [] };
    for (const [index, report] of reports.entries()) {
      const shard = shardOf(report.id);
      if (
        this.#authority.owner.get(shard) !== this.name ||
        this.#authority.epoch.get(shard) !== epochs[index]
      ) {
        result.moved.push(index);
      } else if (report.accuracy === 13) {
        result.refused.push({ index, type: "clock-skew", detail: `of ${report.seq}` });
      } else {
        this.#authority.commit(shard, report.seq!);
        result.accepted += 1;
      }
    }
    return result;
  }
}

/** Owners on one bus, and the router of the node "self", which is an owner too. */
export class ModelCluster {
  readonly clock = new FakeClock();
  readonly bus: LossyBus;
  readonly authority = new Authority();
  readonly routing = new Routing();
  readonly owners = new Map<string, ModelOwner>();
  readonly receivers = new Map<string, LinkReceiver>();
  readonly router: ClusterRouter;
  readonly misplaced: number[] = [];
  readonly #leave = new Map<string, () => Promise<void>>();

  constructor(names: readonly string[], random: () => number = () => 0.5) {
    const { clock } = this;
    this.bus = new LossyBus(clock, random);
    for (const name of [SELF, ...names]) this.owners.set(name, new ModelOwner(name, this.authority, clock));
    const options = { cluster: CLUSTER, self: SELF, bus: this.bus, clock };
    this.router = new ClusterRouter({
      ...options,
      random,
      routing: this.routing,
      local: this.owner(SELF),
      misplaced: (shards) => this.misplaced.push(...shards),
    });
    void this.bus.subscribe(repliesOf(CLUSTER, SELF), (payload) => {
      const frame = decodeFrame(payload);
      if (frame !== undefined) this.router.takeReply(frame);
    });
    for (const name of names) {
      const receiver = new LinkReceiver({ ...options, self: name, local: this.owner(name) });
      this.receivers.set(name, receiver);
      void this.bus
        .subscribe(inboxOf(CLUSTER, name), (payload) => {
          const frame = decodeFrame(payload);
          if (frame !== undefined) receiver.take(frame);
        })
        .then((leave) => this.#leave.set(name, leave));
    }
  }

  owner(name: string): ModelOwner {
    return this.owners.get(name)!;
  }

  /** The authority gives a shard away; this node learns it only by `tell`. */
  claim(shard: number, owner: string): void {
    this.authority.claim(shard, owner);
  }

  /** This node learns who owns a shard now. */
  tell(shard: number): void {
    const epochs = new Map([[shard, this.authority.epoch.get(shard)!]]);
    const owner = this.authority.owner.get(shard)!;
    if (owner === SELF) this.routing.opened(epochs);
    else this.routing.elsewhere(owner, epochs);
  }

  /** The node takes and says nothing more, and nobody is told. */
  kill(name: string): void {
    this.owner(name).dead = true;
    void this.#leave.get(name)?.();
  }
}
