/**
 * The owner's side of mirrors: tells each other node what changes of the entities that this node owns and that one's viewers look at, in a
 * round each 20 ms. A record is encoded once a round, whoever wants it. A round is bounded in time, and in bytes a subscriber: what does not fit
 * waits for the next, and is conflated meanwhile.
 *
 * Frames of one subscriber form a stream, numbered without gaps, on a bus that may lose them. Who finds a gap asks for a new stream.
 */
import { ByteWriter } from "../actors/bytes.ts";
import type { EntityTable } from "../actors/entity-table.ts";
import { EXPIRED } from "../actors/messages.ts";
import type { Clock } from "../clock.ts";
import { SHARDS, SLICE_MS } from "../limits.ts";
import { HAS_PLACE } from "../picture/columns.ts";
import { FULL } from "../picture/picture.ts";
import { BUCKET_KEYS } from "../picture/spatial-index.ts";
import { decodeInterest, isInside } from "./interest.ts";
import { writeComplete, writeFull, writeGone, writeHead, writeMotion } from "./mirror-codec.ts";
import { MirrorQueue } from "./mirror-queue.ts";
import { MirrorSubscriber } from "./mirror-subscriber.ts";

export const ROUND_MS = 20;
/** Nothing to tell: a frame all the same, so that the other side knows that it missed none. */
const HEARTBEAT_MS = 500;
/** A node says each second what it wants; one that is silent for so long is forgotten. */
const FORGET_MS = 5_000;
/** Changes of one round for one subscriber: 100,000 motions a second are 130 KB. */
const MAX_CHANGE_BYTES = 384 * 2 ** 10;
/** With what is sent of the backlog. At least the difference is there for it, 6 MB/s, however much changes. */
const MAX_ROUND_BYTES = 512 * 2 ** 10;
/** Handed to the bus and not taken by it: beyond it the bus does not keep up, and the stream starts again when it does. */
const MAX_IN_FLIGHT_BYTES = 8 * 2 ** 20;
/** Nodes of a cluster, and names that were never one. */
const MAX_SUBSCRIBERS = 256;
const CHANGES_PER_LOOK = 64;

export interface MirrorSourceOptions {
  /** Incarnation of this node. */
  node: string;
  table: EntityTable;
  clock: Clock;
  /** Publishes a frame to a node, as `Bus.publish` does: the payload is reused. */
  publish(node: string, payload: Uint8Array): Promise<number>;
  /** For tests. */
  maxChangeBytes?: number;
  maxRoundBytes?: number;
}

export class MirrorSource {
  readonly stats = { full: 0, motion: 0, gone: 0, frames: 0, bytes: 0, streams: 0 };
  readonly #options: MirrorSourceOptions;
  readonly #queue: MirrorQueue;
  readonly #subscribers = new Map<string, MirrorSubscriber>();
  /** By shard: its epoch if this node has it open, else 0. */
  readonly #epochs = new Uint32Array(SHARDS);
  /** By shard: it is all sent once the queue has come so far. */
  readonly #claimed = new Float64Array(SHARDS);
  /** The records of one round. */
  readonly #records = new ByteWriter(4_096);
  readonly #frame = new ByteWriter(4_096);
  /** Where the entity looked at now is in `#records`, if it is: −1 = not encoded. */
  #full = -1;
  #fullEnd = 0;
  #motion = -1;
  #motionEnd = 0;
  #cancel: (() => void) | undefined;

