import type { JsonObject } from "../src/actors/messages.ts";
import type { CloudEvent } from "../src/events/cloud-event.ts";
import { type FrameHead, LayoutError, readFrameHead, viewNumber } from "../src/transport/feed/layout.ts";
import {
  CLOSE_CODES,
  type CommandMessage,
  type DeleteMessage,
  type ErrorMessage,
  type Heartbeat,
  PROTOCOL_BINARY,
  PROTOCOL_JSON,
  type ServerMessage,
} from "../src/transport/feed/protocol.ts";
import { backoff } from "./backoff.ts";
import { type ClientClock, deviceClock } from "./clock.ts";
import { CommandQueue, type CommandResult } from "./command-queue.ts";
import type { ConnectOptions, Protocol } from "./connect-options.ts";
import { Emitter } from "./emitter.ts";
import { ConnectionClosed, ProblemError } from "./errors.ts";
import type { EventOptions, EventStream } from "./event-stream.ts";
import { EventStreams } from "./event-streams.ts";
import { feedUrl } from "./feed-url.ts";
import { newId } from "./new-id.ts";
import { type PlaybackView, viewOf } from "./playback-view.ts";
import { ReportQueue, type ReportResult } from "./report-queue.ts";
import { ServerClock } from "./server-clock.ts";
import { Silence } from "./silence.ts";
import { Subscriptions } from "./subscriptions.ts";
import type { View, ViewLink } from "./view.ts";
import type { PlaybackOptions, ViewOptions } from "./view-options.ts";

/** The server sends a heartbeat each 5 s; three missing ones mean that nobody is there … */
const SILENCE_MS = 15_000;
/** … unless it waits behind a long frame of a snapshot, on a slow line. */
const LONG_SILENCE_MS = 60_000;
/** A connection that lived so long was good: the next failure starts the back-off from its beginning. */
const GOOD_CONNECTION_MS = 10_000;

const SUBPROTOCOLS = { binary: PROTOCOL_BINARY, json: PROTOCOL_JSON } as const;

/**
 * `connecting`: a socket is being opened. `open`: it is. `waiting`: the last one failed, another will be tried.
 * `closed`: for good, by `close()` or by a close code that says so.
 */
export type ConnectionState =
  | { name: "connecting"; attempt: number }
  | { name: "open" }
  | { name: "waiting"; attempt: number; delayMs: number; reason: string }
  | { name: "closed"; code: number; reason: string };

export interface ConnectionEvents {
  state: ConnectionState;
  /** The server refused a message, or sent one that is not the protocol. */
  problem: Error;
  heartbeat: Heartbeat;
}

/**
 * Opens the feed of a node and keeps it open until `close()`.
 *
 * @param url of the node or of its feed; `http(s):` and `ws(s):` are both understood, no path means `/v1/feed`
 * @throws {TypeError} if the URL is none
 */
export function connect(url: string | URL, options: ConnectOptions = {}): Connection {
  return new Connection(feedUrl(url, options.token), options);
}

export class Connection extends Emitter<ConnectionEvents> {
  readonly #url: string;
  readonly #WebSocket: typeof WebSocket;
  readonly #offered: Protocol[];
  readonly #minMs: number;
  readonly #maxMs: number;
  readonly #clock: ClientClock;
  readonly #random: () => number;
  readonly #reports: ReportQueue;
  readonly #commands = new CommandQueue((message) => this.#socket?.send(message));
  /** Of messages that are answered by their number. */
  #nextNumber = 1;
  readonly #views = new Set<View>();
  readonly #subscriptions = new Subscriptions();
  readonly #events: EventStreams;
  readonly #link: ViewLink;
  readonly #serverClock: ServerClock;
  #state: ConnectionState = { name: "connecting", attempt: 0 };
  #socket: WebSocket | undefined;
  #attempt = 0;
  #openedAt = 0;
  readonly #silence: Silence;
  #cancelReconnect: (() => void) | undefined;

