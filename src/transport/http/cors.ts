/**
 * Pages of other origins that the operator names may use the API, with a token of their own (CORS). Never by a cookie: browsers send
 * none where credentials are not allowed.
 */
import type { MiddlewareHandler } from "hono";
import type { DirectAnswer, HeaderReader } from "../server/server.ts";

const METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE";
/** What the API reads, beside what every page may send. */
const READ = "authorization, content-type, if-match, if-none-match, idempotency-key, last-event-id";
/** What it says, beside what every page may read. */
const SAID = "allow, etag, retry-after, www-authenticate";
/** Browsers ask again after that; a changed list of origins holds as late. Seconds. */
const MAX_AGE_S = "600";

export interface Cors {
  /** Answers what a browser asks in advance, and puts on all other answers what lets a page read them. */
  middleware: MiddlewareHandler;
  /** The same for an answer past the router. @param headers of the request */
  readable(answer: DirectAnswer, headers: HeaderReader): DirectAnswer;
}

/** @param origins as browsers write them. */
export function createCors(origins: readonly string[]): Cors {
  const said = (headers: HeaderReader): Record<string, string> => {
    const origin = headers.get("origin");
    if (origin === null || !origins.includes(origin)) return {};
    return { "access-control-allow-origin": origin, "access-control-expose-headers": SAID };
  };
  return {
    async middleware(c, next) {
      if (origins.length === 0) return next();
      const { method, headers } = c.req.raw;
      const allowed = said(headers);
      const isPreflight = method === "OPTIONS" && headers.has("access-control-request-method");
      if (isPreflight && allowed["access-control-allow-origin"] !== undefined)
        return new Response(null, {
          status: 204,
          headers: {
            ...allowed,
            "access-control-allow-methods": METHODS,
            "access-control-allow-headers": READ,
            "access-control-max-age": MAX_AGE_S,
            vary: "Origin",
          },
        });
      await next();
      for (const [name, value] of Object.entries(allowed)) c.res.headers.set(name, value);
      c.res.headers.append("vary", "Origin");
    },
    readable(answer, headers) {
      if (origins.length === 0) return answer;
      // In the order in which fetch has them.
      const all = new Headers({ ...answer.headers, ...said(headers) });
      all.append("vary", "Origin");
      return { ...answer, headers: Object.fromEntries(all) };
    },
  };
}
