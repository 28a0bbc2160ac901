/**
 * The sending end of a link: reports to one owner, in order, until each is answered.
 *
 * Reports go into the open frame → it is sealed (when it is long, or at the end of this turn of the loop) and published → received (the owner
 * has taken it in order) → settled (its result is here) → forgotten, when all before it are settled. What is not received is sent again
 * after a while without progress, from the first such frame on; if results are missing, a probe asks for them. While nothing answers
 * only one frame is repeated, less and less often: an owner that is back answers it, and gets the rest then.
 *
 * A frame keeps its number until all before it are settled, but its reports only as long as somebody waits for them: not when it is settled,
 * nor when they are answered otherwise (their time is over). The ids that it brings it keeps until it is received, since later frames build on
 * them. What is left of it counts too, so that an owner that says nothing for hours fills the window and not the memory.
 */
import { ByteWriter } from "../actors/bytes.ts";
import type { Clock } from "../clock.ts";
import {
  LINK_FRAME_BYTES,
  LINK_FRAME_OVERHEAD_BYTES,
  LINK_JITTER,
  LINK_RESEND_LONGEST_MS,
  LINK_RESEND_MS,
  LINK_WINDOW_BYTES,
} from "../limits.ts";
import type { Consignment } from "./consignment.ts";
import { inboxOf } from "./frames.ts";
import {
  encodeProbe,
  type FrameResult,
  patchCount,
  patchNumber,
  REPORTS_NUMBERS_BYTES,
  type Refused,
  readReply,
  reportsHead,
} from "./link-frames.ts";
import { type Bus, BusAway } from "./ports.ts";
import { ReportWriter } from "./report-codec.ts";

export interface LinkOptions {
  cluster: string;
  /** This node's incarnation. */
  self: string;
  bus: Bus;
  clock: Clock;
  /** 0 ≤ value < 1. */
  random(): number;
}

/** What a link tells whoever sends on it. */
export interface LinkListener {
  /** The owner has decided about [from, to) of a consignment. `refused` and `moved` are by position in it, ascending. */
  settle(
    cargo: Consignment,
    from: number,
    to: number,
    refused: readonly Refused[],
    moved: readonly number[],
  ): void;
  /** After reports were not taken: there is room again. */
  room(): void;
}

interface Part {
  cargo: Consignment;
  from: number;
  to: number;
}

interface SentFrame {
  number: number;
  /** Up to which the sender had all results when it got its first report. */
  acked: number;
  count: number;
  bytes: Uint8Array;
  /** Bytes at its end: the ids that it brings. */
  idsBytes: number;
  parts: readonly Part[];
  settled: boolean;
}

const NONE: readonly never[] = [];
/** Repetitions without an answer after which an owner may be gone: 2 s. */
const HEARD_SILENCE = 3;

export class LinkSender {
  readonly owner: string;
  readonly #options: LinkOptions;
  readonly #listener: LinkListener;
  readonly #channel: string;
  readonly #head: Uint8Array;
  /** A frame without reports and ids, for all that have lost theirs: whoever publishes a frame may reuse it. */
  readonly #empty: Uint8Array;
  /** Grows with what is said: most links say little. */
  readonly #out = new ByteWriter(4_096);
  readonly #writer = new ReportWriter(this.#out);
  /** Of the open frame. */
  #parts: Part[] = [];
  #ackedAtFirst = 0;
  /** All beyond `#acked`, ascending without gaps. */
  #frames: SentFrame[] = [];
  #acked = 0;
  #received = 0;
  #published = 0;
  /** Of all frames. */
  #bytes = 0;
  #refusing = false;
  #flushing = false;
  #disarm: (() => void) | undefined;
  /** When `#received` and `#acked` moved on last, or began to wait for it; monotonic ms. */
  #receivedAt = 0;
  #ackedAt = 0;
  /** Repetitions since the owner was heard. */
  #silence = 0;
  #closed = false;
  readonly stats = { frames: 0, repeated: 0, probes: 0, unheard: 0, malformed: 0 };

  constructor(owner: string, options: LinkOptions, listener: LinkListener) {
    this.owner = owner;
    this.#options = options;
    this.#listener = listener;
    this.#channel = inboxOf(options.cluster, owner);
    this.#head = reportsHead(options.self, owner);
    this.#empty = new Uint8Array(this.#head.length + REPORTS_NUMBERS_BYTES);
    this.#empty.set(this.#head);
    this.#begin();
  }

