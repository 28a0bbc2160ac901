import type { CloudEvent } from "../src/events/cloud-event.ts";
import type { ErrorMessage, SubscribeEvents, UnsubscribeEvents } from "../src/transport/feed/protocol.ts";
import type { ClientClock } from "./clock.ts";
import { Emitter, tell } from "./emitter.ts";
import { type ConnectionClosed, ProblemError, UNAVAILABLE } from "./errors.ts";

/** Events that may wait for who iterates; more are asked for again when these are taken. */
const MAX_WAITING = 1_000;
/** The node could not serve it, or not right: asked again after so long. */
const RETRY_MS = 1_000;

export interface EventOptions {
  /** A cursor (`cursor` of a stream, `id` of an event), `start` = the oldest event that is kept, or `now`, which is the default (what was committed just before may come too). */
  after?: string;
  /** Only these types. */
  types?: string[];
  /** Only events for which this CEL expression over `event` is true. */
  where?: string;
}

/**
 * `loading`: the server has not answered. `live`: events come. `stale`: the connection is lost, another is tried.
 * `failed`: the server refused, or does not keep what comes after the cursor. `closed`: by `close()`, or with the connection.
 */
export type EventStreamState = "loading" | "live" | "stale" | "failed" | "closed";

export interface EventStreamEvents {
  state: EventStreamState;
  problem: Error;
}

/** What a stream of events needs of its connection. */
export interface EventLink {
  /** Sends if the connection is open; false if it is not. */
  send(message: SubscribeEvents | UnsubscribeEvents): boolean;
  /** A name that this connection never used. */
  name(stream: EventStream): string;
  forget(name: string): void;
  clock: ClientClock;
}

/** Who waits for the next event. */
interface Taker {
  resolve(result: IteratorResult<CloudEvent>): void;
  reject(error: Error): void;
}

/**
 * The log of events from a place on, in order, without a gap, over any number of connections: after each loss it goes on after the last event
 * that came. Either a listener gets the events, or who iterates; then what is not taken is not asked for.
 */
export class EventStream extends Emitter<EventStreamEvents> implements AsyncIterableIterator<CloudEvent> {
  readonly #link: EventLink;
  readonly #options: EventOptions;
  readonly #listener: ((event: CloudEvent) => void) | undefined;
  #state: EventStreamState = "loading";
  #name = "";
  /** All that passes up to here came. */
  #received: string | undefined;
  /** … and was taken. */
  #taken: string | undefined;
  #waiting: CloudEvent[] = [];
  #takers: Taker[] = [];
  #paused = false;
  #error: Error | undefined;
  #cancelRetry: (() => void) | undefined;

  /** Streams are made by `Connection.events`. */
  constructor(link: EventLink, options: EventOptions, listener?: (event: CloudEvent) => void) {
    super();
    this.#link = link;
    this.#options = options;
    this.#listener = listener;
  }

  get state(): EventStreamState {
    return this.#state;
  }
  /** Where to go on, also in another process: after the last event that was taken, or `start`. Undefined before the server's first answer. */
  get cursor(): string | undefined {
    return this.#taken;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** The next event, when it comes. Rejects with `ProblemError` if the stream failed, with `ConnectionClosed` if the connection did. */
  next(): Promise<IteratorResult<CloudEvent>> {
    const event = this.#waiting.shift();
    if (event !== undefined) {
      this.#taken = this.#waiting.length === 0 ? this.#received : event.id;
      if (this.#waiting.length === 0 && this.#paused) this.#subscribe();
      return Promise.resolve({ done: false, value: event });
    }
    if (this.#error !== undefined) return Promise.reject(this.#error);
    if (this.#over) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve, reject) => this.#takers.push({ resolve, reject }));
  }

  return(): Promise<IteratorResult<CloudEvent>> {
    this.close();
    return Promise.resolve({ done: true, value: undefined });
  }

  close(): void {
    this.#unsubscribe();
    this.#waiting = [];
    this.#end("closed", undefined);
  }

  /** @internal The connection is open: go on. */
  connected(): void {
    if (!this.#paused) this.#subscribe();
  }

  #subscribe(): void {
    if (this.#over) return;
    this.#cancelRetry?.();
    this.#forgetName();
    this.#paused = false;
    const { after, types, where } = this.#options;
    const name = this.#link.name(this);
    this.#name = name;
    const sent = this.#link.send({
      op: "subscribe",
      events: name,
      after: this.#received ?? after,
      types,
      where,
    });
    if (!sent) this.#forgetName();
  }

  /** @internal The connection is lost, another will come. */
  lost(): void {
    this.#cancelRetry?.();
    this.#forgetName();
    if (this.#state === "live") this.#become("stale");
  }

  /** @internal The connection is closed for good. */
  connectionClosed(error: ConnectionClosed): void {
    this.#end("closed", error);
  }

  /** @internal */
  receiveReply(cursor: string): void {
    this.#reach(cursor);
    this.#become("live");
  }

  /** @internal */
  receiveEvent(event: CloudEvent, cursor: string): void {
    if (this.#listener !== undefined) {
      this.#reach(cursor);
      tell(this.#listener, event);
      return;
    }
    this.#received = cursor;
    const taker = this.#takers.shift();
    if (taker !== undefined) {
      this.#taken = cursor;
      taker.resolve({ done: false, value: event });
      return;
    }
    this.#waiting.push(event);
    if (this.#waiting.length < MAX_WAITING) return;
    this.#unsubscribe();
    this.#paused = true;
  }

  /** @internal */
  receiveProblem(message: ErrorMessage): void {
    if (message.type !== UNAVAILABLE) {
      this.refused(new ProblemError(message));
      return;
    }
    this.#forgetName();
    this.#retry();
  }

  /** @internal What came cannot be read: goes on after the last event that could. */
  restart(error: Error): void {
    this.#unsubscribe();
    this.#retry();
    this.emit("problem", error);
  }

  /** @internal The server does not do, or cannot be told, what was asked. */
  refused(error: Error): void {
    this.#end("failed", error);
    this.emit("problem", error);
  }

  get #over(): boolean {
    return this.#state === "closed" || this.#state === "failed";
  }

  #retry(): void {
    this.#cancelRetry = this.#link.clock.schedule(RETRY_MS, () => this.#subscribe());
    this.#become("stale");
  }

  #reach(cursor: string): void {
    this.#received = cursor;
    if (this.#waiting.length === 0) this.#taken = cursor;
  }

  #unsubscribe(): void {
    if (this.#name !== "") this.#link.send({ op: "unsubscribe", events: this.#name });
    this.#forgetName();
  }

  #forgetName(): void {
    if (this.#name !== "") this.#link.forget(this.#name);
    this.#name = "";
  }

  #end(state: "closed" | "failed", error: Error | undefined): void {
    if (this.#over) return;
    this.#cancelRetry?.();
    this.#forgetName();
    this.#error = error;
    for (const taker of this.#takers.splice(0)) {
      if (error === undefined) taker.resolve({ done: true, value: undefined });
      else taker.reject(error);
    }
    this.#become(state);
  }

  #become(state: EventStreamState): void {
    if (this.#state === state) return;
    this.#state = state;
    this.emit("state", state);
  }
}
