/** One request of uWebSockets.js and its answer. */

import type { HttpRequest, HttpResponse } from "uWebSockets.js";
import { STATUS_CODES } from "node:http";
import { UwsBody } from "./uws-body.ts";

/** The library's own time-outs are about 30 s, in steps of 4 s; where ours are longer, they are begun anew so often. */
export const REARM_MS = 4_000;
/** Bytes of a streamed answer written at once: with headers less than 16 KiB, for of what is larger than its buffer the library can lose the end. */
const PIECE_BYTES = 12 * 1_024;
/** The library writes these by itself, or they are not for us to say. */
const OWN_HEADERS: ReadonlySet<string> = new Set([
  "content-length",
  "transfer-encoding",
  "date",
  "keep-alive",
]);

/** In milliseconds. */
export interface ExchangeTimes {
  requestMs: number;
  lingerMs: number;
  noProgressMs: number;
}

/** What an exchange wants of its server. */
export interface ExchangeServer {
  readonly times: ExchangeTimes;
  /** Answers say `Connection: close`. */
  readonly leaving: boolean;
  /** The answer is handed over, or there will be none. */
  done(exchange: UwsExchange): void;
}

export type HeaderList = Iterable<[name: string, value: string]>;

/**
 * - `open`: the application works on it.
 * - `answering`: bytes of the answer are on their way.
 * - `done`: the library has all of it. What the client still sends is thrown away.
 * - `gone`: the connection ended before that.
 */
type State = "open" | "answering" | "done" | "gone";

export class UwsExchange {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  /** In order, names in lower case, bytes of values as characters, as `node:http` has them. */
  readonly headers: [name: string, value: string][] = [];
  readonly body: UwsBody;
  /** Called once if the connection ends before the answer does. */
  onGone: () => void = () => {};
  readonly #res: HttpResponse;
  readonly #server: ExchangeServer;
  readonly #began = performance.now();
  #state: State = "open";
  readonly #second: HttpResponse | undefined;
  /** Wakes who waits for room. */
  #writable: (() => void) | undefined;
  #progressAt = 0;

