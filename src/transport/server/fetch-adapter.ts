/**
 * HTTP of `node:http` as fetch: one `IncomingMessage` in, one `Request` to the application, one `Response` out. Bodies stream
 * both ways with backpressure; nothing of a request's body is read before the application asks for it.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { LINGER_MS, MAX_DISCARDED_BODY_BYTES, NO_PROGRESS_MS } from "../../limits.ts";
import { problemResponse, toResponse } from "../http/problem-response.ts";
import { requestUrl, unservable } from "./request-line.ts";
import { takenBytes } from "./socket-progress.ts";

export type Fetch = (request: Request) => Response | Promise<Response>;
/** Told what the application threw; the client gets a 500 without details. */
export type OnError = (error: unknown) => void;

/**
 * Answers one request. Never rejects.
 * @param expectsContinue the client waits for `100 Continue`; it gets it when the body is first read.
 */
export async function serveFetch(
  fetch: Fetch,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  expectsContinue: boolean,
  onError: OnError,
): Promise<void> {
  const aborted = new AbortController();
  outgoing.on("close", () => {
    if (!outgoing.writableFinished) aborted.abort();
  });
  // A connection that breaks shows as an error of the body's reader, or as the signal; an error nobody reads is not one.
  incoming.on("error", () => {});
  try {
    const request = toRequest(incoming, expectsContinue ? outgoing : undefined, aborted.signal);
    const response = request instanceof Response ? request : await fetch(request);
    await sendResponse(response, incoming, outgoing);
  } catch (error) {
    if (!aborted.signal.aborted) onError(error);
    if (outgoing.headersSent) outgoing.destroy();
    else
      await sendResponse(
        problemResponse("internal", "The node failed on this request; its log says why."),
        incoming,
        outgoing,
      );
  }
}

/** The address of a request, or `undefined` if the request line or the `Host` header are not valid. */
export function urlOf(incoming: IncomingMessage): URL | undefined {
  return requestUrl(incoming.url ?? "", incoming.headers.host);
}

/** The headers of a request, in order, repeated ones joined as fetch does. */
export function headersOf(incoming: IncomingMessage): Headers {
  const headers = new Headers();
  const raw = incoming.rawHeaders;
  for (let i = 0; i < raw.length; i += 2) headers.append(raw[i], raw[i + 1]);
  return headers;
}

function toRequest(
  incoming: IncomingMessage,
  continues: ServerResponse | undefined,
  signal: AbortSignal,
): Request | Response {
  const url = urlOf(incoming);
  const method = incoming.method ?? "GET";
  const refusal = unservable(method, url);
  if (refusal !== undefined || url === undefined) return toResponse(refusal!);
  const bodiless = method === "GET" || method === "HEAD";
  return new Request(url, {
    method,
    headers: headersOf(incoming),
    signal,
    ...(bodiless ? {} : { body: bodyOf(incoming, continues), duplex: "half" }),
  } as RequestInit);
}

function bodyOf(
  incoming: IncomingMessage,
  continues: ServerResponse | undefined,
): ReadableStream<Uint8Array> {
  let started = false;
  let over = false;
  const start = (controller: ReadableStreamDefaultController<Uint8Array>) => {
    incoming.on("data", (chunk: Buffer) => {
      if (over) return;
      controller.enqueue(chunk);
      incoming.pause();
    });
    incoming.on("end", () => {
      if (!over) controller.close();
      over = true;
    });
    const broken = () => {
      if (!over) controller.error(new Error("The connection broke off before the end of the body."));
      over = true;
    };
    incoming.on("error", broken);
    incoming.on("close", broken);
    if (incoming.destroyed) broken();
  };
  return new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        if (!started) {
          started = true;
          continues?.writeContinue();
          start(controller);
        }
        incoming.resume();
      },
      cancel() {
        over = true;
      },
    },
    // Nothing is read ahead: TCP holds the client back.
    { highWaterMark: 0 },
  );
}

/**
 * Writes a response. Resolves when all of it is handed over or the connection is gone; a client that takes no byte for
 * `NO_PROGRESS_MS` is cut.
 */
export async function sendResponse(
  response: Response,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  if (outgoing.destroyed) return void (await response.body?.cancel());
  const lingers = !incoming.complete && !discardable(incoming);
  const headers: Record<string, string | string[]> = {};
  for (const [name, value] of response.headers) if (name !== "set-cookie") headers[name] = value;
  const cookies = response.headers.getSetCookie();
  if (cookies.length > 0) headers["set-cookie"] = cookies;
  if (lingers) headers.connection = "close";

  const reader = response.body?.getReader();
  if (reader === undefined || incoming.method === "HEAD") {
    await reader?.cancel();
    if (incoming.method !== "HEAD" && response.status >= 200 && ![204, 304].includes(response.status))
      headers["content-length"] = "0";
    outgoing.writeHead(response.status, headers);
    outgoing.flushHeaders();
    return finish(incoming, outgoing, lingers);
  }
  const stopWatching = watchProgress(outgoing);
  outgoing.once("close", () => {
    stopWatching();
    reader.cancel().catch(() => {});
  });
  const first = await reader.read();
  const second = first.done ? Promise.resolve(first) : reader.read();
  second.catch(() => {});
  // Most bodies are one chunk: with its length known it goes out in one piece, and is complete before we linger.
  const early = await Promise.race([second, new Promise<undefined>((next) => setImmediate(next, undefined))]);
  if (early?.done) headers["content-length"] = String(first.value?.byteLength ?? 0);
  outgoing.writeHead(response.status, headers);
  if (!first.done && !outgoing.write(first.value)) await drained(outgoing);
  for (let part = await second; !part.done && !outgoing.destroyed; part = await reader.read()) {
    if (!outgoing.write(part.value)) await drained(outgoing);
  }
  if (!outgoing.destroyed) finish(incoming, outgoing, lingers);
}

/** Whether so little of the body is left that it may be thrown away and the connection kept. */
function discardable(incoming: IncomingMessage): boolean {
  if (incoming.headers["transfer-encoding"] !== undefined) return false;
  return Number(incoming.headers["content-length"] ?? 0) <= MAX_DISCARDED_BODY_BYTES;
}

/**
 * Ends a response. When the client is still sending, closing now would reset the connection and could destroy the answer on its way: the
 * answer is whole, so the rest of the body is thrown away until the client stops, for `LINGER_MS` at most.
 */
function finish(incoming: IncomingMessage, outgoing: ServerResponse, lingers: boolean): void {
  incoming.removeAllListeners("data");
  incoming.resume();
  if (!lingers) return void outgoing.end();
  const timer = setTimeout(() => outgoing.destroy(), LINGER_MS).unref();
  outgoing.once("close", () => clearTimeout(timer));
  incoming.once("end", () => outgoing.end());
}

function drained(outgoing: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    if (outgoing.destroyed) return resolve();
    const done = () => {
      outgoing.off("drain", done);
      outgoing.off("close", done);
      resolve();
    };
    outgoing.on("drain", done);
    outgoing.on("close", done);
  });
}

/** Cuts the connection when something waits and nothing of it was taken between two looks. */
function watchProgress(outgoing: ServerResponse): () => void {
  let before = -1;
  const timer = setInterval(() => {
    const socket = outgoing.socket;
    if (socket === null) return;
    const taken = takenBytes(socket);
    if (socket.writableLength > 0 && taken === before) outgoing.destroy();
    before = taken;
  }, NO_PROGRESS_MS);
  timer.unref();
  return () => clearInterval(timer);
}
