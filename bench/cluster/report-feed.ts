/** Reports as JSON over feeds, each message by itself, for runs in which some are refused or never answered. */
import type { Socket } from "node:net";
import { type Ack, type ErrorMessage, PROTOCOL_JSON } from "../../src/transport/feed/protocol.ts";
import { FrameReader } from "../frame-reader.ts";
import { TextMessages } from "../text-messages.ts";
import { openWebSocket, textFrame } from "../web-socket.ts";

/** What became of a message with reports. */
export interface Answer {
  accepted: number;
  refused: number;
}

interface Waiting {
  reports: number;
  answer(answer: Answer): void;
}

export class ReportFeed {
  readonly #sockets: Socket[] = [];
  readonly #waiting = new Map<number, Waiting>();
  #n = 0;
  #closed = false;

  private constructor() {}

  /** A node takes a bounded number of messages without an answer from one connection. */
  static async open(target: { url: string; token: string }, connections: number): Promise<ReportFeed> {
    const feed = new ReportFeed();
    const upgrade = { ...target, path: "/v1/feed", protocol: PROTOCOL_JSON };
    for (let i = 0; i < connections; i++) {
      const reader = new FrameReader(new TextMessages((text) => feed.#take(text)));
      const ended = () => {
        if (!feed.#closed) throw new Error("a feed ended before the benchmark did");
      };
      feed.#sockets.push(await openWebSocket(upgrade, i, (chunk) => reader.push(chunk), ended));
    }
    return feed;
  }

  /** Sends one message; those of one turn of the loop go out together. @param lane whichever; the same lane is the same connection */
  send(lane: number, reports: readonly object[]): Promise<Answer> {
    const n = this.#n++;
    const socket = this.#sockets[lane % this.#sockets.length];
    if (socket.writableCorked === 0) {
      socket.cork();
      setImmediate(() => socket.uncork());
    }
    socket.write(textFrame(JSON.stringify({ op: "report", n, reports })));
    return new Promise((resolve) => {
      this.#waiting.set(n, { reports: reports.length, answer: resolve });
    });
  }

  close(): void {
    this.#closed = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  #take(text: string): void {
    const message = JSON.parse(text) as Ack | ErrorMessage | { op: "heartbeat" };
    if (message.op === "heartbeat") return;
    const waiting = message.n === undefined ? undefined : this.#waiting.get(message.n);
    if (waiting === undefined) throw new Error(`the server answered ${text}`);
    this.#waiting.delete(message.n!);
    const accepted = message.op === "ack" ? message.accepted : 0;
    waiting.answer({ accepted, refused: waiting.reports - accepted });
  }
}