  /**
   * Everything is read from `req` at once: it is valid during the call only.
   * @param second another object for the same connection, by which it can be closed when `res` is spent. There is one if the body may be long.
   */
  constructor(res: HttpResponse, req: HttpRequest, second: HttpResponse | undefined, server: ExchangeServer) {
    this.#res = res;
    this.#second = second;
    this.#server = server;
    this.method = req.getCaseSensitiveMethod();
    const query = req.getQuery();
    this.target = query === undefined ? req.getUrl() : `${req.getUrl()}?${query}`;
    req.forEach((name, value) => void this.headers.push([name, asBytes(value)]));
    this.body = new UwsBody(res, hasBody(this));
    res.onAborted(() => this.#gone());
  }

  get gone(): boolean {
    return this.#state === "gone";
  }

  /** The answer has begun: nothing else can be said. */
  get answering(): boolean {
    return this.#state === "answering";
  }

  /** By name in lower case; repeated ones joined as fetch does. */
  header(name: string): string | null {
    let found: string | null = null;
    for (const [key, value] of this.headers)
      if (key === name) found = found === null ? value : `${found}${name === "cookie" ? "; " : ", "}${value}`;
    return found;
  }

  /**
   * Sends a whole answer, with its length. Resolves when the operating system has it, or the connection is gone.
   * @param body absent = none at all, as with 204 and 304; for HEAD, the length of what GET would send may stand in the headers.
   */
  async answer(status: number, headers: HeaderList, body?: Uint8Array): Promise<void> {
    const closes = await this.#begin();
    if (this.#state !== "answering") return;
    let done = true;
    const write = (offset: number) =>
      this.#res.cork(() => {
        if (offset === 0) this.#writeHead(status, headers, closes);
        // With its flag for closing, the library would reset a connection whose client still sends.
        if (body === undefined) this.#endWithoutBody(lengthIn(headers));
        else if (body.byteLength === 0) this.#res.end();
        else done = this.#res.tryEnd(body.subarray(offset), body.byteLength)[1];
      });
    write(0);
    if (!done) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#blocked(resolve);
      this.#res.onWritable((offset) => {
        this.#progressAt = performance.now();
        this.#res.cork(() => {
          done = this.#res.tryEnd(body!.subarray(offset), body!.byteLength)[1];
        });
        if (done) this.#wake();
        return true;
      });
      await promise;
    }
    this.#finish();
  }

  /** The library takes an argument that is `undefined` for a length, of 2^63. */
  #endWithoutBody(length: number | undefined): void {
    if (length === undefined) this.#res.endWithoutBody();
    else this.#res.endWithoutBody(length);
  }

  /** Sends an answer of unknown length, no faster than the client takes it. `next` is not called again after its `undefined`. */
  async stream(
    status: number,
    headers: HeaderList,
    next: () => Promise<Uint8Array | undefined>,
  ): Promise<void> {
    const closes = await this.#begin();
    if (this.#state !== "answering") return;
    const res = this.#res;
    let blocked = false;
    res.onWritable(() => {
      this.#progressAt = performance.now();
      // With a handler set, the library leaves what is unsent alone; uncorking sends it.
      res.cork(() => {});
      this.#wake();
      return true;
    });
    const write = (bytes: Uint8Array, first: boolean) =>
      res.cork(() => {
        if (first) this.#writeHead(status, headers, closes);
        blocked = !res.write(bytes);
      });
    let first = true;
    for (let part = await next(); part !== undefined && !this.gone; part = await next()) {
      for (let at = 0; at < part.byteLength && !this.gone; ) {
        // The library tells only by a write whether all before it is sent, and keeps what it could not send: so one byte asks.
        const size = blocked ? 1 : PIECE_BYTES;
        write(part.subarray(at, at + size), first);
        first = false;
        at += size;
        if (blocked) await new Promise<void>((resolve) => this.#blocked(resolve));
      }
    }
    if (this.#clientCloses) await outside();
    if (this.gone) return;
    res.cork(() => {
      if (first) this.#writeHead(status, headers, closes);
      res.end();
    });
    this.#finish();
  }

  /** Cuts the connection. */
  cut(): void {
    void outside().then(() => {
      if (this.#state === "open" || this.#state === "answering") this.#res.close();
    });
  }

  /** Looks whether the client still does its part. Every `REARM_MS`. @param now monotonic ms. */
  look(now: number): void {
    const { requestMs, noProgressMs } = this.#server.times;
    const blocked = this.#writable !== undefined;
    if (!blocked && !this.body.awaited) return;
    const over = blocked ? now - this.#progressAt >= noProgressMs : now - this.#began >= requestMs;
    if (over) this.cut();
    else {
      // The one way to begin the library's time-out anew; within one turn, polling comes out as it was.
      this.#res.pause();
      this.#res.resume();
    }
  }

  /**
   * Readies the connection for the answer.
   * @returns whether the answer says `Connection: close`: if the client is still sending, then closing would reset the connection and
   * could destroy the answer on its way. So what it sends is thrown away until it stops, for a while.
   */
  async #begin(): Promise<boolean> {
    const { body } = this;
    if (this.#state === "open") body.discard();
    let lingers = !body.complete;
    // A short body is read before the answer: with its end, the library forgets the time-out that the answer began. And a connection that the
    // client wants closed is closed by the library as soon as it is answered, whatever is on its way.
    if (lingers && (this.#second === undefined || this.#clientCloses)) {
      const timer = setTimeout(() => this.cut(), this.#server.times.lingerMs);
      await body.over();
      clearTimeout(timer);
      lingers = false;
    }
    if (this.#clientCloses) await outside();
    if (this.#state !== "open") return false;
    this.#state = "answering";
    return lingers || this.#server.leaving;
  }

  /** As the library judges it. */
  get #clientCloses(): boolean {
    return this.header("connection")?.length === 5;
  }

  #writeHead(status: number, headers: HeaderList, closes: boolean): void {
    this.#res.writeStatus(`${status} ${STATUS_CODES[status] ?? ""}`);
    for (const [name, value] of headers)
      if (!OWN_HEADERS.has(name) && !(closes && name === "connection")) this.#res.writeHeader(name, value);
    if (closes) this.#res.writeHeader("connection", "close");
  }

  #blocked(wake: () => void): void {
    this.#progressAt = performance.now();
    this.#writable = wake;
  }

  #wake(): void {
    const wake = this.#writable;
    this.#writable = undefined;
    wake?.();
  }

  #finish(): void {
    if (this.#state !== "answering") return;
    this.#state = "done";
    if (!this.body.complete && this.#second !== undefined) this.#linger(this.#second);
    this.body.release();
    this.#server.done(this);
  }

  /** The client is still sending: it may for a while, and is told of by `second`, on which no other request can begin until it stops. */
  #linger(second: HttpResponse): void {
    const timer = setTimeout(() => second.close(), this.#server.times.lingerMs);
    second.onAborted(() => clearTimeout(timer));
    this.body.onLateEnd = () => {
      clearTimeout(timer);
      // With the end of the body the library has forgotten its time-out for idle connections. To close now would be wrong: a next request
      // may stand behind the body, and the library would serve it on a connection that is no more.
      second.pause();
      second.resume();
    };
  }

  #gone(): void {
    this.#state = "gone";
    this.body.breakOff();
    this.#wake();
    this.#server.done(this);
    this.onGone();
  }
}

/**
 * Resolves in a turn of the loop in which closing a connection is sound. Within the library's parser, which calls us with each piece of a body, it
 * is not: the parser would serve what stands behind that body on a connection that is no more, which ends the process. In the turn of `setImmediate`,
 * the library never frees the connection's memory.
 */
function outside(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

function hasBody(exchange: UwsExchange): boolean {
  return exchange.header("transfer-encoding") !== null || Number(exchange.header("content-length")) > 0;
}

function lengthIn(headers: HeaderList): number | undefined {
  for (const [name, value] of headers) if (name === "content-length") return Number(value);
  return undefined;
}

/** The library decodes values as UTF-8; fetch and `node:http` have a character for each byte. */
function asBytes(value: string): string {
  return /^[\x00-\x7f]*$/.test(value) ? value : Buffer.from(value).toString("latin1");
}