  /** @param epochs by shard. @returns how many of them were taken, from the first on: the others do not fit the window. */
  send(cargo: Consignment, epochs: ArrayLike<number>): number {
    let from = 0;
    let position = 0;
    for (; position < cargo.count; position++) {
      if (this.#bytes + this.#openBytes >= LINK_WINDOW_BYTES) {
        this.#refuse();
        break;
      }
      if (this.#writer.count === 0) this.#ackedAtFirst = this.#acked;
      const shard = cargo.shardOf(position);
      this.#writer.add(cargo.reportOf(position), shard, epochs[shard]);
      if (this.#openBytes < LINK_FRAME_BYTES) continue;
      this.#parts.push({ cargo, from, to: position + 1 });
      from = position + 1;
      this.#seal();
    }
    if (position > from) this.#parts.push({ cargo, from, to: position });
    if (!this.#flushing && position > 0) {
      this.#flushing = true;
      this.#options.clock.yield(() => this.#flush());
    }
    return position;
  }

  /** Whether the owner has taken all of a consignment, and still answers: then the reports wait for its commit. */
  hasTaken(cargo: Consignment): boolean {
    return cargo.lastFrame <= this.#received && this.#silence <= HEARD_SILENCE;
  }

  /** Encoded reports without an answer, and what is kept of frames without any. */
  get unansweredBytes(): number {
    return this.#bytes;
  }

  /** A frame from the owner on this node's reply channel. */
  take(body: Uint8Array): void {
    const reply = readReply(body);
    if (reply === undefined || reply.sender !== this.#options.self || reply.received > this.#published) {
      this.stats.malformed += 1;
      return;
    }
    if (this.#closed) return;
    const silence = this.#silence;
    this.#silence = 0;
    if (reply.received > this.#received) {
      this.#received = reply.received;
      this.#receivedAt = this.#options.clock.monotonic();
    }
    for (const result of reply.results) this.#settle(result);
    this.#forgetSettled();
    if (silence > 1) this.#repeatFrom(this.#received + 1, this.#published);
    if (silence > 0) this.#arm(this.#interval());
    this.#tellRoom();
  }

  /** Lets go of reports that nobody waits for any more. */
  trim(): void {
    for (const frame of this.#frames) {
      if (frame.parts !== NONE && isAnswered(frame)) this.#strip(frame);
    }
    this.#tellRoom();
  }

  /** Nothing is sent any more; what was not settled stays so. */
  close(): void {
    this.#closed = true;
    this.#disarm?.();
    this.#disarm = undefined;
    this.#frames = [];
    this.#parts = [];
  }

  #begin(): void {
    this.#out.clear();
    this.#out.raw(this.#head);
    this.#out.reserve(REPORTS_NUMBERS_BYTES);
    this.#out.length += REPORTS_NUMBERS_BYTES;
    this.#writer.begin();
    this.#parts = [];
  }

  get #openBytes(): number {
    return this.#out.length + this.#writer.idsLength;
  }

  #seal(): void {
    const reportsBytes = this.#out.length - this.#head.length - REPORTS_NUMBERS_BYTES;
    const idsBytes = this.#writer.idsLength;
    this.#out.raw(this.#writer.ids);
    const bytes = this.#out.copy();
    const number = this.#acked + this.#frames.length + 1;
    const { count } = this.#writer;
    patchCount(bytes, this.#head.length, count, reportsBytes);
    for (const { cargo } of this.#parts) cargo.lastFrame = number;
    this.#frames.push({
      number,
      acked: this.#ackedAtFirst,
      count,
      bytes,
      idsBytes,
      parts: this.#parts,
      settled: false,
    });
    this.#bytes += bytes.length + LINK_FRAME_OVERHEAD_BYTES;
    this.#begin();
  }

