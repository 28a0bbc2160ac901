/**
 * What a member knows of the cluster: what the authority said last, what was heard and done since, and how far this node is with its own shards.
 *
 * A shard of this node is loading (claimed, being loaded) → open → leaving (being handed over, or lost) → not this node's.
 */
import { SHARDS } from "../limits.ts";
import type { ClusterState, Member } from "./ports.ts";
import { preferredOwner } from "./rendezvous.ts";

export type Phase = "loading" | "open" | "leaving";

/** For so long after a shard became free only the node that should have it claims it. */
export const PREFERRED_MS = 2_000;

export class Ledger {
  readonly incarnation: string;
  readonly #mine = new Map<number, { epoch: number; phase: Phase }>();
  #members: Member[] = [];
  readonly #owner: (string | undefined)[] = Array.from({ length: SHARDS }, () => undefined);
  readonly #epoch = new Uint32Array(SHARDS);
  /** By shard: since when it is free, as far as this node saw; ∞ = it is not, or nothing is known of it. */
  readonly #freeSince = new Float64Array(SHARDS).fill(Infinity);
  #changedAt = -Infinity;

  constructor(incarnation: string) {
    this.incarnation = incarnation;
  }

  get members(): readonly Member[] {
    return this.#members;
  }

  owner(shard: number): string | undefined {
    return this.#owner[shard];
  }

  epoch(shard: number): number {
    return this.#epoch[shard];
  }

  epochs(shards: readonly number[]): Map<number, number> {
    return new Map(shards.map((shard) => [shard, this.#epoch[shard]]));
  }

  phase(shard: number): Phase | undefined {
    return this.#mine.get(shard)?.phase;
  }

  /** Shards of this node in a phase, with their epochs. */
  mine(phase: Phase): Map<number, number> {
    const found = new Map<number, number>();
    for (const [shard, held] of this.#mine) if (held.phase === phase) found.set(shard, held.epoch);
    return found;
  }

  /**
   * Takes over what the authority said. What it said of shards is left alone if this node has claimed or released any since it was asked.
   * @returns whether it was taken as a whole.
   */
  take(state: ClusterState, askedAt: number, now: number): boolean {
    this.#members = state.members;
    if (askedAt < this.#changedAt) return false;
    for (const [shard, { owner, epoch }] of state.shards.entries()) {
      this.#owner[shard] = owner;
      this.#epoch[shard] = epoch;
      if (owner !== undefined) this.#freeSince[shard] = Infinity;
      else if (this.#freeSince[shard] === Infinity) this.#freeSince[shard] = now;
    }
    return true;
  }

  /** This node has claimed shards. */
  claimed(epochs: ReadonlyMap<number, number>, now: number): void {
    this.#changedAt = now;
    for (const [shard, epoch] of epochs) {
      this.#mine.set(shard, { epoch, phase: "loading" });
      this.#owner[shard] = this.incarnation;
      this.#epoch[shard] = epoch;
      this.#freeSince[shard] = Infinity;
    }
  }

  /** Moves shards of this node on to another phase. */
  move(shards: Iterable<number>, phase: Phase): void {
    for (const shard of shards) {
      const held = this.#mine.get(shard);
      if (held !== undefined) held.phase = phase;
    }
  }

  /** This node has given up shards that it had under these epochs. */
  given(epochs: ReadonlyMap<number, number>, now: number): void {
    this.#changedAt = now;
    for (const [shard, epoch] of epochs) {
      if (this.#mine.get(shard)?.epoch === epoch) this.#mine.delete(shard);
      // Another may have claimed it already.
      if (this.#epoch[shard] !== epoch) continue;
      this.#owner[shard] = undefined;
      this.#freeSince[shard] = now;
    }
  }

  /** Another node has given up shards. */
  freed(epochs: ReadonlyMap<number, number>, now: number): void {
    for (const [shard, epoch] of epochs) {
      if (epoch < this.#epoch[shard] || this.#mine.has(shard)) continue;
      this.#owner[shard] = undefined;
      this.#epoch[shard] = epoch;
      this.#freeSince[shard] = now;
    }
  }

  /** Another node has opened shards, as it says itself: the authority will say so too. */
  opened(node: string, epochs: ReadonlyMap<number, number>): void {
    for (const [shard, epoch] of epochs) {
      if (epoch <= this.#epoch[shard] || this.#mine.has(shard)) continue;
      this.#owner[shard] = node;
      this.#epoch[shard] = epoch;
      this.#freeSince[shard] = Infinity;
    }
  }

  /** These nodes were evicted. */
  evicted(nodes: ReadonlySet<string>, now: number): void {
    this.#members = this.#members.filter(({ incarnation }) => !nodes.has(incarnation));
    for (let shard = 0; shard < SHARDS; shard++) {
      const owner = this.#owner[shard];
      if (owner === undefined || !nodes.has(owner)) continue;
      this.#owner[shard] = undefined;
      this.#freeSince[shard] = now;
    }
  }

  /** Whether it is a member. */
  knows(incarnation: string): boolean {
    return this.#members.some((member) => member.incarnation === incarnation);
  }

  draining(incarnation: string): void {
    for (const member of this.#members) if (member.incarnation === incarnation) member.draining = true;
  }

  /** What is free, or a node's of `gone`, and should be this node's: because it is preferred, or because nobody came for it. */
  wanted(gone: ReadonlySet<string>, now: number): number[] {
    const nodes = this.takers().filter((node) => !gone.has(node));
    const wanted: number[] = [];
    for (let shard = 0; shard < SHARDS; shard++) {
      const owner = this.#owner[shard];
      if (this.#mine.has(shard) || (owner !== undefined && !gone.has(owner))) continue;
      const overdue = now - this.#freeSince[shard] >= PREFERRED_MS;
      if (overdue || preferredOwner(shard, nodes) === this.incarnation) wanted.push(shard);
    }
    return wanted;
  }

  /** Open shards of this node that another should have. */
  misplaced(): number[] {
    const nodes = this.takers();
    return [...this.mine("open").keys()].filter((shard) => preferredOwner(shard, nodes) !== this.incarnation);
  }

  /**
   * Shards that the authority gives to this node and that it does not know of (a claim or a release whose answer was lost), and such as it has
   * and should not have, which cannot be. What is leaving may be released already, and the answer on its way.
   */
  disagreements(): { unknown: Map<number, number>; wrong: number[] } {
    const unknown = new Map<number, number>();
    const wrong: number[] = [];
    for (let shard = 0; shard < SHARDS; shard++) {
      const held = this.#mine.get(shard);
      const isOurs = this.#owner[shard] === this.incarnation;
      if (isOurs && held === undefined) unknown.set(shard, this.#epoch[shard]);
      else if (
        held !== undefined &&
        held.phase !== "leaving" &&
        (!isOurs || held.epoch !== this.#epoch[shard])
      )
        wrong.push(shard);
    }
    return { unknown, wrong };
  }

  /** Nodes that may own shards. */
  takers(): string[] {
    return this.#members.filter(({ draining }) => !draining).map(({ incarnation }) => incarnation);
  }

  /** How long until the next lease runs out or a free shard becomes anybody's, ms; ∞ = nothing to wait for. */
  untilNextLook(now: number): number {
    let next = Infinity;
    for (const { incarnation, leaseLeftMs } of this.#members)
      if (incarnation !== this.incarnation) next = Math.min(next, leaseLeftMs);
    for (const since of this.#freeSince)
      if (since !== Infinity) next = Math.min(next, since + PREFERRED_MS - now);
    return next;
  }
}
