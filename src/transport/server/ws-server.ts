/**
 * The `Server` over `node:http` and `ws`. It runs wherever Node runs; about 18 KB an idle WebSocket.
 *
 * Idle → listening → leaving (answers say `Connection: close`) → closing (no new connections, sockets got 1001) → closed.
 */
import { createServer, type IncomingMessage, ServerResponse } from "node:http";
import { Server as TcpServer, type Socket as TcpSocket } from "node:net";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { type WebSocket, WebSocketServer } from "ws";
import {
  CLOSE_HANDSHAKE_MS,
  FAREWELL_MS,
  KEEP_ALIVE_MS,
  REQUEST_HEADERS_MS,
  REQUEST_MS,
} from "../../limits.ts";
import { CLOSE_CODES } from "../feed/protocol.ts";
import { problem } from "../http/problem.ts";
import { problemResponse } from "../http/problem-response.ts";
import { headersOf, type OnError, sendResponse, serveFetch, urlOf } from "./fetch-adapter.ts";
import type { Server, ServerOptions } from "./server.ts";
import { WsSocket } from "./ws-socket.ts";

/** Times that tests shorten; the defaults are in `limits.ts`. All in milliseconds. */
export interface WsServerTimes {
  headersMs?: number;
  requestMs?: number;
  closeHandshakeMs?: number;
}

/**
 * Builds the server; nothing listens yet.
 * @param onError told each error that the application threw on a request or an upgrade.
 */
export function createWsServer(options: ServerOptions, onError: OnError, times: WsServerTimes = {}): Server {
  const { headersMs = REQUEST_HEADERS_MS, requestMs = REQUEST_MS } = times;
  let leaving = false;
  /** Connections that are kept alive are of no use any more. */
  let endsIdle = false;
  const http = createServer({
    headersTimeout: headersMs,
    requestTimeout: requestMs,
    keepAliveTimeout: KEEP_ALIVE_MS,
    connectionsCheckingInterval: Math.min(5_000, headersMs),
    keepAlive: true,
    keepAliveInitialDelay: 60_000,
    noDelay: true,
    // Other upgrades (h2c) are offers, which a server may ignore.
    shouldUpgradeCallback: (request) => request.headers.upgrade?.toLowerCase() === "websocket",
  });
  http.maxConnections = options.maxConnections;
  const websockets = new WebSocketServer({
    noServer: true,
    clientTracking: true,
    perMessageDeflate: false,
    maxPayload: options.maxMessageBytes,
    closeTimeout: times.closeHandshakeMs ?? CLOSE_HANDSHAKE_MS,
  } as ConstructorParameters<typeof WebSocketServer>[0]);

  /** Answers that are not done. */
  const answers = new Set<ServerResponse>();
  const serve = (incoming: IncomingMessage, outgoing: ServerResponse, expectsContinue: boolean) => {
    answers.add(outgoing);
    outgoing.once("close", () => {
      answers.delete(outgoing);
      if (endsIdle) http.closeIdleConnections();
    });
    if (leaving) outgoing.shouldKeepAlive = false;
    void serveFetch(options.fetch, incoming, outgoing, expectsContinue, onError);
  };
  http.on("request", (incoming, outgoing) => serve(incoming, outgoing, false));
  http.on("checkContinue", (incoming, outgoing) => serve(incoming, outgoing, true));
  http.on("clientError", refuseGarbage);
  http.on("upgrade", (incoming, stream, head) => {
    const tcp = stream as TcpSocket;
    tcp.on("error", () => tcp.destroy());
    // It came before the request before it was answered: neither answer could be told from the other.
    if (unanswered(tcp) !== undefined) return void tcp.destroy();
    const answer = judge(incoming);
    if (answer instanceof Response) return refuseUpgrade(answer, incoming, tcp);
    // `ws` chooses among the protocols offered by the header: leave it the one agreed on.
    incoming.headers["sec-websocket-protocol"] = answer.protocol || undefined;
    websockets.handleUpgrade(incoming, tcp, head, (ws) => open(ws, tcp, answer.principal));
  });

  function judge(incoming: IncomingMessage): Response | { protocol: string; principal: unknown } {
    if (leaving) return problemResponse("unavailable", "The node is shutting down.");
    const url = urlOf(incoming);
    if (url === undefined) return problemResponse("bad-request", "The request target is not valid.");
    const protocols = (incoming.headers["sec-websocket-protocol"] ?? "")
      .split(",")
      .map((name) => name.trim())
      .filter((name) => name !== "");
    try {
      const answer = options.upgrade({ url, headers: headersOf(incoming), protocols });
      return answer.accept ? answer : answer.response;
    } catch (error) {
      onError(error);
      return problemResponse("internal", "The node failed on this request; its log says why.");
    }
  }

  function open(ws: WebSocket, tcp: TcpSocket, principal: unknown): void {
    const socket = new WsSocket(ws, tcp, principal, options.socket);
    // What the peer did wrong has been answered with a close code by `ws`; the close event follows.
    ws.on("error", () => {});
    ws.on("message", (data, binary) => options.socket.message(socket, data as Buffer, binary));
    ws.on("close", (code) => options.socket.close(socket, code));
    options.socket.open(socket);
  }

  function leave(): void {
    leaving = true;
    for (const outgoing of answers) outgoing.shouldKeepAlive = false;
  }

  return {
    name: "ws",
    listen(host, port) {
      return new Promise((resolve, reject) => {
        http.once("error", reject);
        http.listen({ host, port, backlog: 1_024 }, () => {
          http.off("error", reject);
          const address = http.address();
          resolve(typeof address === "object" && address !== null ? address.port : port);
        });
      });
    },
    leave,
    async close(graceMs) {
      leave();
      const cut = setTimeout(() => {
        for (const ws of websockets.clients) ws.terminate();
        http.closeAllConnections();
      }, graceMs);
      const { code, reason } = CLOSE_CODES.going_away;
      for (const ws of websockets.clients) ws.close(code, reason);
      // Its own `close` would cut idle connections at once. An error here says that it was not listening, which is as good.
      const httpClosed = new Promise<void>((resolve) =>
        TcpServer.prototype.close.call(http, () => resolve()),
      );
      const socketsClosed = new Promise<void>((resolve) => websockets.close(() => resolve()));
      await Promise.race([httpClosed, sleep(Math.min(graceMs, FAREWELL_MS), undefined, { ref: false })]);
      endsIdle = true;
      http.close();
      await Promise.all([httpClosed, socketsClosed]);
      clearTimeout(cut);
    },
  };
}

