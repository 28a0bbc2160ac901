/** The same reports in Redis: `GEOADD` for where everything is and `XADD` for where it was, each batch one pipeline, every write on the disk before its answer. */

import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { Fleet } from "../fleet.ts";
import { type Notation, ReportBatches } from "../report-batches.ts";
import type { ReportRoute } from "../report-client.ts";

/** To a Redis that keeps what it answers to, as a node does. */
export const DURABLE = [
  "--appendonly",
  "yes",
  "--appendfsync",
  "always",
  "--auto-aof-rewrite-percentage",
  "0",
];
/** `GEOADD` answers with a number, `XADD` with a length and an id. */
const LINES_PER_REPORT = 3;
const LINE_END = 0x0a;
const MINUS = 0x2d;

/** A stream for each entity. Its time comes in a field: Redis numbers the entries itself. */
const COMMANDS: Notation = {
  ...{ begin: "", between: "", end: "" },
  report: (id, { lon, lat, speed, course }) => [
    `${command("GEOADD", "fleet", lon, lat, id)}*13\r\n${["XADD", id, "*", "t"].map(bulk).join("")}$24\r\n`,
    `\r\n${["lon", lon, "lat", lat, "speed", speed, "course", course].map(bulk).join("")}`,
  ],
};

function command(...words: (string | number)[]): string {
  return `*${words.length}\r\n${words.map(bulk).join("")}`;
}

function bulk(word: string | number): string {
  const text = String(word);
  return `$${text.length}\r\n${text}\r\n`;
}

export class RedisLog implements ReportRoute {
  readonly batches: ReportBatches;
  readonly #sockets: readonly Socket[];
  readonly #idle: Socket[];

  private constructor(batches: ReportBatches, sockets: readonly Socket[]) {
    this.batches = batches;
    this.#sockets = sockets;
    this.#idle = [...sockets];
  }

  /** @param connections as many batches may be under way */
  static async open(
    url: string,
    fleet: Fleet,
    { batchSize, seed, connections }: { batchSize: number; seed: number; connections: number },
  ): Promise<RedisLog> {
    const { hostname, port } = new URL(url);
    const sockets = Array.from({ length: connections }, () => connect(Number(port), hostname));
    await Promise.all(sockets.map((socket) => once(socket, "connect")));
    return new RedisLog(new ReportBatches(fleet, batchSize, seed, COMMANDS), sockets);
  }

  async post(now: number): Promise<number> {
    const socket = this.#idle.pop();
    if (socket === undefined) throw new Error("more batches are under way than there are connections");
    await exchange(socket, this.batches.next(now), this.batches.batchSize * LINES_PER_REPORT);
    this.#idle.push(socket);
    return this.batches.batchSize;
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}

/** Resolves when so many lines were answered. Rejects if one of them is an error. */
function exchange(socket: Socket, body: Buffer, lines: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let missing = lines;
    let isStart = true;
    const done = (error?: Error) => {
      socket.off("data", take);
      socket.off("error", done);
      if (error === undefined) resolve();
      else reject(error);
    };
    const take = (chunk: Buffer) => {
      for (let at = 0; at < chunk.length; ) {
        if (isStart && chunk[at] === MINUS)
          return done(new Error(`Redis answered ${chunk.toString("latin1", at, at + 200)}`));
        const end = chunk.indexOf(LINE_END, at);
        isStart = end >= 0;
        if (end < 0) break;
        missing -= 1;
        at = end + 1;
      }
      if (missing === 0) done();
    };
    socket.on("data", take);
    socket.on("error", done);
    socket.write(body);
  });
}
