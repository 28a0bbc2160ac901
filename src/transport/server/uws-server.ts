/**
 * The `Server` over uWebSockets.js: a native HTTP and WebSocket server, about 1 KB an idle WebSocket. Where its manners differ from
 * those of `ws-server.ts`, `docs/decisions/0007-two-servers.md` says how.
 *
 * Idle → listening → leaving (answers say `Connection: close`) → closing (no new connections, sockets got 1001) → closed.
 */

import type { HttpRequest, HttpResponse, us_listen_socket, us_socket_context_t } from "uWebSockets.js";
import { lookup } from "node:dns/promises";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import {
  CLOSE_HANDSHAKE_MS,
  FAREWELL_MS,
  LINGER_MS,
  MAX_DISCARDED_BODY_BYTES,
  MAX_SOCKET_UNSENT_BYTES,
  NO_PROGRESS_MS,
  REQUEST_MS,
} from "../../limits.ts";
import { CLOSE_CODES } from "../feed/protocol.ts";
import { problemResponse } from "../http/problem-response.ts";
import type { OnError } from "./fetch-adapter.ts";
import type { Uws } from "./load-uws.ts";
import type { Server, ServerOptions } from "./server.ts";
import { type ExchangeServer, type ExchangeTimes, REARM_MS, UwsExchange } from "./uws-exchange.ts";
import { headersOf, sendResponse, serveDirect, serveExchange, urlOf } from "./uws-fetch.ts";
import { UwsSocket } from "./uws-socket.ts";

/** Times that tests shorten; the defaults are in `limits.ts`. All in milliseconds. */
export interface UwsServerTimes extends Partial<ExchangeTimes> {
  closeHandshakeMs?: number;
}

/** What the library keeps for each WebSocket: it copies the members into an object of its own. */
interface Opened {
  socket: UwsSocket;
}

/** Methods whose requests have bodies that may be too long to read after an early answer. */
const WITH_BODY = ["post", "put", "patch", "del"] as const;

/**
 * Builds the server; nothing listens yet.
 * @param onError told each error that the application threw on a request or an upgrade.
 */
