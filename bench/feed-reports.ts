/** Reports as binary batches over feeds, with handles that belong to their connection. */
import type { Socket } from "node:net";
import { type Ack, type ErrorMessage, PROTOCOL_BINARY } from "../src/transport/feed/protocol.ts";
import type { BinaryBatches } from "./binary-batches.ts";
import { FrameReader } from "./frame-reader.ts";
import type { ReportRoute } from "./report-client.ts";
import { TextMessages } from "./text-messages.ts";
import { openWebSocket } from "./web-socket.ts";

interface Waiting {
  resolve(accepted: number): void;
  reject(error: Error): void;
}

export class FeedReports implements ReportRoute {
  readonly batches: BinaryBatches;
  readonly #sockets: Socket[] = [];
  /** By number of a batch. */
  readonly #waiting = new Map<number, Waiting>();
  #closed = false;

  private constructor(batches: BinaryBatches) {
    this.batches = batches;
  }

  static async open(
    { url, token }: { url: string; token: string },
    batches: BinaryBatches,
    connections: number,
  ): Promise<FeedReports> {
    const reports = new FeedReports(batches);
    const upgrade = { url, token, path: "/v1/feed", protocol: PROTOCOL_BINARY };
    for (let i = 0; i < connections; i++) {
      const reader = new FrameReader(new TextMessages((text) => reports.#answer(text)));
      const take = (chunk: Buffer) => reports.#guard(() => reader.push(chunk));
      const ended = () => reports.#fail(new Error("a feed ended before the benchmark did"));
      reports.#sockets.push(await openWebSocket(upgrade, i, take, ended));
    }
    return reports;
  }

  close(): void {
    this.#closed = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  post(now: number): Promise<number> {
    const { connection, n, bytes } = this.batches.next(now);
    return new Promise((resolve, reject) => {
      this.#waiting.set(n, { resolve, reject });
      this.#sockets[connection].write(bytes);
    });
  }

  #answer(text: string): void {
    const message = JSON.parse(text) as Ack | ErrorMessage | { op: "heartbeat" };
    if (message.op === "error") throw new Error(`the server answered ${text}`);
    if (message.op !== "ack") return;
    // A node that takes reports faster than its database makes rows of tracks refuses some until it has caught up.
    if (message.refused.some(({ type }) => type !== "overloaded"))
      throw new Error(`reports were refused: ${text.slice(0, 500)}`);
    this.#waiting.get(message.n)!.resolve(message.accepted);
    this.#waiting.delete(message.n);
  }

  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  #fail(error: Error): void {
    if (this.#closed) return;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}