  constructor(options: MirrorSourceOptions) {
    this.#options = options;
    const { picture } = options.table;
    this.#queue = new MirrorQueue(picture);
    picture.watch(this.#queue);
  }

  /** Nodes that are told something. */
  get subscribers(): number {
    return this.#subscribers.size;
  }

  /** Changes that no round has looked at yet. */
  get waiting(): number {
    return this.#queue.size;
  }

  start(): void {
    this.#cancel = this.#options.clock.schedule(ROUND_MS, () => {
      this.start();
      this.round();
    });
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  /** This node has opened a shard; its entities are in the table. */
  opened(shard: number, epoch: number): void {
    this.#epochs[shard] = epoch;
    for (const slot of this.#options.table.shards[shard].slots()) this.#queue.touched(slot, FULL);
    this.#claimed[shard] = this.#queue.put;
    for (const subscriber of this.#subscribers.values()) {
      subscriber.incomplete[shard] = 1;
      subscriber.isIncomplete = true;
    }
  }

  /**
   * This node has a shard no longer, or may not say anything about it. What others have of it stays as it is until its next owner tells them.
   * Call it before the table lets go of the entities: if a number came back to this node, nobody must be told that what had it before is gone.
   */
  closed(shard: number): void {
    this.#epochs[shard] = 0;
    for (const slot of this.#options.table.shards[shard].slots())
      for (const subscriber of this.#subscribers.values()) subscriber.letGo(slot);
  }

  /** A message `interest` of another node. What is none is ignored. */
  interest(node: string, message: unknown): void {
    const decoded = decodeInterest(message);
    if (decoded === undefined) return;
    const subscriber = this.#heard(node, decoded.interest !== undefined);
    if (subscriber === undefined) return;
    if (decoded.interest !== undefined && decoded.k > subscriber.interest.k)
      subscriber.take(decoded.interest);
    if (subscriber.state === "broken") this.#restart(subscriber);
  }

  /** A message `resync` of another node: it has missed something of that stream. */
  resync(node: string, message: unknown): void {
    const subscriber = this.#heard(node, false);
    if (typeof message !== "object" || message === null) return;
    const { stream } = message as { stream?: unknown };
    // Of an older stream it was asked for before that one ended.
    if (subscriber !== undefined && stream === subscriber.stream) this.#restart(subscriber);
  }

  /** A node is no more. */
  forget(node: string): void {
    this.#subscribers.delete(node);
  }

  #heard(node: string, wants: boolean): MirrorSubscriber | undefined {
    const now = this.#options.clock.monotonic();
    let subscriber = this.#subscribers.get(node);
    if (subscriber === undefined) {
      if (!wants || this.#subscribers.size >= MAX_SUBSCRIBERS) return undefined;
      subscriber = new MirrorSubscriber(node, now);
      this.#subscribers.set(node, subscriber);
    }
    subscriber.heardAt = now;
    return subscriber;
  }

  #restart(subscriber: MirrorSubscriber): void {
    if (subscriber.inFlight > MAX_IN_FLIGHT_BYTES / 2) subscriber.break();
    else subscriber.restart(++this.stats.streams);
  }

  /** Looks at what changed and at backlogs, and sends each subscriber its share. `start` calls it, and so do tests. */
  round(): void {
    const { clock } = this.#options;
    const now = clock.monotonic();
    for (const [node, { heardAt }] of this.#subscribers)
      if (now - heardAt > FORGET_MS) this.#subscribers.delete(node);
    this.#records.clear();
    this.#drain(now + SLICE_MS);
    const streaming = [...this.#subscribers.values()].filter(({ state }) => state === "streaming");
    const end = clock.monotonic() + SLICE_MS;
    const behind = streaming.filter(({ hasBacklog }) => hasBacklog);
    for (const [i, subscriber] of behind.entries()) {
      if (i > 0 && clock.monotonic() >= end) break;
      this.#workOff(subscriber, end);
    }
    // Whoever came first comes last in the next rounds; the others move up.
    if (behind.length > 1) {
      this.#subscribers.delete(behind[0].node);
      this.#subscribers.set(behind[0].node, behind[0]);
    }
    for (const subscriber of streaming) this.#send(subscriber, now);
  }

  #drain(end: number): void {
    const queue = this.#queue;
    const subscribers = [...this.#subscribers.values()].filter(({ state }) => state === "streaming");
    const { maxChangeBytes = MAX_CHANGE_BYTES, clock } = this.#options;
    for (let looked = 1; queue.size > 0; looked++) {
      if (looked % CHANGES_PER_LOOK === 0 && clock.monotonic() >= end) return;
      const slot = queue.take();
      this.#look(slot, queue.what, subscribers);
      for (const { bytes } of subscribers) if (bytes >= maxChangeBytes) return;
    }
  }

  /** Tells subscribers what they must know of a slot: what it has become to them, and what changed of it. */
  #look(slot: number, what: number, subscribers: readonly MirrorSubscriber[]): void {
    const { picture } = this.#options.table;
    const { columns } = picture;
    const epoch = this.#epochs[columns.shard.of(slot)];
    if (epoch === 0) return;
    const removal = picture.removal(slot);
    const hasPlace = (columns.flags.of(slot) & HAS_PLACE) !== 0;
    const key = columns.key.of(slot);
    const id = columns.id[slot]!;
    // No view shows it: it is told that it expired, and not told again.
    const expired = columns.liveness.of(slot) === EXPIRED;
    this.#full = this.#motion = -1;
    for (const subscriber of subscribers) {
      const held = subscriber.holds(slot);
      if (removal === undefined && (held || !expired) && isInside(subscriber.interest, id, hasPlace, key)) {
        if (held && what === 0) continue;
        if (held && (what & FULL) === 0) this.#tellMotion(subscriber, slot);
        else this.#tellFull(subscriber, slot);
        if (!held) subscriber.hold(slot);
      } else if (held) {
        subscriber.letGo(slot);
        const start = this.#records.length;
        const number = this.#options.table.number.of(slot);
        writeGone(this.#records, columns.shard.of(slot), number, epoch, removal ?? "left");
        subscriber.add(start, this.#records.length);
        this.stats.gone++;
      }
    }
  }

  #tellFull(subscriber: MirrorSubscriber, slot: number): void {
    if (this.#full < 0) {
      const { picture, number } = this.#options.table;
      this.#full = this.#records.length;
      writeFull(this.#records, picture.columns, slot, number.of(slot));
      this.#fullEnd = this.#records.length;
    }
    subscriber.add(this.#full, this.#fullEnd);
    this.stats.full++;
  }

  #tellMotion(subscriber: MirrorSubscriber, slot: number): void {
    if (this.#motion < 0) {
      const { picture, number } = this.#options.table;
      this.#motion = this.#records.length;
      writeMotion(this.#records, picture.columns, slot, number.of(slot));
      this.#motionEnd = this.#records.length;
    }
    subscriber.add(this.#motion, this.#motionEnd);
    this.stats.motion++;
  }

  /** Looks at a slice of a subscriber's backlog. */
  #workOff(subscriber: MirrorSubscriber, end: number): void {
    const { table, clock, maxRoundBytes = MAX_ROUND_BYTES } = this.#options;
    const { picture } = table;
    const one = [subscriber];
    let looked = 0;
    const isOver = () =>
      subscriber.bytes >= maxRoundBytes || (++looked % CHANGES_PER_LOOK === 0 && clock.monotonic() >= end);
    const ids = subscriber.backlogIds;
    while (ids.length > 0) {
      if (isOver()) return;
      const slot = picture.find(ids.pop()!);
      if (slot >= 0) this.#look(slot, 0, one);
    }
    const { index } = picture;
    do {
      for (let slot = this.#goOn(subscriber); slot >= 0; slot = index.after(slot)) {
        subscriber.next = slot;
        if (isOver()) return;
        this.#look(slot, 0, one);
      }
      subscriber.next = -1;
    } while (subscriber.begin(index));
    // What moved meanwhile from where it was still to be looked for to where it had been looked for is in the queue.
    subscriber.completeAt = this.#queue.put;
  }

  /**
   * Where the last round stopped in a bucket. What came into it since is before that, and in the queue; if it is the slot itself that left, the
   * bucket is begun anew, and what was looked at is found to be told.
   */
  #goOn({ bucket, next }: MirrorSubscriber): number {
    const { columns, index } = this.#options.table.picture;
    if (next < 0) return next;
    const key = columns.key.of(next);
    const stays = (columns.flags.of(next) & HAS_PLACE) !== 0 && key - (key % BUCKET_KEYS) === bucket;
    return stays ? next : index.first(bucket);
  }

  /** Sends a subscriber its share, or a heartbeat, or nothing. */
  #send(subscriber: MirrorSubscriber, now: number): void {
    const complete = this.#complete(subscriber);
    if (subscriber.ranges.length === 0 && complete.length === 0 && now - subscriber.sentAt < HEARTBEAT_MS)
      return;
    const frame = this.#frame;
    frame.clear();
    const { node: owner, clock } = this.#options;
    const { stream, interest, ranges } = subscriber;
    writeHead(frame, { owner, stream, n: ++subscriber.n, k: interest.k, t: clock.now() });
    for (let i = 0; i < ranges.length; i += 2)
      frame.raw(this.#records.bytes.subarray(ranges[i], ranges[i + 1]));
    if (complete.length > 0) writeComplete(frame, complete);
    subscriber.clearRound();
    subscriber.sentAt = now;
    this.#publish(subscriber, frame.bytes.subarray(0, frame.length));
  }

  /** The shards of which the subscriber has all that it wants, with this frame. */
  #complete(subscriber: MirrorSubscriber): { shard: number; epoch: number }[] {
    if (!subscriber.isIncomplete || subscriber.hasBacklog || this.#queue.taken < subscriber.completeAt)
      return [];
    subscriber.isIncomplete = false;
    const complete: { shard: number; epoch: number }[] = [];
    for (let shard = 0; shard < SHARDS; shard++) {
      const epoch = this.#epochs[shard];
      if (epoch === 0 || subscriber.incomplete[shard] === 0) continue;
      if (this.#queue.taken < this.#claimed[shard]) {
        subscriber.isIncomplete = true;
        continue;
      }
      subscriber.incomplete[shard] = 0;
      complete.push({ shard, epoch });
    }
    return complete;
  }

  #publish(subscriber: MirrorSubscriber, payload: Uint8Array): void {
    const { stream } = subscriber;
    const bytes = payload.length;
    this.stats.frames++;
    this.stats.bytes += bytes;
    subscriber.inFlight += bytes;
    const done = (listeners: number) => {
      subscriber.inFlight -= bytes;
      if (listeners === 0 && subscriber.stream === stream) subscriber.break();
    };
    // However it failed, the other side has not got it: it says so, or is silent and forgotten.
    this.#options.publish(subscriber.node, payload).then(done, () => done(0));
    if (subscriber.inFlight > MAX_IN_FLIGHT_BYTES) subscriber.break();
  }
}