export function createUwsServer(
  uws: Uws,
  options: ServerOptions,
  onError: OnError,
  times: UwsServerTimes = {},
): Server {
  const { closeHandshakeMs = CLOSE_HANDSHAKE_MS } = times;
  const direct = new Map((options.direct ?? []).map((route) => [`${route.method} ${route.path}`, route]));
  const exchanges = new Set<UwsExchange>();
  const sockets = new Set<UwsSocket>();
  let connections = 0;
  let leaving = false;
  let listening: us_listen_socket | undefined;
  /** Wakes `close` when something has ended. */
  let onEnd = () => {};

  const exchangeServer: ExchangeServer = {
    times: { requestMs: REQUEST_MS, lingerMs: LINGER_MS, noProgressMs: NO_PROGRESS_MS, ...times },
    get leaving() {
      return leaving;
    },
    done(exchange) {
      exchanges.delete(exchange);
      onEnd();
    },
  };
  const look = setInterval(() => {
    const now = performance.now();
    for (const exchange of exchanges) exchange.look(now);
  }, REARM_MS);
  look.unref();

  /** From the first handler of a request to its second, which follows at once. */
  let second: HttpResponse | undefined;
  function begin(res: HttpResponse, req: HttpRequest): UwsExchange {
    const exchange = new UwsExchange(res, req, second, exchangeServer);
    second = undefined;
    exchanges.add(exchange);
    return exchange;
  }
  function serve(res: HttpResponse, req: HttpRequest): void {
    const exchange = begin(res, req);
    const route = direct.get(`${exchange.method} ${req.getUrl()}`);
    if (route === undefined) void serveExchange(options.fetch, exchange, onError);
    else serveDirect(route, exchange).catch(onError);
  }

  const app = uws.App();
  // biome-ignore lint/suspicious/useIterableCallbackReturn: this is no array's filter.
  app.filter((res, change) => {
    connections += change as number;
    if ((change as number) > 0 && connections > options.maxConnections) res.close();
  });
  // The library spends a response's object with the answer. A long body may go on after that and must end some time, so such a
  // request is passed on once: each handler gets an object of its own for the connection.
  for (const method of WITH_BODY)
    app[method]("/*", (res, req) => {
      if (!mayBeLong(req)) return serve(res, req);
      second = res;
      req.setYield(true);
    });
  app.any("/*", serve);
  app.ws<Opened>("/*", {
    // A message a little too long is answered with a close code; the library cuts without one.
    maxPayloadLength: 2 * options.maxMessageBytes,
    maxBackpressure: MAX_SOCKET_UNSENT_BYTES,
    compression: uws.DISABLED,
    // The feed's heartbeats find dead peers. A ping would wait behind what a slow peer has not read, and cut it for being slow.
    idleTimeout: 0,
    sendPingsAutomatically: false,
    upgrade,
    open: (ws) => ws.getUserData().socket.opened(ws),
    message(ws, data, binary) {
      const { socket } = ws.getUserData();
      if (data.byteLength > options.maxMessageBytes) socket.close(1009, "the message is too long");
      else socket.message(data, binary);
    },
    drain: (ws) => ws.getUserData().socket.drained(),
    close(ws, code) {
      const { socket } = ws.getUserData();
      // The library counts what was upgraded as an open connection for ever.
      connections -= 1;
      sockets.delete(socket);
      socket.ended(code);
      onEnd();
    },
  });

  function upgrade(res: HttpResponse, req: HttpRequest, context: us_socket_context_t): void {
    if (req.getHeader("upgrade").toLowerCase() !== "websocket") return void req.setYield(true);
    const key = req.getHeader("sec-websocket-key");
    const exchange = begin(res, req);
    const answer = judge(exchange);
    if (answer instanceof Response)
      return void sendResponse(answer, exchange).catch((error) => {
        if (!exchange.gone) onError(error);
      });
    exchanges.delete(exchange);
    const socket = new UwsSocket(answer.protocol, answer.principal, options.socket, closeHandshakeMs);
    sockets.add(socket);
    res.upgrade({ socket } satisfies Opened, key, answer.protocol, "", context);
  }

  function judge(exchange: UwsExchange): Response | { protocol: string; principal: unknown } {
    if (leaving) return problemResponse("unavailable", "The node is shutting down.");
    const url = urlOf(exchange);
    if (url === undefined) return problemResponse("bad-request", "The request target is not valid.");
    if (exchange.header("sec-websocket-version") !== "13")
      return problemResponse("bad-request", "Version 13 of WebSocket is spoken here.");
    const protocols = (exchange.header("sec-websocket-protocol") ?? "")
      .split(",")
      .map((name) => name.trim())
      .filter((name) => name !== "");
    try {
      const answer = options.upgrade({ url, headers: headersOf(exchange), protocols });
      return answer.accept ? answer : answer.response;
    } catch (error) {
      onError(error);
      return problemResponse("internal", "The node failed on this request; its log says why.");
    }
  }

  return {
    name: "uws",
    async listen(host, port) {
      const { address } = await lookup(host);
      // Exclusively: without that, two nodes would share a port, and clients would meet either.
      app.listen(address, port, uws.LIBUS_LISTEN_EXCLUSIVE_PORT, (socket) => {
        listening = socket || undefined;
      });
      if (listening !== undefined) return uws.us_socket_local_port(listening);
      clearInterval(look);
      throw await listenError(address, port);
    },
    leave() {
      leaving = true;
    },
    async close(graceMs) {
      leaving = true;
      if (listening !== undefined) uws.us_listen_socket_close(listening);
      listening = undefined;
      let isCut = false;
      const cut = sleep(graceMs, undefined, { ref: false }).then(() => {
        isCut = true;
      });
      const { code, reason } = CLOSE_CODES.going_away;
      const isOpen = connections > 0;
      for (const socket of sockets) socket.close(code, reason);
      const isBusy = () => sockets.size > 0 || exchanges.size > 0;
      do {
        const ended = new Promise<void>((resolve) => {
          onEnd = () => {
            if (!isBusy()) resolve();
          };
          onEnd();
        });
        await Promise.race([ended, cut]);
        // Then the library closes all connections, answered or not.
        if (isOpen) await sleep(Math.min(graceMs, FAREWELL_MS));
      } while (isBusy() && !isCut);
      clearInterval(look);
      app.close();
    },
  };
}

/** Whether a request's body may be so long that it is not simply read to its end. */
function mayBeLong(req: HttpRequest): boolean {
  // To an `Expect`, each handler that a request comes by sends its own 100 Continue.
  if (req.getHeader("expect") !== "") return false;
  return (
    req.getHeader("transfer-encoding") !== "" ||
    Number(req.getHeader("content-length")) > MAX_DISCARDED_BODY_BYTES
  );
}

/** Why a port cannot be listened on: the library does not say. */
function listenError(host: string, port: number): Promise<Error> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", resolve);
    probe.listen({ host, port, exclusive: true }, () =>
      probe.close(() => resolve(new Error(`uWebSockets.js cannot listen on ${host} port ${port}`))),
    );
  });
}
