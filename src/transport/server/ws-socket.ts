/** One WebSocket of `ws` as a `Socket`. */
import type { Socket as TcpSocket } from "node:net";
import { WebSocket } from "ws";
import type { Socket, SocketHandlers } from "./server.ts";
import { takenBytes, waitingBytes } from "./socket-progress.ts";

/** Open → closing (a close frame was sent or came) → closed; `send` does nothing after open. */
export class WsSocket implements Socket {
  readonly protocol: string;
  readonly principal: unknown;
  readonly #ws: WebSocket;
  readonly #tcp: TcpSocket;
  readonly #handlers: SocketHandlers;
  /** What the connection had carried before it was a WebSocket. */
  readonly #origin: number;
  #written = 0;
  /** Something waited after a send, and no drain was told since. */
  #waiting = false;

  constructor(ws: WebSocket, tcp: TcpSocket, principal: unknown, handlers: SocketHandlers) {
    this.#ws = ws;
    this.#tcp = tcp;
    this.#handlers = handlers;
    this.protocol = ws.protocol;
    this.principal = principal;
    this.#origin = Math.max(0, takenBytes(tcp));
  }

  get buffered(): number {
    return waitingBytes(this.#tcp);
  }

  get written(): number {
    const taken = takenBytes(this.#tcp);
    if (taken !== -1) this.#written = Math.max(0, taken - this.#origin);
    return this.#written;
  }

  send(data: string | Uint8Array, binary: boolean): boolean {
    if (this.#ws.readyState !== WebSocket.OPEN) return true;
    // As bytes: the stream would count a string's characters.
    this.#ws.send(typeof data === "string" ? Buffer.from(data) : data, { binary }, this.#taken);
    // What waits is not copied.
    if (this.#tcp.writableLength === 0) return true;
    this.#waiting = true;
    return false;
  }

  close(code: number, reason: string): void {
    this.#ws.close(code, reason);
  }

  /** After each message is taken. An error here means that the socket is gone, which `close` tells. */
  readonly #taken = (error?: Error | null): void => {
    if (!this.#waiting || error || this.#tcp.writableLength > 0) return;
    this.#waiting = false;
    this.#handlers.drain(this);
  };
}
