/** The cluster in words and colours. */
import type { ClusterStatus, NodeStatus, ShardStatus } from "../src/cluster/status.ts";
import { css, PALETTE } from "./palette.ts";

/** Shards named one by one below the map; the rest is counted. */
const MAX_NAMED = 8;

/** A node that starts again, at the same address, keeps its colour. The first that are seen get those that differ most. */
export class NodeColours {
  #nodes = new Map<string, { url: string; index: number }>();
  #given = 0;

  /** @param nodes all that there are now. */
  update(nodes: readonly NodeStatus[]): void {
    const gone = new Map(this.#nodes);
    for (const { incarnation } of nodes) gone.delete(incarnation);
    for (const { incarnation, url } of nodes) {
      if (this.#nodes.has(incarnation)) continue;
      const [before, known] = [...gone].find(([, node]) => node.url === url) ?? [];
      if (before !== undefined) {
        gone.delete(before);
        this.#nodes.delete(before);
      }
      this.#nodes.set(incarnation, { url, index: known?.index ?? this.#given++ });
    }
  }

  /** Undefined of a node that never was. */
  colourOf(incarnation: string | undefined): string | undefined {
    const node = incarnation === undefined ? undefined : this.#nodes.get(incarnation);
    return node && css(PALETTE[node.index % PALETTE.length]);
  }
}

/** A node's address as short as it can be. */
export function nodeName(url: string): string {
  return URL.parse(url)?.host ?? url;
}

/** In order of their addresses. */
export function sortedNodes({ nodes }: ClusterStatus): NodeStatus[] {
  const order = (a: NodeStatus, b: NodeStatus) =>
    a.url.localeCompare(b.url, "en", { numeric: true }) || (a.incarnation < b.incarnation ? -1 : 1);
  return [...nodes].sort(order);
}

/** What is to be said of a node beside its figures. */
export function nodeNotes(node: NodeStatus, { node: answering }: ClusterStatus): string {
  const notes = [`version ${node.version}`];
  if (node.incarnation === answering) notes.unshift("answers");
  if (node.silent) notes.push("silent");
  if (node.draining) notes.push("leaving");
  if (node.leaseLeftMs <= 0) notes.push("lease run out");
  return notes.join(", ");
}

/** How far a node's part of the picture is behind. */
export function lagText({ lagMs }: NodeStatus): string {
  return lagMs === undefined ? "–" : `${lagMs.toLocaleString("en")} ms`;
}

/** `shard 17: of 127.0.0.1:8081, on its way, epoch 4`. */
export function shardText(shard: number, { owner, state, epoch }: ShardStatus, nodes: NodeStatus[]): string {
  if (owner === undefined) return `shard ${shard}: free, epoch ${epoch}`;
  const node = nodes.find(({ incarnation }) => incarnation === owner);
  const name = node === undefined ? "a node that is gone" : nodeName(node.url);
  return `shard ${shard}: of ${name}${state === "moving" ? ", on its way" : ""}, epoch ${epoch}`;
}

/** What the map shows, in a sentence. */
export function shardsText({ shards }: ClusterStatus): string {
  const numbersOf = (wanted: ShardStatus["state"]) =>
    shards.flatMap(({ state }, shard) => (state === wanted ? [shard] : []));
  const moving = numbersOf("moving");
  const free = numbersOf("free");
  const parts = [`${shards.length} shards`];
  if (moving.length > 0) parts.push(`${moving.length} on their way (${named(moving)})`);
  if (free.length > 0) parts.push(`${free.length} free (${named(free)})`);
  if (parts.length === 1) parts.push("all open");
  return parts.join(", ");
}

/** What the answering node did since it started. */
export function doneText({ handOvers, claims, evictions }: ClusterStatus): string {
  const { count, p99Ms } = handOvers;
  const within = p99Ms === undefined ? "" : `, 99 % within ${p99Ms.toLocaleString("en")} ms`;
  return `Handed over ${count}${within}; claimed ${claims}; evicted ${evictions} ${evictions === 1 ? "node" : "nodes"}`;
}

function named(shards: readonly number[]): string {
  const more = shards.length - MAX_NAMED;
  return more <= 0 ? shards.join(", ") : `${shards.slice(0, MAX_NAMED).join(", ")} and ${more} more`;
}
