/**
 * What Muster wants of a web server: HTTP by fetch, WebSockets by callbacks, one port. `uws-server.ts` implements it over
 * uWebSockets.js, `ws-server.ts` over `node:http` + `ws`; every implementation passes `test/server/contract.ts`.
 */

/** What an operator may ask for: an implementation by its name, or the best one that this machine can load. */
export const SERVER_CHOICES = ["auto", "uws", "ws"] as const;
export type ServerChoice = (typeof SERVER_CHOICES)[number];

/** A WebSocket, as the feed sees it. */
export interface Socket {
  /** The subprotocol agreed on. */
  readonly protocol: string;
  /** What `upgrade` attached. */
  readonly principal: unknown;
  /** Bytes handed to `send` that the operating system has not taken yet. */
  readonly buffered: number;
  /** Bytes the operating system has taken since the socket opened: grows only if the peer reads. */
  readonly written: number;
  /**
   * Sends one message. Never waits, never drops while open; the caller looks at `buffered` first. After close: nothing happens.
   * Text must be UTF-8.
   * @returns whether `data` is no longer read, so that it may be changed; else it must not be until it is written. Of what is unsent `buffered` tells.
   */
  send(data: string | Uint8Array, binary: boolean): boolean;
  /** Starts the closing handshake; the socket is cut if the peer does not answer within the server's limit. */
  close(code: number, reason: string): void;
}

export interface SocketHandlers {
  open(socket: Socket): void;
  /** A whole message. `data` is valid during the call only. */
  message(socket: Socket, data: Uint8Array, binary: boolean): void;
  /** `buffered` has fallen to 0. */
  drain(socket: Socket): void;
  /** Called once for every socket that was opened. */
  close(socket: Socket, code: number): void;
}

export interface UpgradeRequest {
  /** Path and query. */
  url: URL;
  headers: Headers;
  /** Subprotocols offered, in order of preference. */
  protocols: string[];
}
export type UpgradeAnswer =
  | { accept: true; protocol: string; principal: unknown }
  /** Answered as plain HTTP, before any WebSocket exists. */
  | { accept: false; response: Response };

/** The headers of a request: as much of fetch's `Headers` as most who read them want. */
export interface HeaderReader {
  /** By name in lower case; repeated ones joined as fetch does. */
  get(name: string): string | null;
}

/** The body of a request, chunk by chunk: as much of a stream's reader as is wanted. Nothing is read before it is asked for. */
export interface BodyReader {
  /** Rejects if the connection broke off before the end. */
  read(): Promise<{ done: false; value: Uint8Array } | { done: true }>;
  /** Nothing more is wanted. */
  cancel(): Promise<void>;
}

/** A request without fetch's objects, which cost more than many an answer. */
export interface DirectRequest {
  method: string;
  headers: HeaderReader;
  /** The whole address. */
  url: URL;
  body: BodyReader;
}

export interface DirectAnswer {
  status: number;
  headers: Record<string, string>;
  body: string;
}

/** A route that a server may answer by itself. `fetch` answers the same, byte for byte. */
export interface DirectRoute {
  method: string;
  path: string;
  /** Never rejects. */
  answer(request: DirectRequest): Promise<DirectAnswer>;
}

export interface ServerOptions {
  fetch(request: Request): Response | Promise<Response>;
  /** Hot routes, for servers that are faster without fetch's objects. */
  direct?: readonly DirectRoute[];
  upgrade(request: UpgradeRequest): UpgradeAnswer;
  socket: SocketHandlers;
  /** A longer message closes the socket with 1009. */
  maxMessageBytes: number;
  /** More connections (HTTP and WebSocket together) are refused. */
  maxConnections: number;
}

export interface Server {
  /** Which implementation: `ws` or `uws`. */
  readonly name: string;
  /** Resolves with the port in use; rejects with the system's error (`EADDRINUSE`, …). Port 0 = any free one. */
  listen(host: string, port: number): Promise<number>;
  /** From now on answers say `Connection: close`: what their clients ask next is for another node. */
  leave(): void;
  /** Leaves, stops listening, answers what is under way, closes sockets with 1001; cuts what is left after `graceMs`. */
  close(graceMs: number): Promise<void>;
}
