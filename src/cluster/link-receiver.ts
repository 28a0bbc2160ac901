/**
 * The receiving end of all links into this node: takes the frames of each sender in order, each once, hands their reports to the actors of
 * this node without waiting for the commit of those before, and keeps the results until the sender has them.
 *
 * A frame is unknown → taken (it is the next one) → finished (its result is there, and sent once) → acked (forgotten). One that comes again
 * is not taken again, but a sign that the sender lacks replies: all it may lack is sent again. One that comes ahead of its turn is dropped;
 * the sender repeats everything from the first that was not received.
 *
 * A shard that refused reports as moved and is open again under the same epoch (`keeping`) must not take any that were sent before the
 * sender knew of that: they would overtake those refused. They have moved too.
 */

import { ByteWriter } from "../actors/bytes.ts";
import type { LocalIngest, Report } from "../actors/messages.ts";
import { NO_EPOCH } from "../actors/receive.ts";
import { shardOf } from "../actors/shard-hash.ts";
import type { Clock } from "../clock.ts";
import { LINK_FRAME_BYTES, MAX_LINK_SENDERS } from "../limits.ts";
import { FRAME, type Frame, repliesOf, unlessMalformed } from "./frames.ts";
import {
  type FrameResult,
  type ReportsBody,
  readProbe,
  readReportsBody,
  writeReplyHead,
  writeResult,
} from "./link-frames.ts";
import type { LinkId } from "./link-ids.ts";
import { type Bus, BusAway } from "./ports.ts";
import { type PlacedReports, readReports } from "./report-codec.ts";

export interface ReceiverOptions {
  cluster: string;
  /** This node's incarnation. */
  self: string;
  bus: Bus;
  clock: Clock;
  local: LocalIngest;
}

interface Sender {
  readonly incarnation: string;
  readonly channel: string;
  /** Highest frame taken. */
  received: number;
  acked: number;
  /** By number. */
  ids: LinkId[];
  /** By shard: of an epoch, nothing is taken that was sent before the sender had all results up to this frame. */
  readonly kept: Map<number, { epoch: number; received: number }>;
  /** By frame beyond `acked`, in the order in which they were finished. */
  readonly results: Map<number, FrameResult>;
  /** Finished, and not sent yet. */
  fresh: FrameResult[];
  /** Whether the next reply repeats all results. */
  repeat: boolean;
  replying: boolean;
}

export class LinkReceiver {
  readonly #options: ReceiverOptions;
  readonly #senders = new Map<string, Sender>();
  readonly #gone = new Set<string>();
  readonly #out = new ByteWriter(4_096);
  readonly stats = { frames: 0, repeated: 0, ahead: 0, dropped: 0 };

  constructor(options: ReceiverOptions) {
    this.#options = options;
  }

  /** A frame of type `reports` or `probe` on this node's inbox. */
  take(frame: Frame): void {
    if (frame.is === "binary" && frame.type === FRAME.reports) this.#takeReports(frame.sender, frame.body);
    else if (frame.is === "binary" && frame.type === FRAME.probe) this.#takeProbe(frame.sender, frame.body);
    else this.stats.dropped += 1;
  }

