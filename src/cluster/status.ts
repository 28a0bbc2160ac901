/** What `GET /v1/cluster` tells. */

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
