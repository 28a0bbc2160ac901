/** The nodes under test on a PostgreSQL and a Redis of their own, and what they say of themselves. */
import { setTimeout as sleep } from "node:timers/promises";
import { readShards, type StoredShard } from "../../chaos/database-side.ts";
import { type LocalCluster, startLocalCluster } from "../../chaos/local-cluster.ts";
import { preferredOwner } from "../../src/cluster/rendezvous.ts";
import type { ClusterStatus } from "../../src/cluster/status.ts";
import { SHARDS } from "../../src/limits.ts";
import { Metrics } from "../server-process.ts";

export type Node = LocalCluster["nodes"][number];

const LOOK_MS = 100;
/** Of a node that ended by itself, what it wrote last. */
const KEPT_LINES = 20;
const CALM_MS = 120_000;

export class ClusterUnderTest implements AsyncDisposable {
  readonly nodes: readonly Node[];
  readonly token: string;
  readonly postgres: LocalCluster["postgres"];
  readonly #cluster: LocalCluster;

  private constructor(cluster: LocalCluster) {
    this.nodes = cluster.nodes;
    this.token = cluster.token;
    this.postgres = cluster.postgres;
    this.#cluster = cluster;
  }

  /**
   * Starts the first `running` nodes; the others wait to be started. A cluster that begins gives all shards to its first node, and moves them by
   * and by: see `balanced`.
   */
  static async start(nodes: number, running: number): Promise<ClusterUnderTest> {
    const lines: string[] = [];
    const started = await startLocalCluster({
      ...{ nodes, redis: true, logLevel: "warn" },
      onLine(node, line) {
        lines.push(`${node}: ${line}`);
        if (lines.length > KEPT_LINES) lines.shift();
      },
      onDeath(node) {
        throw new Error(`${node} ended by itself:\n${lines.join("\n")}`);
      },
    });
    await Promise.all(started.nodes.slice(running).map((node) => node.stop()));
    return new ClusterUnderTest(started);
  }

  get running(): Node[] {
    return this.nodes.filter(({ running }) => running);
  }

  /** Where to send to. */
  target({ url }: Node): { url: string; token: string } {
    return { url, token: this.token };
  }

  async metrics(node: Node): Promise<Metrics> {
    return new Metrics(await this.#get(node, "/metrics"));
  }

  async status(node: Node): Promise<ClusterStatus> {
    return JSON.parse(await this.#get(node, "/v1/cluster"));
  }

  /** All shards in order, as the database says: nodes know it a renewal later. */
  shards(): Promise<StoredShard[]> {
    return readShards(this.#cluster.databaseUrl);
  }

  /** The name under which a node is a member now. */
  async incarnation(node: Node): Promise<string> {
    return (await this.status(node)).node;
  }

  /** Resolves when every running node says that each shard is open at the node that should have it. */
  async balanced(): Promise<void> {
    await this.until("the shards are where they should be", async () => {
      const statuses = await Promise.all(this.running.map((node) => this.status(node)));
      return statuses.every(
        (status) => status.nodes.length === statuses.length && openAt(status).size === SHARDS,
      );
    });
  }

  /** Resolves to the shards that will stay at each running node, by node: when each has some, and the nodes agree. */
  async staying(): Promise<Set<number>[]> {
    let shards: Set<number>[] = [];
    await this.until("each node has shards", async () => {
      const statuses = await Promise.all(this.running.map((node) => this.status(node)));
      const open = statuses.map(openAt);
      shards = statuses.map(({ node }) => {
        const own = Array.from({ length: SHARDS }, (_, shard) => shard);
        return new Set(own.filter((shard) => open.every((known) => known.get(shard) === node)));
      });
      return shards.every(({ size }) => size > 0);
    });
    return shards;
  }

  /** Waits for something. Rejects if it takes too long. */
  async until(what: string, holds: () => boolean | Promise<boolean>, withinMs = CALM_MS): Promise<void> {
    const end = performance.now() + withinMs;
    while (!(await holds())) {
      if (performance.now() > end) throw new Error(`not within ${withinMs} ms: ${what}`);
      await sleep(LOOK_MS);
    }
  }

  async #get({ url, name }: Node, path: string): Promise<string> {
    const response = await fetch(`${url}${path}`, { headers: { authorization: `Bearer ${this.token}` } });
    const text = await response.text();
    if (!response.ok) throw new Error(`${name} answered ${path} with ${response.status}: ${text}`);
    return text;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#cluster.stop();
  }
}

/** Owners of the shards that are open where they should be. */
function openAt({ nodes, shards }: ClusterStatus): Map<number, string> {
  const incarnations = nodes.map(({ incarnation }) => incarnation);
  const open = new Map<number, string>();
  for (const [shard, { owner, state }] of shards.entries())
    if (owner !== undefined && state === "open" && owner === preferredOwner(shard, incarnations))
      open.set(shard, owner);
  return open;
}