  /** This incarnation is down. It never returns, but late frames of it may be under way. */
  forget(incarnation: string): void {
    this.#senders.delete(incarnation);
    this.#gone.add(incarnation);
    if (this.#gone.size <= MAX_LINK_SENDERS) return;
    const [oldest] = this.#gone;
    this.#gone.delete(oldest);
  }

  /** Shards are about to open again under epochs under which they refused reports as moved. */
  keeping(epochs: ReadonlyMap<number, number>): void {
    for (const { kept, received } of this.#senders.values())
      for (const [shard, epoch] of epochs) kept.set(shard, { epoch, received });
  }

  /** Frames whose results are kept. */
  get kept(): number {
    let count = 0;
    for (const { results } of this.#senders.values()) count += results.size;
    return count;
  }

  #takeReports(incarnation: string, bytes: Uint8Array): void {
    const body = readReportsBody(bytes);
    const sender = body?.owner === this.#options.self ? this.#sender(incarnation) : undefined;
    if (body === undefined || sender === undefined) {
      this.stats.dropped += 1;
      return;
    }
    this.#forgetAcked(sender, body.acked);
    if (body.number === sender.received + 1) {
      const placed = unlessMalformed(() => readReports(body.reports, body.count, body.ids, sender.ids));
      if (placed === undefined) this.stats.dropped += 1;
      else this.#submit(sender, body, placed);
    } else if (body.number > sender.received) this.stats.ahead += 1;
    else {
      this.stats.repeated += 1;
      sender.repeat = true;
    }
    this.#replySoon(sender);
  }

  #takeProbe(incarnation: string, bytes: Uint8Array): void {
    const probe = readProbe(bytes);
    const sender = probe?.owner === this.#options.self ? this.#sender(incarnation) : undefined;
    if (probe === undefined || sender === undefined) {
      this.stats.dropped += 1;
      return;
    }
    this.#forgetAcked(sender, probe.acked);
    sender.repeat = true;
    this.#replySoon(sender);
  }

  #sender(incarnation: string): Sender | undefined {
    const known = this.#senders.get(incarnation);
    if (known !== undefined) return known;
    if (this.#gone.has(incarnation) || this.#senders.size >= MAX_LINK_SENDERS) return undefined;
    const sender: Sender = {
      incarnation,
      channel: repliesOf(this.#options.cluster, incarnation),
      received: 0,
      acked: 0,
      ids: [],
      kept: new Map(),
      results: new Map(),
      fresh: [],
      repeat: false,
      replying: false,
    };
    this.#senders.set(incarnation, sender);
    return sender;
  }

  #submit(sender: Sender, { number, acked }: ReportsBody, { reports, epochs, ids }: PlacedReports): void {
    sender.received = number;
    sender.ids = ids;
    for (const [shard, { received }] of sender.kept) if (received <= acked) sender.kept.delete(shard);
    if (sender.kept.size > 0) outdate(reports, epochs, sender.kept);
    this.stats.frames += 1;
    if (reports.length === 0) {
      this.#finish(sender, { number, refused: [], moved: [] });
      return;
    }
    void this.#options.local.submitPlaced(reports, epochs).then(({ refused, moved }) => {
      this.#finish(sender, { number, refused, moved });
    });
  }

  #finish(sender: Sender, result: FrameResult): void {
    sender.results.set(result.number, result);
    sender.fresh.push(result);
    this.#replySoon(sender);
  }

  #forgetAcked(sender: Sender, acked: number): void {
    // Frames come late and twice; only what was taken can have been answered.
    const last = Math.min(acked, sender.received);
    for (let number = sender.acked + 1; number <= last; number++) sender.results.delete(number);
    sender.acked = Math.max(sender.acked, last);
  }

  /** One reply for all that happens in this turn of the loop. */
  #replySoon(sender: Sender): void {
    if (sender.replying) return;
    sender.replying = true;
    this.#options.clock.yield(() => {
      sender.replying = false;
      if (this.#senders.get(sender.incarnation) === sender) this.#reply(sender);
    });
  }

  #reply(sender: Sender): void {
    const results = sender.repeat ? sender.results.values() : sender.fresh;
    const out = this.#out;
    this.#open(sender);
    for (const result of results) {
      if (out.length >= LINK_FRAME_BYTES) {
        this.#publish(sender);
        this.#open(sender);
      }
      writeResult(result, out);
    }
    this.#publish(sender);
    sender.repeat = false;
    sender.fresh = [];
  }

  #open(sender: Sender): void {
    this.#out.clear();
    writeReplyHead(this.#options.self, sender.incarnation, sender.received, this.#out);
  }

  /** A reply that is lost is asked for again. */
  #publish(sender: Sender): void {
    const payload = this.#out.bytes.subarray(0, this.#out.length);
    this.#options.bus.publish(sender.channel, payload).catch((error: unknown) => {
      if (!(error instanceof BusAway)) throw error;
    });
  }
}

function outdate(reports: readonly Report[], epochs: Uint32Array, kept: Sender["kept"]): void {
  for (const [i, { id }] of reports.entries()) {
    if (kept.get(shardOf(id))?.epoch === epochs[i]) epochs[i] = NO_EPOCH;
  }
}
