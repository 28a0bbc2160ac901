/**
 * A hierarchical timing wheel (Varghese & Lauck 1987) over slots: one deadline a slot, in typed arrays, 16 bytes a slot.
 *
 * Three levels of 256 buckets; a bucket of the lowest is 64 ms wide, so the wheel spans 12.4 days. Later deadlines wait in the last
 * bucket of the highest level and are placed again when it is reached. A deadline that is moved later stays in its bucket until that
 * comes due (re-arming on each report costs one comparison and one write), a deadline that is moved earlier is placed again.
 *
 * A slot is idle; or armed in a bucket; or taken: its bucket was reached, and it waits in a queue to be fired or placed again. The queue
 * is what makes `limit` possible: work that is left over is simply still there.
 *
 * Timers never fire early, and the current bucket is looked through on each `advance`, so they fire at the first call at or after their
 * deadline; the width of a bucket only decides the order.
 */
import assert from "node:assert/strict";

export const BUCKET_MS = 64;
const BUCKETS = 256;
const LEVELS = 3;
const SPAN = BUCKETS ** LEVELS;
/** The sentinel of the queue of taken slots; the sentinels of the buckets are before it, the slots behind it. */
const QUEUE = BUCKETS * LEVELS;
const FIRST_SLOT = QUEUE + 1;
/** In `#next`: not in any list. */
const IDLE = -1;
/** A jump of the clock by more buckets is not walked: everything is placed again. 70 minutes. */
const MAX_WALK = 65_536;

function bucketOf(time: number): number {
  return Math.floor(time / BUCKET_MS);
}

/** Where a bucket of the lowest level is on a level. The mask is a modulo that is right for times before 1970 too. */
function listOf(level: number, bucket: number): number {
  return level * BUCKETS + (Math.floor(bucket / BUCKETS ** level) & (BUCKETS - 1));
}

export class TimingWheel {
  #now: number;
  /** The bucket of the lowest level that was taken last. Buckets are counted from 1970. */
  #cursor: number;
  #due = new Float64Array(0);
  /** Circular doubly linked lists through sentinels: unlinking needs to know no bucket, splicing is O(1). */
  #next = new Int32Array(FIRST_SLOT);
  #previous = new Int32Array(FIRST_SLOT);

  /** @param now Unix ms. */
  constructor(now: number) {
    this.#now = now;
    this.#cursor = bucketOf(now);
    this.#clear();
  }

