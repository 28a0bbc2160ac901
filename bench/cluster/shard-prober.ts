/**
 * Reports for every shard at a fixed interval, each a message of its own, so that no shard waits for another's answer.
 *
 * A shard has one probe under way: the first one that waits waits longest. One that is refused is sent again, and its wait goes on.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { SHARDS } from "../../src/limits.ts";
import { idOfEachShard } from "./owned-fleet.ts";
import type { ReportFeed } from "./report-feed.ts";

const TICK_MS = 5;

export class ShardProber {
  readonly #feed: ReportFeed;
  readonly #everyMs: number;
  readonly #ids = idOfEachShard(SHARDS);
  readonly #sentAt = new Float64Array(SHARDS);
  readonly #underWay = new Set<number>();
  readonly #longest = new Float64Array(SHARDS);
  readonly #acceptedAfter = new Float64Array(SHARDS);
  #markedAt = 0;
  readonly #timer: NodeJS.Timeout;
  #accepted = 0;
  #stopped = false;

  constructor(feed: ReportFeed, everyMs: number) {
    this.#feed = feed;
    this.#everyMs = everyMs;
    const now = performance.now();
    for (let shard = 0; shard < SHARDS; shard++) this.#sentAt[shard] = now - (shard / SHARDS) * everyMs;
    this.#timer = setInterval(() => this.#sendDue(), TICK_MS);
  }

  /** Probes that were accepted so far. */
  get accepted(): number {
    return this.#accepted;
  }

  /** Begins to measure; what was before is forgotten. */
  mark(): void {
    this.#markedAt = performance.now();
    this.#longest.fill(0);
    this.#acceptedAfter.fill(Infinity);
  }

  /** By shard, since the mark: the longest time from a probe's being sent to its being accepted, ms. */
  get longestMs(): readonly number[] {
    return Array.from(this.#longest);
  }

  /** By shard: from the mark to the first time that a probe sent since then was accepted, ms; ∞ = not yet. */
  get acceptedAfterMs(): readonly number[] {
    return Array.from(this.#acceptedAfter);
  }

  /** Sends no more; those under way may still be answered. */
  stop(): void {
    this.#stopped = true;
    clearInterval(this.#timer);
  }

  #sendDue(): void {
    const now = performance.now();
    for (let shard = 0; shard < SHARDS; shard++) {
      if (this.#underWay.has(shard) || now - this.#sentAt[shard] < this.#everyMs) continue;
      this.#sentAt[shard] = now;
      this.#underWay.add(shard);
      void this.#probe(shard, now);
    }
  }

  async #probe(shard: number, sentAt: number): Promise<void> {
    let lastSentAt = sentAt;
    while ((await this.#feed.send(shard, [this.#report(shard)])).accepted === 0) {
      await sleep(this.#everyMs);
      if (this.#stopped) return;
      lastSentAt = performance.now();
    }
    const now = performance.now();
    this.#longest[shard] = Math.max(this.#longest[shard], now - sentAt);
    // What was decided before the mark may be acknowledged after it.
    if (lastSentAt >= this.#markedAt)
      this.#acceptedAfter[shard] = Math.min(this.#acceptedAfter[shard], now - this.#markedAt);
    this.#accepted += 1;
    this.#underWay.delete(shard);
  }

  #report(shard: number): object {
    const t = new Date().toISOString();
    return { id: this.#ids[shard], t, kind: "vessel", lon: 0, lat: 0, speed: 0 };
  }
}