  /** Connections are made by `connect`. */
  constructor(url: string, options: ConnectOptions) {
    super();
    this.#url = url;
    this.#WebSocket = options.WebSocket ?? WebSocket;
    this.#offered = options.protocol === undefined ? ["binary", "json"] : [options.protocol];
    this.#minMs = options.reconnect?.minMs ?? 250;
    this.#maxMs = options.reconnect?.maxMs ?? 15_000;
    this.#clock = options.clock ?? deviceClock;
    this.#serverClock = new ServerClock(this.#clock);
    this.#silence = new Silence(
      this.#clock,
      () => (this.#isFilling ? LONG_SILENCE_MS : SILENCE_MS),
      (ms) => this.#lost(1006, `nothing was heard for ${ms / 1_000} s`),
    );
    this.#random = options.random ?? Math.random;
    this.#reports = new ReportQueue(
      options.maxUnacknowledged ?? 100_000,
      (message) => this.#socket?.send(message),
      () => this.#nextNumber++,
    );
    const send = (message: object) => {
      if (this.#state.name !== "open") return false;
      this.#socket?.send(JSON.stringify(message));
      return true;
    };
    this.#events = new EventStreams(this.#clock, send);
    this.#link = {
      clock: this.#clock,
      send,
      name: (view) => this.#subscriptions.name(view),
      forget: (name) => this.#subscriptions.forget(name),
      serverNow: () => this.serverNow(),
    };
    this.#open();
  }

  get state(): ConnectionState {
    return this.#state;
  }
  /** What is spoken; undefined while no connection is open. */
  get protocol(): Protocol | undefined {
    if (this.#state.name !== "open") return undefined;
    return this.#socket?.protocol === PROTOCOL_BINARY ? "binary" : "json";
  }
  /** Reports that wait for their acknowledgement. */
  get unacknowledged(): number {
    return this.#reports.waiting;
  }

  /**
   * What the server's clock shows, Unix ms: estimated from when messages were made and came, so late by the shortest way of the
   * last two minutes, and never ahead. The device's own time before the first message.
   */
  serverNow(): number {
    return this.#serverClock.now();
  }

  /** Opens a view, of what was if it has `at`; it subscribes by itself as soon as the connection is open, and again after each reconnect. */
  view(options: PlaybackOptions): PlaybackView;
  view(options: ViewOptions): View;
  view(options: ViewOptions | PlaybackOptions): View {
    const view = viewOf(this.#link, options);
    if (this.#state.name === "closed") {
      view.connectionClosed(new ConnectionClosed(this.#state.code, this.#state.reason));
      return view;
    }
    this.#views.add(view);
    view.on("state", (state) => {
      if (state === "closed" || state === "failed" || state === "ended") this.#views.delete(view);
    });
    if (this.#state.name === "open") view.subscribe();
    return view;
  }

  /**
   * The log of events from a place on, in order and without a gap; after each reconnect it goes on by itself. Iterate over it, or give a listener.
   * At most 8 on one connection.
   */
  events(options: EventOptions = {}, listener?: (event: CloudEvent) => void): EventStream {
    const closed =
      this.#state.name === "closed" ? new ConnectionClosed(this.#state.code, this.#state.reason) : undefined;
    return this.#events.open(options, listener, closed);
  }

  /**
   * Reports, as `POST /v1/reports` takes them. Resolves after the commit of all that were accepted; while there is no
   * connection they wait, in order, and what was not acknowledged is sent again after a reconnect.
   *
   * Rejects with `ReportQueueFull`, `ReportNotSendable`, `ProblemError` or `ConnectionClosed`.
   */
  report(reports: readonly object[]): Promise<ReportResult> {
    if (this.#state.name === "closed") {
      return Promise.reject(new ConnectionClosed(this.#state.code, this.#state.reason));
    }
    return this.#reports.add(reports);
  }

  /**
   * Asks something of an entity: accepted or refused by its machine. Resolves when that is committed; while there is no connection it waits, and
   * what was not answered is asked again after a reconnect, under the same id, and not carried out twice.
   *
   * @param id the command's own, 1 … 64 characters, within its entity; for who wants to ask again. Default: one that nobody else has
   * Rejects with `CommandQueueFull`, `ProblemError` or `ConnectionClosed`.
   */
  command(
    entity: string,
    name: string,
    data?: JsonObject,
    { id = newId() }: { id?: string } = {},
  ): Promise<CommandResult> {
    return this.#request({ op: "command", n: this.#nextNumber++, id: entity, command: id, name, data });
  }

  /**
   * Deletes an entity; with `erase` all that is known of it, and resolves when that is done. Else as `command`.
   */
  delete(entity: string, { erase = false, id = newId() } = {}): Promise<CommandResult> {
    return this.#request({ op: "delete", n: this.#nextNumber++, id: entity, command: id, erase });
  }

  #request(message: CommandMessage | DeleteMessage): Promise<CommandResult> {
    if (this.#state.name !== "closed") return this.#commands.add(message);
    return Promise.reject(new ConnectionClosed(this.#state.code, this.#state.reason));
  }

  /** Closes for good. Reports and commands that wait for their answer are rejected: await them first. */
  close(): void {
    if (this.#state.name === "closed") return;
    this.#end(1000, "closed by the client");
  }

  #open(): void {
    const names = this.#offered.map((protocol) => SUBPROTOCOLS[protocol]);
    const socket = new this.#WebSocket(this.#url, names);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    this.#silence.start();
    // A socket that was given up may still call: it is not the current one any more.
    socket.onopen = () => this.#socket === socket && this.#opened();
    socket.onmessage = ({ data }) => {
      if (this.#socket === socket) this.#receive(data);
    };
    socket.onclose = ({ code, reason }) => this.#socket === socket && this.#lost(code, reason);
    // The close event that always follows says all there is to know.
    socket.onerror = () => {};
    this.#become({ name: "connecting", attempt: this.#attempt }, () => {});
  }

  #opened(): void {
    this.#openedAt = this.#clock.now();
    this.#silence.heard();
    this.#serverClock.restart();
    this.#become({ name: "open" }, () => {
      for (const view of this.#views) view.subscribe();
      this.#events.opened();
      this.#reports.opened(this.protocol === "binary");
      this.#commands.opened();
    });
  }

  get #isFilling(): boolean {
    return this.#state.name === "open" && [...this.#views].some((view) => view.isFilling);
  }

  #lost(code: number, reason: string): void {
    const final = Object.values(CLOSE_CODES).find((entry) => entry.code === code && !entry.reconnect);
    if (final !== undefined) {
      this.#end(code, reason || final.reason);
      return;
    }
    const wasGood = this.#state.name === "open" && this.#clock.now() - this.#openedAt >= GOOD_CONNECTION_MS;
    if (wasGood) this.#attempt = 0;
    this.#drop();
    const delayMs = backoff(this.#attempt, this.#minMs, this.#maxMs, this.#random());
    this.#attempt++;
    this.#cancelReconnect = this.#clock.schedule(delayMs, () => this.#open());
    const why = reason || `the connection broke (${code})`;
    this.#become({ name: "waiting", attempt: this.#attempt, delayMs, reason: why }, () => {
      this.#reports.lost();
      this.#commands.lost();
      for (const view of this.#views) view.lost();
      this.#events.lost();
    });
  }

  #end(code: number, reason: string): void {
    this.#drop();
    const error = new ConnectionClosed(code, reason);
    this.#become({ name: "closed", code, reason }, () => {
      this.#reports.end(error);
      this.#commands.end(error);
      for (const view of [...this.#views]) view.connectionClosed(error);
      this.#events.end(error);
    });
  }

  #drop(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    this.#silence.stop();
    this.#cancelReconnect?.();
    this.#cancelReconnect = undefined;
    socket?.close(1000);
  }

  #receive(data: string | ArrayBuffer): void {
    this.#silence.heard();
    if (typeof data !== "string") {
      this.#receiveBinary(new DataView(data));
      return;
    }
    let message: ServerMessage;
    try {
      message = JSON.parse(data);
    } catch {
      this.emit("problem", new Error("the server sent a frame that is not JSON"));
      return;
    }
    this.#receiveMessage(message, data);
  }

  /** A frame of a view. If it cannot be read, the view lacks what was in it. */
  #receiveBinary(view: DataView): void {
    let head: FrameHead;
    try {
      head = readFrameHead(view);
    } catch (error) {
      if (!(error instanceof LayoutError)) throw error;
      const hurt = this.#subscriptions.numbered(viewNumber(view));
      if (hurt === undefined) this.emit("problem", error);
      else hurt.resubscribe(error);
      return;
    }
    const subscribed = this.#subscriptions.numbered(head.view);
    if (subscribed?.isLive !== false) this.#serverClock.observe(head.t);
    subscribed?.receiveBinary(view, head);
  }

  #receiveMessage(message: ServerMessage, text: string): void {
    switch (message.op) {
      case "view":
      case "ended":
      case "playback":
      case "snapshot":
      case "delta":
      case "clusters":
        this.#subscriptions.receive(message, (t) => this.#observe(t));
        return;
      case "events":
      case "event":
        this.#events.receive(message);
        return;
      case "ack":
        if (!this.#reports.acknowledge(message)) {
          this.emit(
            "problem",
            new Error(`the server acknowledged message ${message.n}, which does not wait`),
          );
        }
        return;
      case "reply":
        if (!this.#commands.answer(message))
          this.emit("problem", new Error(`the server replied to message ${message.n}, which does not wait`));
        return;
      case "heartbeat":
        this.#receiveHeartbeat(message);
        return;
      case "error":
        this.#receiveProblem(message);
        return;
      default:
        message satisfies never;
        this.emit("problem", new Error(`the server sent an unknown message: ${text.slice(0, 100)}`));
    }
  }

  #receiveHeartbeat(message: Heartbeat): void {
    const t = this.#observe(message.t);
    for (const view of this.#views) view.receiveHeartbeat(t, message.lag);
    this.emit("heartbeat", message);
  }

  /** @param time of a message that has just come; absent in frames of a server of version 0.1 @returns it as Unix ms */
  #observe(time: string | undefined): number {
    const t = time === undefined ? NaN : Date.parse(time);
    if (!Number.isNaN(t)) this.#serverClock.observe(t);
    return t;
  }

  #receiveProblem(message: ErrorMessage): void {
    const error = new ProblemError(message);
    if (message.n !== undefined && !this.#reports.refuse(message.n, error))
      this.#commands.refuse(message.n, error);
    this.#events.refuse(message);
    if (message.view !== undefined) this.#subscriptions.named(message.view)?.receiveProblem(message);
    this.emit("problem", error);
  }

  /** The effects come before the event: a listener may open views or close, and must find everything in order. */
  #become(state: ConnectionState, effects: () => void): void {
    this.#state = state;
    effects();
    if (this.#state === state) this.emit("state", state);
  }
}
