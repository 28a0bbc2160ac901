/** The bus between nodes of one process: for tests, for simulations on virtual time, and the reference for the others. */
import assert from "node:assert/strict";
import type { Clock } from "../../clock.ts";
import { type Bus, BusAway } from "../../cluster/ports.ts";
import { MAX_BUS_MESSAGE_BYTES } from "../../limits.ts";
import { Inbox, type InboxLog } from "./inbox.ts";

/** A test wants to know. */
const THROWS: InboxLog = {
  error({ err }) {
    throw err;
  },
};

/** What the nodes of one process have in common. */
export class LocalBusHub {
  readonly #clock: Clock;
  readonly #log: InboxLog;
  readonly #inboxes = new Set<Inbox>();

  /** @param clock its `yield` paces the handing over. @param log gets what receivers throw; without one it is thrown on, and ends the process. */
  constructor(clock: Clock, log: InboxLog = THROWS) {
    this.#clock = clock;
    this.#log = log;
  }

  /** One node's end. @param clock of that node, if it has one of its own. */
  open(clock: Clock = this.#clock): Bus {
    const inbox = new Inbox(clock, this.#log);
    this.#inboxes.add(inbox);
    return new LocalBus(inbox, this.#inboxes);
  }
}

class LocalBus implements Bus {
  readonly #inbox: Inbox;
  readonly #all: Set<Inbox>;

  constructor(inbox: Inbox, all: Set<Inbox>) {
    this.#inbox = inbox;
    this.#all = all;
  }

  async publish(channel: string, payload: Uint8Array): Promise<number> {
    assert.ok(payload.length <= MAX_BUS_MESSAGE_BYTES, "a message of the bus is too large");
    this.#refuseClosed();
    let listeners = 0;
    for (const inbox of this.#all) {
      if (!inbox.has(channel)) continue;
      inbox.push(channel, new Uint8Array(payload));
      listeners += 1;
    }
    return listeners;
  }

  async subscribe(channel: string, receive: (payload: Uint8Array) => void): Promise<() => Promise<void>> {
    this.#refuseClosed();
    const end = this.#inbox.add(channel, receive);
    return async () => end();
  }

  get away(): boolean {
    return !this.#all.has(this.#inbox);
  }

  get queued(): Bus["queued"] {
    return { out: 0, in: this.#inbox.bytes };
  }

  onLoss(lost: () => void): void {
    this.#inbox.onLoss(lost);
  }

  async close(): Promise<void> {
    this.#all.delete(this.#inbox);
    this.#inbox.clear();
  }

  #refuseClosed(): void {
    if (this.away) throw new BusAway("the bus is closed");
  }
}
