import type { CommandMessage, DeleteMessage, Reply } from "../src/transport/feed/protocol.ts";
import type { ClientClock } from "./clock.ts";
import { CommandOutcomeUnknown, CommandQueueFull } from "./errors.ts";
import { messageText } from "./message-text.ts";

/** Sent and not answered: what the server lets wait on a connection. */
const MAX_IN_FLIGHT = 64;
/** Not answered at all. */
const MAX_WAITING = 1_000;
/** After it was first sent, a command is not sent again: half of what the server remembers it for, as what is sent may be long on its way. */
export const ASK_AGAIN_MS = 300_000;

/** What became of a command. `state`: of the entity right after it. `retry` and `overloaded` say that the same `id` may be asked again. */
export type CommandResult =
  | { id: string; accepted: true; state: string }
  | { id: string; accepted: false; type: Extract<Reply, { accepted: false }>["type"]; detail: string };

interface Waiting {
  /** The command's own. */
  id: string;
  text: string;
  /** On the connection that is open. */
  sent: boolean;
  /** On any connection: by the clock that never steps, and by the one that goes on while the device sleeps. */
  firstSent: { now: number; unix: number } | undefined;
  resolve(result: CommandResult): void;
  reject(error: Error): void;
}

/**
 * Commands between `command` and their reply. When the connection is lost, all that are not answered are sent again under their old ids: what was
 * decided before is answered as it was. As the server does not remember that for ever, what was first sent too long ago is not sent again, but given up.
 */
export class CommandQueue {
  readonly #clock: ClientClock;
  /** Hands a message to the open connection. */
  readonly #transmit: (message: string) => void;
  /** By number, in order. */
  readonly #waiting = new Map<number, Waiting>();
  #inFlight = 0;
  #open = false;
  #cancelLook: (() => void) | undefined;

  constructor(clock: ClientClock, transmit: (message: string) => void) {
    this.#clock = clock;
    this.#transmit = transmit;
  }

  /** Rejects with `CommandQueueFull`, `MessageNotSendable`, `CommandOutcomeUnknown`, `ProblemError`, `NotTheProtocol` or `ConnectionClosed`. */
  async add(message: (CommandMessage | DeleteMessage) & { command: string }): Promise<CommandResult> {
    if (this.#waiting.size >= MAX_WAITING) throw new CommandQueueFull(MAX_WAITING);
    const text = messageText(message);
    return new Promise((resolve, reject) => {
      const { command: id, n } = message;
      this.#waiting.set(n, { id, text, sent: false, firstSent: undefined, resolve, reject });
      this.#pump();
    });
  }

  /** @returns false if there is no such command. */
  answer(reply: Reply): boolean {
    const waiting = this.#take(reply.n);
    if (waiting === undefined) return false;
    const { command: id } = reply;
    waiting.resolve(
      reply.accepted
        ? { id, accepted: true, state: reply.state }
        : { id, accepted: false, type: reply.type, detail: reply.detail },
    );
    this.#pump();
    return true;
  }

  /** The server refused the message. No-op if there is no such command. */
  refuse(n: number, error: Error): void {
    this.#take(n)?.reject(error);
    this.#pump();
  }

  /** The connection is open: everything unanswered is sent, again or for the first time. */
  opened(): void {
    this.#open = true;
    this.#pump();
  }

  /** The connection is lost, another will come. */
  lost(): void {
    this.#open = false;
    this.#inFlight = 0;
    for (const waiting of this.#waiting.values()) waiting.sent = false;
    this.#giveUp();
  }

  /** No connection will come: every command that waits is rejected. */
  end(error: Error): void {
    this.#open = false;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
    this.#cancelLook?.();
  }

  #take(n: number): Waiting | undefined {
    const waiting = this.#waiting.get(n);
    if (waiting === undefined) return undefined;
    this.#waiting.delete(n);
    if (waiting.sent) this.#inFlight--;
    return waiting;
  }

  /** Rejects what may not be sent again any more, now and whenever more of it comes to be so. */
  #giveUp(): void {
    this.#cancelLook?.();
    this.#cancelLook = undefined;
    let next = Number.POSITIVE_INFINITY;
    for (const [n, { id, sent, firstSent, reject }] of this.#waiting) {
      if (sent || firstSent === undefined) continue;
      const passed = Math.max(this.#clock.now() - firstSent.now, this.#clock.unix() - firstSent.unix);
      if (passed < ASK_AGAIN_MS) {
        next = Math.min(next, ASK_AGAIN_MS - passed);
        continue;
      }
      this.#waiting.delete(n);
      reject(new CommandOutcomeUnknown(id));
    }
    if (next !== Number.POSITIVE_INFINITY)
      this.#cancelLook = this.#clock.schedule(next, () => this.#giveUp());
  }

  #pump(): void {
    this.#giveUp();
    if (!this.#open) return;
    for (const waiting of this.#waiting.values()) {
      if (this.#inFlight >= MAX_IN_FLIGHT) return;
      if (waiting.sent) continue;
      waiting.sent = true;
      waiting.firstSent ??= { now: this.#clock.now(), unix: this.#clock.unix() };
      this.#inFlight++;
      this.#transmit(waiting.text);
    }
  }
}
