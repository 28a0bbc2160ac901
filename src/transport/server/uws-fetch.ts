/** HTTP of uWebSockets.js as fetch, and past it for hot routes. */
import { problemResponse, toResponse } from "../http/problem-response.ts";
import type { Fetch, OnError } from "./fetch-adapter.ts";
import { requestUrl, unservable } from "./request-line.ts";
import type { BodyReader, DirectRoute } from "./server.ts";
import type { UwsExchange } from "./uws-exchange.ts";

/** Answers one request. Never rejects. */
export async function serveExchange(fetch: Fetch, exchange: UwsExchange, onError: OnError): Promise<void> {
  const aborted = new AbortController();
  exchange.onGone = () => aborted.abort();
  try {
    const request = toRequest(exchange, aborted.signal);
    await sendResponse(request instanceof Response ? request : await fetch(request), exchange);
  } catch (error) {
    if (exchange.gone) return;
    onError(error);
    if (exchange.answering) exchange.cut();
    else
      await sendResponse(
        problemResponse("internal", "The node failed on this request; its log says why."),
        exchange,
      );
  }
}

/** Answers one request of a hot route. */
export async function serveDirect(route: DirectRoute, exchange: UwsExchange): Promise<void> {
  const { method, body } = exchange;
  const url = urlOf(exchange);
  const refusal = unservable(method, url);
  const headers = { get: (name: string) => exchange.header(name) };
  const answer = refusal ?? (await route.answer({ method, headers, url: url!, body }));
  await exchange.answer(answer.status, Object.entries(answer.headers), Buffer.from(answer.body));
}

/** The address of a request, or `undefined` if its target or its `Host` are not valid. */
export function urlOf(exchange: UwsExchange): URL | undefined {
  return requestUrl(exchange.target, exchange.header("host") ?? undefined);
}

/** Sends a response of fetch. Resolves when all of it is handed over or the connection is gone. */
export async function sendResponse(response: Response, exchange: UwsExchange): Promise<void> {
  const headers = [...response.headers];
  const reader = response.body?.getReader();
  if (reader === undefined || exchange.method === "HEAD") {
    await reader?.cancel();
    const none = exchange.method === "HEAD" || [204, 304].includes(response.status);
    return exchange.answer(response.status, headers, none ? undefined : new Uint8Array(0));
  }
  const { onGone } = exchange;
  exchange.onGone = () => {
    onGone();
    reader.cancel().catch(() => {});
  };
  if (exchange.gone) return void (await reader.cancel());
  const first = await reader.read();
  const second = first.done ? Promise.resolve(first) : reader.read();
  second.catch(() => {});
  // Most bodies are one chunk: with its length known it goes out in one piece.
  const early = await Promise.race([second, new Promise<undefined>((next) => setImmediate(next, undefined))]);
  if (early?.done) return exchange.answer(response.status, headers, first.value ?? new Uint8Array(0));
  const parts = [first, second];
  await exchange.stream(response.status, headers, async () => (await (parts.shift() ?? reader.read())).value);
}

/** The headers of a request, in order, repeated ones joined as fetch does. */
export function headersOf(exchange: UwsExchange): Headers {
  return new Headers(exchange.headers);
}

function toRequest(exchange: UwsExchange, signal: AbortSignal): Request | Response {
  const { method } = exchange;
  const url = urlOf(exchange);
  const refusal = unservable(method, url);
  if (refusal !== undefined || url === undefined) return toResponse(refusal!);
  const bodiless = method === "GET" || method === "HEAD";
  return new Request(url, {
    method,
    headers: headersOf(exchange),
    signal,
    ...(bodiless ? {} : { body: streamOf(exchange.body), duplex: "half" }),
  } as RequestInit);
}

function streamOf(body: BodyReader): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const part = await body.read();
        if (part.done) controller.close();
        else controller.enqueue(part.value);
      },
      cancel: () => body.cancel(),
    },
    // Nothing is read ahead: TCP holds the client back.
    { highWaterMark: 0 },
  );
}
