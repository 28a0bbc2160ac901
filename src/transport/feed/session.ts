/**
 * One connection of the feed.
 *
 * - `open`: its views take part in the ticks.
 * - `slow`: it has too much unsent; its views are left out until all of that is taken, and then start afresh.
 * - `closed`: nothing is sent any more.
 */
import type { Principal } from "../../access/ports.ts";
import {
  BAD_MESSAGES_MS,
  MAX_BAD_MESSAGES_PER_CONNECTION,
  MAX_UNSENT_BYTES,
  NO_PROGRESS_MS,
  SLOW_SOCKET_BYTES,
} from "../../limits.ts";
import { problem } from "../http/problem.ts";
import type { Socket } from "../server/server.ts";
import type { MessageProblem } from "./decode.ts";
import type { Format } from "./format.ts";
import { room } from "./frame-parts.ts";
import { CLOSE_CODES, type CloseCode, type ServerMessage } from "./protocol.ts";
import type { Handles } from "./take-batch.ts";
import type { View, ViewSink } from "./view.ts";

export type SessionState = "open" | "slow" | "closed";

/** Frames, bytes and records sent, by all sessions of a feed together. */
export interface Sent {
  frames: number;
  bytes: number;
  updates: number;
}

/** Problems that say that the peer does not speak the protocol; the others happen to those that do. */
const BAD_MESSAGES: ReadonlySet<string> = new Set([
  "malformed-json",
  "unknown-op",
  "bad-request",
  "invalid-command",
]);

export class Session implements ViewSink {
  readonly socket: Socket;
  readonly format: Format;
  /** Who it is of, as far as is known since that was looked at. */
  principal: Principal;
  readonly views = new Map<string, View>();
  /** Of binary reports; made with the first. */
  handles: Handles | undefined;
  /** Messages with reports that wait for their commit. */
  pendingAcks = 0;
  /** Commands that wait for their reply. */
  pendingCommands = 0;
  /** Base tick of the last heartbeat. */
  heartbeatTick: number;
  readonly #sent: Sent;
  #viewNumber = 0;
  /** Replies since the peer had taken all before them, and where that is among all bytes sent. */
  #replyBytes = 0;
  #countedUntil = 0;
  #state: SessionState = "open";
  #isHeld = false;
  /** What was last begun while there was room takes, frames that go on with it included: it alone makes no socket slow, or what is large would never get through. */
  #granted = 0;
  /** Since then, monotonic ms. */
  #badMessages = 0;
  #badMessagesSince: number;
  #writtenBefore = 0;
  #progressAt: number;

  /** @param now monotonic ms. */
  constructor(socket: Socket, format: Format, sent: Sent, tick: number, now: number) {
    this.socket = socket;
    this.principal = socket.principal as Principal;
    this.format = format;
    this.#sent = sent;
    this.heartbeatTick = tick;
    this.#progressAt = now;
    this.#badMessagesSince = now;
  }

  get state(): SessionState {
    return this.#state;
  }

  /** A number that no view of this connection had. */
  nextViewNumber(): number {
    return ++this.#viewNumber;
  }

  /** Whether what it may see is not known at the moment, so that its views show nothing: they are left out, and then start afresh. */
  get isHeld(): boolean {
    return this.#isHeld;
  }

  hold(): void {
    if (this.#isHeld) return;
    this.#isHeld = true;
    for (const view of this.views.values()) view.restart();
  }

  release(): void {
    this.#isHeld = false;
  }

  /** Whether a part of a snapshot may be added to what is unsent. */
  get hasRoom(): boolean {
    return this.#state === "open" && !this.#isHeld && this.#isNearlyTaken;
  }

  get #isNearlyTaken(): boolean {
    return this.socket.buffered <= SLOW_SOCKET_BYTES / 2;
  }

  /** Looks how the peer is reading. Once per base tick, before the views' turns. @param now monotonic ms. */
  look(now: number): void {
    if (this.#state === "closed") return;
    if (now - this.#badMessagesSince >= BAD_MESSAGES_MS) {
      this.#badMessagesSince = now;
      this.#badMessages = 0;
    }
    const { buffered, written } = this.socket;
    if (buffered === 0 || written !== this.#writtenBefore) {
      this.#writtenBefore = written;
      this.#progressAt = now;
    } else if (now - this.#progressAt >= NO_PROGRESS_MS) {
      this.close("too_slow");
      return;
    }
    if (this.#state === "open" && buffered > SLOW_SOCKET_BYTES + this.#granted) this.#slow();
    else if (this.#state === "slow" && buffered === 0) this.#state = "open";
  }

  /** Within a tick: whether a frame more may be sent. Many views of many records each could fill any memory before the next look. */
  takesFrame(): boolean {
    if (this.#state !== "open" || this.#isHeld) return false;
    if (this.socket.buffered > MAX_UNSENT_BYTES + this.#granted) this.#slow();
    return this.#state === "open";
  }

  #slow(): void {
    this.#state = "slow";
    for (const view of this.views.values()) view.restart();
  }

  sendFrame(frame: Uint8Array, records: number, goesOn = false): void {
    if (this.#state === "closed") return;
    if (this.#isNearlyTaken) this.#granted = frame.length;
    else if (goesOn) this.#granted += frame.length;
    this.#sent.frames++;
    this.#sent.bytes += frame.length;
    this.#sent.updates += records;
    if (this.socket.send(frame, this.format.isBinary)) room.giveBack();
    // Whether its bytes may be changed says nothing of that: some servers copy what they have not sent.
    if (this.socket.buffered === 0) this.#granted = 0;
  }

  sendMessage(message: ServerMessage): void {
    this.sendText(JSON.stringify(message));
  }

  /** A message as JSON. */
  sendText(text: string): void {
    if (this.#state === "closed") return;
    const { buffered, written } = this.socket;
    // Frames of views are conflated and not counted here. All that was unsent when counting began is taken: count anew.
    if (written >= this.#countedUntil) {
      this.#replyBytes = 0;
      this.#countedUntil = written + buffered;
    }
    this.#replyBytes += text.length;
    if (this.#replyBytes > MAX_UNSENT_BYTES) this.close("too_slow");
    else this.socket.send(text, false);
  }

  /** Tells the client what was wrong with a message; closes if it was one too many that is not the protocol. */
  refuse({ type, detail, ...more }: MessageProblem): void {
    if (BAD_MESSAGES.has(type) && ++this.#badMessages > MAX_BAD_MESSAGES_PER_CONNECTION)
      this.close("bad_message");
    else this.sendMessage({ op: "error", ...problem(type, detail), ...more });
  }

  /** Tells the client what was wrong with a message that is not the protocol and after which nothing can go on, and closes. */
  closeAfter({ type, detail, n }: MessageProblem, reason: string): void {
    this.sendMessage({ op: "error", ...problem(type, detail), n });
    this.close("bad_message", reason);
  }

  /** @param reason where it says more than that of the catalogue */
  close(why: CloseCode, reason: string = CLOSE_CODES[why].reason): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.socket.close(CLOSE_CODES[why].code, reason);
  }

  /** The peer or the server has closed the socket. */
  ended(): void {
    this.#state = "closed";
  }
}
