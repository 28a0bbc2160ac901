/** What `GET /v1/cluster` tells. */
import { SHARDS } from "../limits.ts";
import type { Member } from "./member.ts";
import type { Mirrors } from "./mirrors.ts";
import type { Routing } from "./routing.ts";

export interface ClusterStatus {
  /** Its name; absent = this node is alone. */
  name?: string;
  /** Incarnation of the node that answers. */
  node: string;
  /** The node stands still: its lease is not renewed. */
  suspended: boolean;
  nodes: NodeStatus[];
  /** All shards, in order. */
  shards: ShardStatus[];
  handOvers: {
    /** Shards handed over by the answering node since it started. */
    count: number;
    /** Of the newest hand-overs, from closing to released, ms; absent = none yet. */
    p50Ms?: number;
    p99Ms?: number;
  };
  /** Shards claimed, and nodes evicted, by the answering node since it started. */
  claims: number;
  evictions: number;
}

export interface NodeStatus {
  incarnation: string;
  url: string;
  version: string;
  draining: boolean;
  /** Of its lease when the answering node last looked, ms. */
  leaseLeftMs: number;
  /** Shards that it owns, by the database. */
  shards: number;
  /** How far its slices of the feed are behind, ms; absent for the answering node, and while it is silent. */
  lagMs?: number;
  silent: boolean;
}

export interface ShardStatus {
  /** Incarnation; absent = nobody. */
  owner?: string;
  epoch: number;
  /** As far as the answering node knows: open at its owner, on its way, or free. */
  state: "open" | "moving" | "free";
}

export interface StatusSources {
  name: string;
  member: Member;
  routing: Routing;
  mirrors: Mirrors;
  /** Incarnations of which nothing is heard. */
  silent: ReadonlySet<string>;
}

/** Of a node of a cluster, as it sees things. */
export function statusOf({ name, member, routing, mirrors, silent }: StatusSources): ClusterStatus {
  const { ledger, lease, stats, handOverStats } = member;
  const shards = Array.from({ length: SHARDS }, (_, shard): ShardStatus => {
    const owner = ledger.owner(shard);
    const state = owner === undefined ? "free" : routing.place(shard).is === "nowhere" ? "moving" : "open";
    return { owner, epoch: ledger.epoch(shard), state };
  });
  const owned = new Map<string, number>();
  for (const { owner } of shards) if (owner !== undefined) owned.set(owner, (owned.get(owner) ?? 0) + 1);
  const pauses = [...handOverStats.pauses].sort((a, b) => a - b);
  const at = (share: number) => Math.round(pauses[Math.floor((pauses.length - 1) * share)]);
  return {
    name,
    node: ledger.incarnation,
    suspended: !lease.open,
    nodes: ledger.members.map(({ incarnation, url, version, draining, leaseLeftMs }) => ({
      incarnation,
      url,
      version,
      draining,
      leaseLeftMs: Math.round(leaseLeftMs),
      shards: owned.get(incarnation) ?? 0,
      silent: silent.has(incarnation),
      ...(incarnation !== ledger.incarnation &&
        !silent.has(incarnation) && { lagMs: Math.round(mirrors.lagOf(incarnation)) }),
    })),
    shards,
    handOvers: {
      count: handOverStats.handedOver,
      ...(pauses.length > 0 && { p50Ms: at(0.5), p99Ms: at(0.99) }),
    },
    claims: stats.claimed,
    evictions: stats.evicted,
  };
}

/** Of a node that is alone. */
export function aloneStatus(node: string, url: string, version: string): ClusterStatus {
  const member = {
    incarnation: node,
    url,
    version,
    draining: false,
    leaseLeftMs: 0,
    shards: SHARDS,
    silent: false,
  };
  return {
    node,
    suspended: false,
    nodes: [member],
    shards: Array.from({ length: SHARDS }, () => ({ owner: node, epoch: 0, state: "open" })),
    handOvers: { count: 0 },
    claims: 0,
    evictions: 0,
  };
}
