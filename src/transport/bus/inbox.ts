/** What came in over a bus and was not handed over yet. Reading a socket and working off what it brought are two things. */
import type { Clock } from "../../clock.ts";
import { BUS_MESSAGE_OVERHEAD_BYTES, MAX_BUS_INBOX_BYTES, SLICE_MS } from "../../limits.ts";

/** Failures of receivers are logged at most so often, with their number: the cause of one is in every message of its kind. */
const LOG_FAILURES_MS = 1_000;

/** What is logged of a receiver that throws. */
export interface InboxLog {
  error(details: { err: unknown; channel: string; failures: number }, message: string): void;
}

type Receive = (payload: Uint8Array) => void;

interface Waiting {
  channel: string;
  payload: Uint8Array;
}

const TAKEN: Waiting = { channel: "", payload: new Uint8Array(0) };

/**
 * Idle, or with messages: then a slice of them is handed over each turn of the loop, so that sockets are drained first. Redis cuts a
 * subscriber that reads too slowly, which would lose more than a node that works off too slowly loses here.
 *
 * What another node sends must not end this one: a message at which its receiver throws is lost to that receiver, as the bus may lose any.
 */
export class Inbox {
  readonly #clock: Clock;
  readonly #log: InboxLog;
  readonly #receivers = new Map<string, Set<Receive>>();
  readonly #lossListeners: (() => void)[] = [];
  /** From `#head` on; what is before was handed over. */
  #waiting: Waiting[] = [];
  #head = 0;
  #bytes = 0;
  #scheduled = false;
  #dropped = false;
  #failures = 0;
  /** Monotonic ms. */
  #loggedAt = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, log: InboxLog) {
    this.#clock = clock;
    this.#log = log;
  }

  /** Of what waits to be handed over. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Channels that somebody receives. */
  get channels(): string[] {
    return [...this.#receivers.keys()];
  }

  /** @returns ends it: nothing is handed to `receive` any more. */
  add(channel: string, receive: Receive): () => void {
    // Of its own, so that one function may be given twice.
    const own: Receive = (payload) => receive(payload);
    const receivers = this.#receivers.get(channel) ?? new Set();
    this.#receivers.set(channel, receivers.add(own));
    return () => {
      receivers.delete(own);
      if (receivers.size === 0 && this.#receivers.get(channel) === receivers) this.#receivers.delete(channel);
    };
  }

  has(channel: string): boolean {
    return this.#receivers.has(channel);
  }

  onLoss(lost: () => void): void {
    this.#lossListeners.push(lost);
  }

  /** Tells the listeners that messages may have been lost. */
  lose(): void {
    for (const lost of this.#lossListeners) lost();
  }

  /**
   * The oldest messages make room if there is too much; that is told before anything newer is handed over.
   * @param payload the inbox's from here on; no `Buffer`, whose `slice` shares.
   */
  push(channel: string, payload: Uint8Array): void {
    if (!this.#receivers.has(channel)) return;
    this.#waiting.push({ channel, payload });
    this.#bytes += payload.length + BUS_MESSAGE_OVERHEAD_BYTES;
    while (this.#bytes > MAX_BUS_INBOX_BYTES) {
      this.#take();
      this.#dropped = true;
    }
    this.#schedule();
  }

  /** Forgets all messages, receivers and listeners. */
  clear(): void {
    this.#receivers.clear();
    this.#lossListeners.length = 0;
    this.#waiting = [];
    this.#head = 0;
    this.#bytes = 0;
    this.#dropped = false;
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#clock.yield(() => this.#handOver());
  }

  #handOver(): void {
    this.#scheduled = false;
    const end = this.#clock.monotonic() + SLICE_MS;
    if (this.#dropped) {
      this.#dropped = false;
      this.lose();
    }
    while (this.#head < this.#waiting.length) {
      if (this.#clock.monotonic() >= end) {
        this.#schedule();
        return;
      }
      const { channel, payload } = this.#take();
      const receivers = this.#receivers.get(channel);
      if (receivers === undefined) continue;
      if (receivers.size === 1) {
        const [receive] = receivers;
        this.#give(receive, channel, payload);
      }
      // Each may keep and change what it gets, and end itself or another one.
      else
        for (const receive of [...receivers])
          if (receivers.has(receive)) this.#give(receive, channel, payload.slice());
    }
  }

  #give(receive: Receive, channel: string, payload: Uint8Array): void {
    try {
      receive(payload);
    } catch (err) {
      this.#failures += 1;
      const now = this.#clock.monotonic();
      if (now - this.#loggedAt < LOG_FAILURES_MS) return;
      this.#loggedAt = now;
      this.#log.error(
        { err, channel, failures: this.#failures },
        "a message of another node could not be worked off and is lost",
      );
    }
  }

  #take(): Waiting {
    const taken = this.#waiting[this.#head];
    this.#waiting[this.#head++] = TAKEN;
    this.#bytes -= taken.payload.length + BUS_MESSAGE_OVERHEAD_BYTES;
    // Half of the array at a time: a `shift` would move all of it for each message.
    if (
      this.#head === this.#waiting.length ||
      (this.#head >= 1_024 && this.#head * 2 >= this.#waiting.length)
    ) {
      this.#waiting.splice(0, this.#head);
      this.#head = 0;
    }
    return taken;
  }
}
