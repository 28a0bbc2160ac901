/** The body of one request of uWebSockets.js. */
import type { HttpResponse } from "uWebSockets.js";
import type { BodyReader } from "./server.ts";

/**
 * - `reading`: chunks are handed out as they are asked for. The library cannot be told to wait before its first chunk, so one chunk may
 *   lie here; then the connection is paused until it is fetched.
 * - `unwanted`: nobody will ask any more; what comes is thrown away.
 * - `ended`, `broken`: there is nothing more, by its own end or because the connection is gone.
 */
type BodyState = "reading" | "unwanted" | "ended" | "broken";

export class UwsBody implements BodyReader {
  readonly #res: HttpResponse;
  #state: BodyState = "reading";
  readonly #chunks: Uint8Array[] = [];
  #paused = false;
  /** The answer is done: the library's object for it may not be touched. */
  #released = false;
  #waiting: { resolve(): void; reject(error: Error): void } | undefined;
  #over: (() => void) | undefined;

  /** Told once if the end comes after the answer is done. */
  onLateEnd: () => void = () => {};

  /** @param exists without a body, the library would tell its end after an answer that was given at once, and with that forget its time-out. */
  constructor(res: HttpResponse, exists: boolean) {
    this.#res = res;
    if (!exists) this.#state = "ended";
    else
      res.onData((chunk, last) => {
        if (this.#state === "reading") this.#take(chunk, last);
        if (!last) return;
        const late = this.#released;
        this.#end("ended");
        if (late) this.onLateEnd();
      });
  }

  /** All of it has come. */
  get complete(): boolean {
    return this.#state === "ended";
  }

  /** The client could send, and we would take it: only time can say that it has stopped. */
  get awaited(): boolean {
    return (this.#state === "reading" || this.#state === "unwanted") && !this.#paused;
  }

  async read(): Promise<{ done: false; value: Uint8Array } | { done: true }> {
    if (this.#chunks.length === 0 && this.#state === "reading")
      await new Promise<void>((resolve, reject) => {
        this.#waiting = { resolve, reject };
        this.#resume();
      });
    const value = this.#chunks.shift();
    if (value !== undefined) return { done: false, value };
    if (this.#state === "ended") return { done: true };
    throw brokenOff();
  }

  async cancel(): Promise<void> {
    if (this.#state === "reading") this.#state = "unwanted";
    this.#chunks.length = 0;
  }

  /**
   * Throws away what is left, as it comes. Must be called before anything is written: pausing and resuming are only sound while the
   * connection has nothing to send.
   */
  discard(): void {
    void this.cancel();
    this.#settle();
    this.#resume();
  }

  /** Resolves when there is nothing more. */
  over(): Promise<void> {
    if (this.#state === "ended" || this.#state === "broken") return Promise.resolve();
    return new Promise((resolve) => {
      this.#over = resolve;
    });
  }

  /** The answer is done; what still comes is told as late. */
  release(): void {
    this.#released = true;
  }

  /** The connection is gone. What has come may still be read. */
  breakOff(): void {
    this.#released = true;
    this.#end("broken");
  }

  #take(chunk: ArrayBuffer, last: boolean): void {
    // A copy: the library takes its buffer back when we return.
    if (chunk.byteLength > 0) this.#chunks.push(new Uint8Array(chunk.slice(0)));
    if (this.#waiting !== undefined && this.#chunks.length > 0) this.#settle();
    else if (!last && !this.#paused && this.#chunks.length > 0) {
      this.#res.pause();
      this.#paused = true;
    }
  }

  #end(state: "ended" | "broken"): void {
    if (this.#state === "ended" || this.#state === "broken") return;
    this.#state = state;
    this.#settle();
    this.#over?.();
  }

  /** Whoever waits for a chunk looks again. */
  #settle(): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.resolve();
  }

  #resume(): void {
    if (!this.#paused || this.#released) return;
    this.#paused = false;
    this.#res.resume();
  }
}

function brokenOff(): Error {
  return new Error("The connection broke off before the end of the body.");
}
