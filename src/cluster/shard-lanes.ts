/**
 * By shard, what decides when its reports may go on. A shard is
 *
 * - open: its reports go straight to where it is (`to`);
 * - releasing: the same, but first those that waited, in their order; new ones wait behind them;
 * - blocked: something of it came back, or its place changed, or nobody is known to have it. Nothing of it is sent. It opens when nothing of
 *   it is under way any more and it is somewhere under a newer epoch. If nothing of it waits either, the same epoch will do: then nothing
 *   can be overtaken. It will do too if what came back was refused as moved long enough ago: the owner decides nothing under an epoch that
 *   it has given up, so that it can only refuse again. And it will do in this node if nothing came back: the hand-over was given up, and what
 *   waits did so for it.
 *
 * So all reports of a shard that are under way are in one place, under one epoch.
 */
import { SHARDS } from "../limits.ts";
import type { Item } from "./consignment.ts";

/** In `to`: reports of this shard wait. In `at`: it has not been anywhere. */
export const NOWHERE = -1;

export class ShardLanes {
  /** Number of the place to which reports go straight, or `NOWHERE`. */
  readonly to = new Int16Array(SHARDS).fill(NOWHERE);
  /** Where it was open last, and under which epoch. */
  readonly at = new Int16Array(SHARDS).fill(NOWHERE);
  readonly epoch = new Uint32Array(SHARDS);
  /** Reports under way. */
  readonly underWay = new Uint32Array(SHARDS);
  /** From when on what was refused as moved may go to the same owner again, monotonic ms; ∞ = nothing was. */
  readonly doubtUntil = new Float64Array(SHARDS).fill(Infinity);
  readonly #blocked = new Uint8Array(SHARDS).fill(1);
  readonly #waiting: Item[][] = Array.from({ length: SHARDS }, () => []);
  readonly #unsorted = new Uint8Array(SHARDS);
  /** Reports of all shards that wait. */
  waiting = 0;
  blocked = SHARDS;

  isBlocked(shard: number): boolean {
    return this.#blocked[shard] === 1;
  }

  block(shard: number): void {
    this.to[shard] = NOWHERE;
    if (this.#blocked[shard] === 1) return;
    this.#blocked[shard] = 1;
    this.blocked += 1;
  }

  /** @param isHere it is open in this node. @param now monotonic ms. @returns whether who has it open under `epoch` may have its reports now. */
  mayOpen(shard: number, epoch: number, isHere: boolean, now: number): boolean {
    if (this.#blocked[shard] === 0 || this.underWay[shard] > 0) return false;
    if (epoch !== this.epoch[shard]) return epoch > this.epoch[shard];
    const doubtUntil = this.doubtUntil[shard];
    return !this.isWaiting(shard) || now >= doubtUntil || (isHere && doubtUntil === Infinity);
  }

  open(shard: number, place: number, epoch: number): void {
    this.#blocked[shard] = 0;
    this.blocked -= 1;
    this.at[shard] = place;
    this.epoch[shard] = epoch;
    this.doubtUntil[shard] = Infinity;
    this.released(shard);
  }

  /** New reports go straight on if none waits before them. */
  released(shard: number): void {
    if (this.#blocked[shard] === 0 && !this.isWaiting(shard)) this.to[shard] = this.at[shard];
  }

  isWaiting(shard: number): boolean {
    return this.#waiting[shard].length > 0;
  }

  /** Of a shard to which nothing goes straight. */
  wait(shard: number, item: Item): void {
    const items = this.#waiting[shard];
    if (items.length > 0 && compare(items[items.length - 1], item) > 0) this.#unsorted[shard] = 1;
    items.push(item);
    this.waiting += 1;
  }

  /** Takes out all that wait, in the order of their submission. */
  take(shard: number): Item[] {
    const items = this.#waiting[shard];
    this.#waiting[shard] = [];
    this.waiting -= items.length;
    if (this.#unsorted[shard] === 1) items.sort(compare);
    this.#unsorted[shard] = 0;
    return items;
  }

  /** Puts back the end of what was taken. */
  putBack(shard: number, items: Item[]): void {
    this.#waiting[shard] = items;
    this.waiting += items.length;
  }

  /** Takes out those whose time is over. @param now monotonic ms. */
  takeLate(shard: number, now: number): Item[] {
    if (!this.isWaiting(shard)) return [];
    const items = this.take(shard);
    const first = items.findIndex(({ batch }) => batch.deadline > now);
    const late = items.splice(0, first < 0 ? items.length : first);
    this.putBack(shard, items);
    return late;
  }
}

function compare(a: Item, b: Item): number {
  return a.batch.order - b.batch.order || a.index - b.index;
}
