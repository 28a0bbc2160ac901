import { setTimeout as sleep } from "node:timers/promises";
import type { ClusterStatus } from "../src/cluster/status.ts";
import { readShards } from "./database-side.ts";
import type { Owners } from "./history.ts";
import type { HistoryWriter } from "./history-writer.ts";
import type { Target } from "./senders.ts";

const EVERY_MS = 500;
const TIMEOUT_MS = 1_000;

/** Writes down who owns which shards, by the database and by each node, as often as it changes. */
export class OwnerWatch {
  readonly #databaseUrl: string;
  readonly #nodes: readonly Target[];
  readonly #token: string;
  readonly #history: HistoryWriter;
  /** `by` → shards as they were told last. */
  readonly #told = new Map<string, string[]>();
  /** By shard: the name of the node that the database named last. */
  readonly #ownerNames: (string | undefined)[] = [];
  #ended = false;

  /** @param nodes that are asked too. */
  constructor(databaseUrl: string, nodes: readonly Target[], token: string, history: HistoryWriter) {
    this.#databaseUrl = databaseUrl;
    this.#nodes = nodes;
    this.#token = token;
    this.#history = history;
  }

  /** Name of the node that owns a shard, or did so last. */
  ownerOf(shard: number): string | undefined {
    return this.#ownerNames[shard];
  }

  /** Whether each node owns at least half of its share. */
  get balanced(): boolean {
    const owned = new Map<string | undefined, number>();
    for (const name of this.#ownerNames) owned.set(name, (owned.get(name) ?? 0) + 1);
    const share = this.#ownerNames.length / this.#nodes.length;
    return share > 0 && this.#nodes.every(({ name }) => (owned.get(name) ?? 0) >= share / 2);
  }

  /** Looks again and again until `end`. */
  async run(): Promise<void> {
    while (!this.#ended) {
      await Promise.all([this.#askDatabase(), ...this.#nodes.map((node) => this.#askNode(node))]);
      await sleep(EVERY_MS);
    }
  }

  end(): void {
    this.#ended = true;
  }

  /** Whether every shard has an owner that lives. */
  async complete(): Promise<boolean> {
    try {
      return (await readShards(this.#databaseUrl)).every(({ alive }) => alive);
    } catch {
      return false;
    }
  }

  async #askDatabase(): Promise<void> {
    // The database is one of those that are broken.
    const rows = await readShards(this.#databaseUrl).catch(() => []);
    const names = new Map(this.#nodes.map(({ name, url }) => [url, name]));
    for (const { id, url } of rows) if (url !== null) this.#ownerNames[id] = names.get(url);
    this.#note(
      "database",
      rows.map(({ id, epoch, owner }) => [id, epoch, owner]),
    );
  }

  async #askNode({ url }: Target): Promise<void> {
    const headers = { authorization: `Bearer ${this.#token}` };
    let status: ClusterStatus;
    try {
      const response = await fetch(`${url}/v1/cluster`, { headers, signal: AbortSignal.timeout(TIMEOUT_MS) });
      if (!response.ok) {
        await response.body?.cancel();
        return;
      }
      status = (await response.json()) as ClusterStatus;
    } catch {
      return;
    }
    const shards = status.shards.map(({ epoch, owner }, id): Owners["shards"][number] => [
      id,
      epoch,
      owner ?? null,
    ]);
    this.#note(status.node, shards);
  }

  #note(by: string, shards: Owners["shards"]): void {
    let told = this.#told.get(by);
    if (told === undefined) {
      told = [];
      this.#told.set(by, told);
    }
    const changed = shards.filter((shard) => told[shard[0]] !== shard.join());
    if (changed.length === 0 || this.#ended) return;
    for (const shard of changed) told[shard[0]] = shard.join();
    this.#history.write({ is: "owners", at: Date.now(), by, shards: changed });
  }
}
