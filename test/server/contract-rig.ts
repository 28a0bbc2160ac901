/** What the contract of servers starts and talks with. */
import { once } from "node:events";
import { connect, type Socket as TcpSocket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Test } from "tap";
import { WebSocket } from "ws";
import type { Server, ServerOptions, Socket, SocketHandlers } from "../../src/transport/server/server.ts";

/** Limits that the contract wants short. */
export interface ContractTimes {
  headersMs: number;
  closeHandshakeMs: number;
}
export type CreateServer = (
  options: ServerOptions,
  onError: (error: unknown) => void,
  times: ContractTimes,
) => Server;

/**
 * Where a library leaves no choice, what it does instead: each is in docs/decisions/0007-two-servers.md. Everything else is the same
 * for all.
 */
export interface Manners {
  /** When a client that drips its headers is cut, in ms. */
  headersMs: [least: number, most: number];
  /** What a client gets whose first line is not HTTP: a problem, or nothing until it is cut as if it dripped. */
  noise: "problem" | "nothing";
  /** When 100 Continue is said. */
  continues: "wanted" | "always";
  /** The code that a peer sees whose text is not UTF-8. */
  badText: 1007 | 1006;
  /** Whether a connection is closed after an early answer once its body has come, or the client must do that, as it is told to. */
  afterEarly: "closes" | "waits";
  /** Whether those are served who pipeline, speak HTTP/1.0, or name the whole address. */
  rare: "served" | "refused";
  /** What happens to a peer that leaves our close frame unanswered: it is told as cut, or as closed at once. */
  unanswered: 1006 | "closed";
}

export const TIMES: ContractTimes = { headersMs: 400, closeHandshakeMs: 300 };
export const MAX_MESSAGE_BYTES = 4_096;

/** What takes so long hangs. */
export const HANG_MS = 30_000;

export interface Running {
  server: Server;
  port: number;
  errors: unknown[];
  sockets: Socket[];
  closes: number[];
  messages: { text: string; binary: boolean }[];
  drains: number;
}

export async function start(
  t: Test,
  create: CreateServer,
  given: Partial<ServerOptions> = {},
): Promise<Running> {
  const running: Running = {
    server: null!,
    port: 0,
    errors: [],
    sockets: [],
    closes: [],
    messages: [],
    drains: 0,
  };
  const socket: SocketHandlers = {
    open: (opened) => void running.sockets.push(opened),
    message(_, data, binary) {
      running.messages.push({ text: Buffer.from(data).toString(), binary });
    },
    drain: () => void running.drains++,
    close: (_, code) => void running.closes.push(code),
  };
  const options: ServerOptions = {
    fetch: () => new Response("hello"),
    upgrade: ({ protocols }) => ({ accept: true, protocol: protocols[0] ?? "", principal: "someone" }),
    socket,
    maxMessageBytes: MAX_MESSAGE_BYTES,
    maxConnections: 1_000,
    ...given,
  };
  running.server = create(options, (error) => running.errors.push(error), TIMES);
  running.port = await running.server.listen("127.0.0.1", 0);
  t.teardown(() => running.server.close(100));
  return running;
}

/** Waits for what happens on the other side of a socket; fails the test after 30 s, for a busy machine may take long. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  const end = performance.now() + HANG_MS;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`did not happen in ${HANG_MS} ms: ${what}`);
    await sleep(5);
  }
}

export async function openSocket(t: Test, port: number, protocols: string[] = []): Promise<WebSocket> {
  const ws = new WebSocket(`ws://127.0.0.1:${port}/feed?a=1`, protocols, { perMessageDeflate: true });
  t.teardown(() => ws.terminate());
  await once(ws, "open");
  return ws;
}

/** A WebSocket that never reads: by hand, for every client library does. */
export async function openDeaf(t: Test, port: number): Promise<TcpSocket> {
  const tcp = connect(port, "127.0.0.1");
  t.teardown(() => tcp.destroy());
  tcp.on("error", () => {});
  tcp.write(
    "GET /feed HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
  );
  await once(tcp, "readable");
  return tcp;
}

/** All that a connection answers to some bytes, until it ends. */
export async function raw(port: number, text: string): Promise<string> {
  const tcp = connect(port, "127.0.0.1");
  tcp.on("error", () => {});
  tcp.write(text);
  let answer = "";
  tcp.on("data", (data) => {
    answer += data.toString("latin1");
  });
  await once(tcp, "close");
  return answer;
}
