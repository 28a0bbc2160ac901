/** One WebSocket of uWebSockets.js as a `Socket`. */
import type { WebSocket } from "uWebSockets.js";
import type { Socket, SocketHandlers } from "./server.ts";

/** What `send` of the library tells: nothing is unsent … */
const SENT = 1;
/** … or more than its limit was unsent, and this message is lost. */
const DROPPED = 2;

/**
 * Open → closing (waits until what is unsent is taken, then a close frame goes out) → closed. The library's object may not be touched once
 * it has told the end, which it does while it sends our close frame, not when the peer has answered that.
 */
export class UwsSocket implements Socket {
  readonly protocol: string;
  readonly principal: unknown;
  readonly #handlers: SocketHandlers;
  readonly #closeMs: number;
  #ws: WebSocket<unknown> | undefined;
  #closing: { code: number; reason: string; timer: NodeJS.Timeout } | undefined;
  /** Bytes of all frames sent, their headers included. Pings and pongs, which the library sends by itself, are not. */
  #sent = 0;
  #written = 0;
  /** False: nothing is. A frame each tick asks, and the library takes half a microsecond to tell. */
  #mayBeUnsent = false;

  /** @param closeMs how long a close may wait for the peer to read. */
  constructor(protocol: string, principal: unknown, handlers: SocketHandlers, closeMs: number) {
    this.protocol = protocol;
    this.principal = principal;
    this.#handlers = handlers;
    this.#closeMs = closeMs;
  }

  get buffered(): number {
    if (!this.#mayBeUnsent || this.#ws === undefined) return 0;
    const unsent = this.#ws.getBufferedAmount();
    this.#mayBeUnsent = unsent > 0;
    return unsent;
  }

  get written(): number {
    // Pings and pongs may be among what is buffered.
    if (this.#ws !== undefined) this.#written = Math.max(this.#written, this.#sent - this.buffered);
    return this.#written;
  }

  send(data: string | Uint8Array, binary: boolean): boolean {
    // The library copies what the system does not take at once.
    if (this.#ws === undefined || this.#closing !== undefined) return true;
    const bytes = typeof data === "string" ? Buffer.from(data) : data;
    // Its limit is far above ours; a lost message would leave the peer with a wrong picture.
    const told = this.#ws.send(bytes, binary);
    if (told === DROPPED) this.#ws.close();
    else this.#sent += frameBytes(bytes.byteLength);
    if (told !== SENT) this.#mayBeUnsent = true;
    return true;
  }

  close(code: number, reason: string): void {
    const ws = this.#ws;
    if (ws === undefined || this.#closing !== undefined) return;
    this.#closing = { code, reason, timer: setTimeout(() => this.#ws?.close(), this.#closeMs) };
    if (this.buffered === 0) this.#end();
  }

  /** The library has opened it. */
  opened(ws: WebSocket<unknown>): void {
    this.#ws = ws;
    this.#handlers.open(this);
  }

  message(data: ArrayBuffer, binary: boolean): void {
    if (this.#closing !== undefined) return;
    this.#handlers.message(this, new Uint8Array(data), binary);
    // What is sent meanwhile goes out when the library is back from this.
    this.#mayBeUnsent = true;
  }

  /** The peer has taken something. */
  drained(): void {
    if (this.buffered > 0) return;
    if (this.#closing !== undefined) this.#end();
    else this.#handlers.drain(this);
  }

  /** The library tells the end. */
  ended(code: number): void {
    clearTimeout(this.#closing?.timer);
    this.#ws = undefined;
    // Whoever called `close` or `send` is not yet back from it.
    setImmediate(() => this.#handlers.close(this, code));
  }

  #end(): void {
    const { code, reason } = this.#closing!;
    this.#ws!.end(code, reason);
  }
}

/** Bytes of an unmasked frame (RFC 6455, 5.2). */
function frameBytes(length: number): number {
  return length + (length < 126 ? 2 : length < 65_536 ? 4 : 10);
}