/** Answers an upgrade as plain HTTP and closes the connection. */
function refuseUpgrade(response: Response, incoming: IncomingMessage, tcp: TcpSocket): void {
  const outgoing = new ServerResponse(incoming);
  outgoing.assignSocket(tcp);
  outgoing.shouldKeepAlive = false;
  outgoing.on("finish", () => {
    outgoing.detachSocket(tcp);
    tcp.destroySoon();
  });
  sendResponse(response, incoming, outgoing).catch(() => tcp.destroy());
}

/** The answer that a connection is busy with. Node shows it in no other way. */
function unanswered(tcp: TcpSocket): ServerResponse | undefined {
  return (tcp as unknown as { _httpMessage?: ServerResponse | null })._httpMessage ?? undefined;
}

/** What is not HTTP, too large or too late. Written by hand, for there is no request to answer. */
function refuseGarbage(error: NodeJS.ErrnoException & { bytesParsed?: number }, stream: Duplex): void {
  const tcp = stream as TcpSocket;
  if (!tcp.writable || error.code === "ECONNRESET" || unanswered(tcp)?.headersSent) return void tcp.destroy();
  const [status, phrase, detail] =
    error.code === "HPE_HEADER_OVERFLOW"
      ? [431, "Request Header Fields Too Large", "The headers are larger than the limit."]
      : error.code === "ERR_HTTP_REQUEST_TIMEOUT"
        ? [408, "Request Timeout", "The request did not arrive in time."]
        : [400, "Bad Request", "This is not HTTP/1.1."];
  const body = JSON.stringify({ ...problem("bad-request", detail as string), status });
  tcp.end(
    `HTTP/1.1 ${status} ${phrase}\r\nConnection: close\r\nContent-Type: application/problem+json\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    () => tcp.destroy(),
  );
}
