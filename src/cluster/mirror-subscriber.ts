/**
 * What an owner knows of one node that looks at its entities.
 *
 * - `broken`: nothing is known of what that node holds, and nothing is sent. So it begins, and so it is again when a frame went nowhere. The
 *   next message from there starts a new stream.
 * - `streaming`: the `held` bits are what that node has once all frames have come. What is still to be looked at because the interest or the
 *   stream is new waits as a cover and as ids (`backlog`), and is worked off in slices, bucket by bucket of the index.
 */
import { SHARDS } from "../limits.ts";
import { type Cover, coverDifference, coverUnion, NOTHING } from "../picture/cover.ts";
import { BUCKET_KEYS, type SpatialIndex } from "../picture/spatial-index.ts";
import { type Interest, NO_INTEREST } from "./interest.ts";

export class MirrorSubscriber {
  readonly node: string;
  state: "broken" | "streaming" = "broken";
  interest: Interest = NO_INTEREST;
  stream = 0;
  /** Frames sent of the stream. */
  n = 0;
  /** When its node was heard last, and when a frame was sent last; monotonic ms. */
  heardAt: number;
  sentAt = Number.NEGATIVE_INFINITY;
  /** Bytes handed to the bus that has not taken them yet. */
  inFlight = 0;
  /** Its records of this round: where they start and end in the round's bytes, in turn. */
  readonly ranges: number[] = [];
  /** Bytes of them. */
  bytes = 0;
  /** Shards of which it is to be told, after its backlog, that it has them all. */
  readonly incomplete = new Uint8Array(SHARDS);
  /** Whether there may be one among those that are owned. */
  isIncomplete = true;
  /** And after the queue of changes has come so far. */
  completeAt = 0;
  backlog: Cover = NOTHING;
  backlogIds: string[] = [];
  /** The lowest key of the bucket that is worked off now. It is in the backlog no more. */
  bucket = 0;
  /** The slot there that is to be looked at next; −1 = none. */
  next = -1;
  #held = new Uint32Array(0);

  constructor(node: string, now: number) {
    this.node = node;
    this.heardAt = now;
  }

  get hasBacklog(): boolean {
    return this.backlog.length > 0 || this.backlogIds.length > 0 || this.next >= 0;
  }

  /** Starts from nothing: all of the interest is to be sent. */
  restart(stream: number): void {
    this.state = "streaming";
    this.stream = stream;
    this.n = 0;
    this.#held.fill(0);
    this.backlog = this.interest.cover.slice();
    this.backlogIds = [...this.interest.ids];
    this.next = -1;
    this.#allIncomplete();
  }

  break(): void {
    this.state = "broken";
    this.clearRound();
  }

  /**
   * Takes a newer interest. What is in one of the two and not in the other is looked at again; what moves is judged by the new one at once.
   * That what it no longer holds is told as gone, and not just forgotten on both sides: an interest may be skipped by either.
   */
  take(interest: Interest): void {
    const { cover, ids } = this.interest;
    this.interest = interest;
    if (this.state === "broken") return;
    const less = coverDifference(cover, interest.cover);
    const more = coverDifference(interest.cover, cover);
    this.backlog = coverUnion(this.backlog, coverUnion(less, more));
    for (const id of ids) if (!interest.ids.has(id)) this.backlogIds.push(id);
    for (const id of interest.ids) if (!ids.has(id)) this.backlogIds.push(id);
    this.#allIncomplete();
  }

  /** Takes the next bucket that is not empty out of the backlog. @returns whether there is one. */
  begin(index: SpatialIndex): boolean {
    let { backlog } = this;
    while (backlog.length > 0) {
      const key = index.nextOccupied(backlog[0], backlog[1]);
      if (key > backlog[1]) {
        backlog = backlog.subarray(2);
        continue;
      }
      this.bucket = key - (key % BUCKET_KEYS);
      this.next = index.first(key);
      const end = this.bucket + BUCKET_KEYS;
      while (backlog.length > 0 && backlog[1] < end) backlog = backlog.subarray(2);
      if (backlog.length > 0 && backlog[0] < end) backlog[0] = end;
      this.backlog = backlog;
      return true;
    }
    this.backlog = NOTHING;
    return false;
  }

  #allIncomplete(): void {
    this.incomplete.fill(1);
    this.isIncomplete = true;
  }

  holds(slot: number): boolean {
    return slot >>> 5 < this.#held.length && (this.#held[slot >>> 5] & (1 << (slot & 31))) !== 0;
  }

  hold(slot: number): void {
    if (slot >>> 5 >= this.#held.length) {
      const grown = new Uint32Array(Math.max(64, this.#held.length * 2, (slot >>> 5) + 1));
      grown.set(this.#held);
      this.#held = grown;
    }
    this.#held[slot >>> 5] |= 1 << (slot & 31);
  }

  letGo(slot: number): void {
    if (slot >>> 5 < this.#held.length) this.#held[slot >>> 5] &= ~(1 << (slot & 31));
  }

  /** Adds the bytes from `start` to `end` to its share of the round. */
  add(start: number, end: number): void {
    const { ranges } = this;
    if (ranges.length > 0 && ranges[ranges.length - 1] === start) ranges[ranges.length - 1] = end;
    else ranges.push(start, end);
    this.bytes += end - start;
  }

  clearRound(): void {
    this.ranges.length = 0;
    this.bytes = 0;
  }
}