  #strip(frame: SentFrame): void {
    if (frame.bytes !== this.#empty) this.#bytes -= frame.bytes.length;
    frame.parts = NONE;
    if (frame.idsBytes === 0 || frame.number <= this.#received) frame.bytes = this.#empty;
    else {
      const bytes = new Uint8Array(this.#empty.length + frame.idsBytes);
      bytes.set(this.#head);
      bytes.set(frame.bytes.subarray(-frame.idsBytes), this.#empty.length);
      frame.bytes = bytes;
      this.#bytes += bytes.length;
    }
  }

  /** Until there is room. It must be looked for, also if nobody waits for what fills the window. */
  #refuse(): void {
    this.#refusing = true;
    if (this.#disarm === undefined && !this.#closed) this.#arm(this.#interval());
  }

  #flush(): void {
    this.#flushing = false;
    if (this.#closed) return;
    if (this.#writer.count > 0) this.#seal();
    const first = this.#published + 1;
    this.#published = this.#acked + this.#frames.length;
    // Nothing was waited for: the time without progress begins now.
    if (first === this.#received + 1) this.#receivedAt = this.#options.clock.monotonic();
    if (first === this.#acked + 1) this.#ackedAt = this.#options.clock.monotonic();
    for (let number = first; number <= this.#published; number++) this.#publishFrame(number);
    this.stats.frames += this.#published - first + 1;
    if (this.#disarm === undefined) this.#arm(this.#interval());
  }

  #interval(): number {
    const { random } = this.#options;
    const scattered = 1 + LINK_JITTER * (2 * random() - 1);
    return Math.min(LINK_RESEND_LONGEST_MS, LINK_RESEND_MS * 2 ** this.#silence) * scattered;
  }

  #arm(delay: number): void {
    this.#disarm?.();
    this.#disarm = this.#options.clock.schedule(delay, () => {
      this.#disarm = undefined;
      this.#look();
    });
  }

  /** The two waits are apart: under steady traffic frames are received all the time, and the result of one may be lost. */
  #look(): void {
    this.trim();
    // What nobody waits for is repeated when something follows it, or would if it had room.
    if (!this.#refusing && !this.#frames.some(({ parts }) => parts !== NONE)) return;
    const now = this.#options.clock.monotonic();
    const interval = this.#interval();
    const repeatIn = this.#received < this.#published ? this.#receivedAt + interval - now : Infinity;
    const probeIn = this.#acked < this.#received ? this.#ackedAt + interval - now : Infinity;
    if (repeatIn > 0 && probeIn > 0) {
      this.#arm(Math.min(interval, repeatIn, probeIn));
      return;
    }
    if (repeatIn <= 0) {
      const first = this.#received + 1;
      this.#repeatFrom(first, this.#silence === 0 ? this.#published : first);
      this.#receivedAt = now;
    }
    if (probeIn <= 0) {
      this.#probe();
      this.#ackedAt = now;
    }
    this.#silence = Math.min(this.#silence + 1, 16);
    this.#arm(this.#interval());
  }

  #repeatFrom(first: number, last: number): void {
    for (let number = first; number <= last; number++) this.#publishFrame(number);
    this.stats.repeated += Math.max(0, last - first + 1);
  }

  #publishFrame(number: number): void {
    const { bytes, acked } = this.#frames[number - this.#acked - 1];
    patchNumber(bytes, this.#head.length, number, acked);
    this.#publish(bytes);
  }

  #probe(): void {
    this.stats.probes += 1;
    this.#publish(encodeProbe(this.#options.self, this.owner, this.#acked));
  }

  /** What does not arrive is repeated, whatever the reason. */
  #publish(payload: Uint8Array): void {
    this.#options.bus.publish(this.#channel, payload).then(
      (listeners) => {
        if (listeners === 0) this.stats.unheard += 1;
      },
      (error: unknown) => {
        if (!(error instanceof BusAway)) throw error;
        this.stats.unheard += 1;
      },
    );
  }

  #settle(result: FrameResult): void {
    const frame = this.#frames[result.number - this.#acked - 1];
    if (frame === undefined || frame.settled) return;
    if (Math.max(result.refused.at(-1)?.index ?? 0, result.moved.at(-1) ?? 0) >= Math.max(1, frame.count)) {
      this.stats.malformed += 1;
      return;
    }
    frame.settled = true;
    const { parts } = frame;
    this.#strip(frame);
    const { refused, moved } = result;
    if (refused.length === 0 && moved.length === 0) {
      for (const { cargo, from, to } of parts) this.#listener.settle(cargo, from, to, NONE, NONE);
      return;
    }
    let start = 0;
    let nextRefused = 0;
    let nextMoved = 0;
    for (const { cargo, from, to } of parts) {
      const end = start + to - from;
      const shift = from - start;
      const itsRefused: Refused[] = [];
      const itsMoved: number[] = [];
      for (; nextRefused < refused.length && refused[nextRefused].index < end; nextRefused++) {
        const { index, type, detail } = refused[nextRefused];
        itsRefused.push({ index: index + shift, type, detail });
      }
      for (; nextMoved < moved.length && moved[nextMoved] < end; nextMoved++) {
        itsMoved.push(moved[nextMoved] + shift);
      }
      this.#listener.settle(cargo, from, to, itsRefused, itsMoved);
      start = end;
    }
  }

  #forgetSettled(): void {
    const first = this.#frames.findIndex((frame) => !frame.settled);
    const count = first < 0 ? this.#frames.length : first;
    if (count === 0) return;
    this.#frames.splice(0, count);
    this.#bytes -= count * LINK_FRAME_OVERHEAD_BYTES;
    this.#acked += count;
    this.#ackedAt = this.#options.clock.monotonic();
  }

  #tellRoom(): void {
    if (!this.#refusing || this.#bytes > LINK_WINDOW_BYTES / 2) return;
    this.#refusing = false;
    this.#listener.room();
  }
}

function isAnswered(frame: SentFrame): boolean {
  return frame.parts.every(({ cargo, from, to }) => cargo.answered(from, to));
}