  /** Makes room for slots 0 … capacity − 1. */
  grow(capacity: number): void {
    const old = this.#due.length;
    if (capacity <= old) return;
    const due = new Float64Array(capacity).fill(Number.POSITIVE_INFINITY, old);
    due.set(this.#due);
    this.#due = due;
    const next = new Int32Array(FIRST_SLOT + capacity).fill(IDLE, FIRST_SLOT + old);
    next.set(this.#next);
    this.#next = next;
    const previous = new Int32Array(FIRST_SLOT + capacity);
    previous.set(this.#previous);
    this.#previous = previous;
  }

  /**
   * Sets the deadline of a slot, in place of the one it had. One in the past fires at the next `advance`.
   * @param due Unix ms; Infinity disarms.
   */
  arm(slot: number, due: number): void {
    if (due >= this.#due[slot] && due !== Number.POSITIVE_INFINITY) {
      this.#due[slot] = due;
      return;
    }
    assert.ok(
      slot >= 0 && slot < this.#due.length && !Number.isNaN(due),
      "a slot that grow() made, and a time",
    );
    this.disarm(slot);
    if (due === Number.POSITIVE_INFINITY) return;
    this.#due[slot] = due;
    this.#place(slot);
  }

  /** Takes the deadline of a slot away, if it has one. */
  disarm(slot: number): void {
    this.#due[slot] = Number.POSITIVE_INFINITY;
    const node = FIRST_SLOT + slot;
    if (this.#next[node] !== IDLE) this.#unlink(node);
  }

  /** The deadline of a slot, Unix ms; Infinity if it is not armed. */
  due(slot: number): number {
    return this.#due[slot];
  }

  /**
   * Fires every slot whose deadline is reached, in order of their buckets; a slot is disarmed before it fires. `fire` may arm and
   * disarm any slot; what it arms in the past fires in the same call. If `fire` throws, that slot has fired and the rest is still armed.
   *
   * After a jump of the clock by over an hour since the last call that returned true, or back, the order is that of the slots.
   *
   * @param now Unix ms.
   * @param limit slots that are fired or placed again, at most: bounds the time of a call.
   * @param isFull ends the call, and is asked before each slot.
   * @returns whether nothing more is due.
   */
  advance(
    now: number,
    fire: (slot: number, due: number) => void,
    limit: number,
    isFull: () => boolean = () => false,
  ): boolean {
    const target = bucketOf(now);
    this.#now = now;
    if (target < this.#cursor || target > this.#cursor + MAX_WALK) this.#placeAll(target);
    else this.#take(listOf(0, this.#cursor));
    for (let left = limit; ; ) {
      for (let node = this.#next[QUEUE]; node !== QUEUE; node = this.#next[QUEUE]) {
        if (left-- <= 0 || isFull()) return false;
        const slot = node - FIRST_SLOT;
        const due = this.#due[slot];
        this.#unlink(node);
        if (due > now || bucketOf(due) > this.#cursor) this.#place(slot);
        else {
          this.#due[slot] = Number.POSITIVE_INFINITY;
          fire(slot, due);
        }
      }
      if (this.#cursor === target) return true;
      this.#turn();
    }
  }

  /** Moves the cursor on by one bucket and takes what is in it, from the highest level down. */
  #turn(): void {
    const cursor = ++this.#cursor;
    if (cursor % BUCKETS ** 2 === 0) this.#take(listOf(2, cursor));
    if (cursor % BUCKETS === 0) this.#take(listOf(1, cursor));
    this.#take(listOf(0, cursor));
  }

  /** Links an idle slot into the list where its deadline belongs. */
  #place(slot: number): void {
    const due = this.#due[slot];
    const bucket = bucketOf(due);
    const ahead = bucket - this.#cursor;
    let list: number;
    // The current bucket was taken already; it is taken again by the next `advance`.
    if (ahead <= 0) list = due <= this.#now ? QUEUE : listOf(0, this.#cursor);
    else if (ahead < BUCKETS) list = listOf(0, bucket);
    else if (ahead < BUCKETS ** 2) list = listOf(1, bucket);
    else list = listOf(2, Math.min(bucket, this.#cursor + SPAN - 1));
    const node = FIRST_SLOT + slot;
    const last = this.#previous[list];
    this.#next[last] = node;
    this.#previous[node] = last;
    this.#next[node] = list;
    this.#previous[list] = node;
  }

  #unlink(node: number): void {
    const next = this.#next[node];
    const previous = this.#previous[node];
    this.#next[previous] = next;
    this.#previous[next] = previous;
    this.#next[node] = IDLE;
  }

  /** Moves all of a bucket to the end of the queue. */
  #take(list: number): void {
    const first = this.#next[list];
    if (first === list) return;
    const last = this.#previous[list];
    const end = this.#previous[QUEUE];
    this.#next[end] = first;
    this.#previous[first] = end;
    this.#next[last] = QUEUE;
    this.#previous[QUEUE] = last;
    this.#next[list] = list;
    this.#previous[list] = list;
  }

  /** Moves the cursor anywhere, also back: O(slots), for jumps of the clock. */
  #placeAll(cursor: number): void {
    this.#cursor = cursor;
    this.#clear();
    for (let slot = 0; slot < this.#due.length; slot++) {
      if (this.#next[FIRST_SLOT + slot] === IDLE) continue;
      this.#next[FIRST_SLOT + slot] = IDLE;
      this.#place(slot);
    }
  }

  #clear(): void {
    for (let list = 0; list <= QUEUE; list++) this.#next[list] = this.#previous[list] = list;
  }
}
