import type { CommandMessage, DeleteMessage, Reply } from "../src/transport/feed/protocol.ts";
import { CommandQueueFull } from "./errors.ts";
import { messageText } from "./message-text.ts";

/** Sent and not answered: what the server lets wait on a connection. */
const MAX_IN_FLIGHT = 64;
/** Not answered at all. */
const MAX_WAITING = 1_000;

/** What became of a command. `state`: of the entity right after it. `retry` and `overloaded` say that the same `id` may be asked again. */
export type CommandResult =
  | { id: string; accepted: true; state: string }
  | { id: string; accepted: false; type: Extract<Reply, { accepted: false }>["type"]; detail: string };

interface Waiting {
  text: string;
  sent: boolean;
  resolve(result: CommandResult): void;
  reject(error: Error): void;
}

/**
 * Commands between `command` and their reply. When the connection is lost, all that are not answered are sent again under their old ids: what was
 * decided before is answered as it was.
 */
export class CommandQueue {
  /** Hands a message to the open connection. */
  readonly #transmit: (message: string) => void;
  /** By number, in order. */
  readonly #waiting = new Map<number, Waiting>();
  #inFlight = 0;
  #open = false;

  constructor(transmit: (message: string) => void) {
    this.#transmit = transmit;
  }

  /** Rejects with `CommandQueueFull`, `MessageNotSendable`, `ProblemError` or `ConnectionClosed`. */
  async add(message: CommandMessage | DeleteMessage): Promise<CommandResult> {
    if (this.#waiting.size >= MAX_WAITING) throw new CommandQueueFull(MAX_WAITING);
    const text = messageText(message);
    return new Promise((resolve, reject) => {
      this.#waiting.set(message.n, { text, sent: false, resolve, reject });
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
    this.#inFlight = 0;
    for (const waiting of this.#waiting.values()) waiting.sent = false;
    this.#pump();
  }

  /** The connection is lost, another will come. */
  lost(): void {
    this.#open = false;
  }

  /** No connection will come: every command that waits is rejected. */
  end(error: Error): void {
    this.#open = false;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }

  #take(n: number): Waiting | undefined {
    const waiting = this.#waiting.get(n);
    if (waiting === undefined) return undefined;
    this.#waiting.delete(n);
    if (waiting.sent) this.#inFlight--;
    return waiting;
  }

  #pump(): void {
    if (!this.#open) return;
    for (const waiting of this.#waiting.values()) {
      if (this.#inFlight >= MAX_IN_FLIGHT) return;
      if (waiting.sent) continue;
      waiting.sent = true;
      this.#inFlight++;
      this.#transmit(waiting.text);
    }
  }
}
