import type { JsonObject } from "../src/actors/messages.ts";
import type { CloudEvent } from "../src/events/cloud-event.ts";
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
import type { ConnectionEvents, ConnectionState } from "./connection-state.ts";
import { Emitter } from "./emitter.ts";
import { ConnectionClosed, NotTheProtocol, ProblemError } from "./errors.ts";
import type { EventOptions, EventStream } from "./event-stream.ts";
import { EventStreams } from "./event-streams.ts";
import { feedUrl } from "./feed-url.ts";
import { messageText } from "./message-text.ts";
import { newId } from "./new-id.ts";
import { type PlaybackView, viewOf } from "./playback-view.ts";
import { ReportQueue, type ReportResult } from "./report-queue.ts";
import { ServerClock } from "./server-clock.ts";
import { readServerMessage } from "./server-message.ts";
import { Silence } from "./silence.ts";
import { Subscriptions } from "./subscriptions.ts";
import type { View } from "./view.ts";
import type { ViewLink } from "./view-link.ts";
import type { PlaybackOptions, ViewOptions } from "./view-options.ts";

export type { ConnectionEvents, ConnectionState } from "./connection-state.ts";

/** The server sends a heartbeat each 5 s; three missing ones mean that nobody is there … */
const SILENCE_MS = 15_000;
/** … unless it waits behind a long frame of a snapshot, on a slow line. */
const LONG_SILENCE_MS = 60_000;
/** A connection that lived so long was good: the next failure starts the back-off from its beginning. */
const GOOD_CONNECTION_MS = 10_000;

const SUBPROTOCOLS = { binary: PROTOCOL_BINARY, json: PROTOCOL_JSON } as const;

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
  readonly #commands: CommandQueue;
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
    this.#commands = new CommandQueue(this.#clock, (message) => this.#socket?.send(message));
    const send = (message: object) => {
      if (this.#state.name !== "open") return false;
      this.#socket?.send(messageText(message));
      return true;
    };
    this.#events = new EventStreams(this.#clock, send);
    this.#link = {
      clock: this.#clock,
      send: (message) => this.#subscriptions.send(message, send),
      name: (view) => this.#subscriptions.name(view),
      forget: (name) => this.#subscriptions.forget(name),
      serverNow: () => this.serverNow(),
      random: this.#random,
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
   * What the server's clock shows, Unix ms: estimated from when messages were made and came, so late by the shortest way that one had lately and by
   * 0.1 ms for each second since, and never ahead; except for at most an hour after the server's clock was set back. The device's own time before the
   * first message.
   */
  serverNow(): number {
    return this.#serverClock.now();
  }

  /** Opens a view, of what was if it has `at`; it subscribes by itself as soon as the connection is open, and again after each reconnect. */
  view(options: PlaybackOptions): PlaybackView;
  view(options: ViewOptions): View;
  view(options: ViewOptions | PlaybackOptions): View {
    const view = viewOf(this.#link, options);
    if (this.#closed !== undefined) {
      view.connectionClosed(this.#closed);
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
    return this.#events.open(options, listener, this.#closed);
  }

  /**
   * Reports, as `POST /v1/reports` takes them. Resolves after the commit of all that were accepted; while there is no
   * connection they wait, in order, and what was not acknowledged is sent again after a reconnect. Reports that the server refuses as `overloaded` (there was no
   * room) or `retry` (it is unknown whether they were taken) are not: report them again later. Those of other types are refused for good.
   *
   * @param reports at most `maxUnacknowledged` of them (100,000): a call with more is never taken
   * Rejects with `ReportQueueFull` (report again later), `TooManyReports` (never), `ReportNotSendable`, `ProblemError`, `NotTheProtocol` or
   * `ConnectionClosed`; with a `TypeError` if that is no array.
   */
  report(reports: readonly object[]): Promise<ReportResult> {
    const closed = this.#closed;
    return closed === undefined ? this.#reports.add(reports) : Promise.reject(closed);
  }

  /**
   * Asks something of an entity: accepted or refused by its machine. Resolves when that is committed; while there is no connection it waits, and
   * what was not answered is asked again after a reconnect, under the same id, and not carried out twice. That ends 5 minutes after it was first sent,
   * as the server does not remember it for ever: what has no connection then is rejected with `CommandOutcomeUnknown`, carried out or not.
   *
   * @param id the command's own, 1 … 64 characters, within its entity; for who wants to ask again, within 10 minutes of the first time. Default: one that nobody else has
   * Rejects with `CommandQueueFull`, `MessageNotSendable`, `CommandOutcomeUnknown`, `ProblemError`, `NotTheProtocol` or `ConnectionClosed`.
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

  #request(message: (CommandMessage | DeleteMessage) & { command: string }): Promise<CommandResult> {
    const closed = this.#closed;
    return closed === undefined ? this.#commands.add(message) : Promise.reject(closed);
  }

  /** Why it is closed for good, if it is. */
  get #closed(): ConnectionClosed | undefined {
    const state = this.#state;
    return state.name === "closed" ? new ConnectionClosed(state.code, state.reason) : undefined;
  }

  /** Tries at once instead of after the wait: for a user who asks, a network that is back. No-op unless it is `waiting`; the next wait is as long as it would be. */
  retryNow(): void {
    if (this.#state.name !== "waiting") return;
    this.#cancelReconnect?.();
    this.#open();
  }

  /** Closes for good. Reports and commands that wait for their answer are rejected: await them first. */
  close(): void {
    if (this.#state.name === "closed") return;
    this.#end(1000, "closed by the client");
  }

  #open(): void {
    const names = this.#offered.map((protocol) => SUBPROTOCOLS[protocol]);
    this.#serverClock.restart();
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
    const why = reason || "the connection broke";
    this.#become({ name: "waiting", attempt: this.#attempt, delayMs, code, reason: why }, () => {
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
      const problem = this.#subscriptions.receiveBinary(new DataView(data), (t) =>
        this.#serverClock.observe(t),
      );
      if (problem !== undefined) this.emit("problem", problem);
      return;
    }
    let message: ServerMessage;
    try {
      message = readServerMessage(data);
    } catch (error) {
      if (!(error instanceof NotTheProtocol)) throw error;
      this.#receiveOther(error);
      return;
    }
    this.#receiveMessage(message);
  }

  /** Who waited for it must not wait for ever. */
  #receiveOther(error: NotTheProtocol): void {
    const { n, view, events } = error.about;
    if (typeof n === "number") this.#refuse(n, error);
    if (typeof view === "string") this.#subscriptions.unreadable(view, error.message);
    if (typeof events === "string") this.#events.unreadable(events, error);
    this.emit("problem", error);
  }

  #refuse(n: number, error: Error): void {
    if (!this.#reports.refuse(n, error)) this.#commands.refuse(n, error);
  }

  #receiveMessage(message: ServerMessage): void {
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
    if (message.n !== undefined) this.#refuse(message.n, error);
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
